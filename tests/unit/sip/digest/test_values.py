"""Responses against the examples of the RFCs, and headers as equipment writes them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.digest.values import (
    MD5,
    Algorithm,
    DigestChallenge,
    DigestInput,
    DigestResponse,
    parse_digest_headers,
    parse_params,
    quoted,
)
from gateway.sip.grammar import SipParseError

SHA_256 = Algorithm("SHA-256")


def rfc7616(algorithm: Algorithm) -> DigestInput:
    """RFC 7616 §3.9.1."""
    return DigestInput(
        algorithm=algorithm,
        username="Mufasa",
        realm="http-auth@example.org",
        password="Circle of Life",
        nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        method="GET",
        uri="/dir/index.html",
        qop="auth",
        nc="00000001",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )


def rfc2617(**changes: str) -> DigestInput:
    """RFC 2617 §3.5."""
    given = {"password": "Circle Of Life", "qop": "auth", "nc": "00000001", "cnonce": "0a4f113b", **changes}
    return DigestInput(
        MD5,
        "Mufasa",
        "testrealm@host.com",
        nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
        method="GET",
        uri="/dir/index.html",
        **given,  # type: ignore[arg-type]
    )


def test_no_password_is_in_what_a_traceback_may_show() -> None:
    assert "Circle" not in repr(rfc7616(MD5))


def test_the_examples_of_rfc_7616() -> None:
    assert rfc7616(MD5).response() == "8ca523f5e9506fed4657c9700eebdbec"
    assert rfc7616(SHA_256).response() == "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"


def test_the_example_of_rfc_7616_for_sha_512_256_as_erratum_4897_corrects_it() -> None:
    answer = DigestInput(
        algorithm=Algorithm("SHA-512-256"),
        username="J\u00e4s\u00f8n Doe",
        realm="api@example.org",
        password="Secret, or not?",
        nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
        method="GET",
        uri="/doe.json",
        qop="auth",
        nc="00000001",
        cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    )
    assert answer.response() == "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"


def test_the_examples_of_rfc_2617_and_rfc_2069() -> None:
    assert rfc2617().response() == "6629fae49393a05397450978507c4ef1"
    without_qop = rfc2617(password="CircleOfLife", qop="", nc="", cnonce="")
    assert without_qop.response() == "1949323746fe6a43ef61f9606e7febea"


def test_a_session_key_and_a_body_change_the_response() -> None:
    """Written out once by hand from RFC 7616 §3.4.2 and §3.4.3."""
    h = MD5.hash
    secret = h(f"{h('u:r:p')}:n:c")
    answer = DigestInput(
        Algorithm("MD5", True), "u", "r", "p", "n", "INVITE", "sip:a", b"v=0", "auth-int", "00000002", "c"
    )
    assert answer.response() == h(f"{secret}:n:00000002:c:auth-int:{h('INVITE:sip:a:' + h(b'v=0'))}")


@pytest.mark.parametrize(
    ("text", "algorithm"),
    [
        ("MD5", MD5),
        ("md5", MD5),
        ("MD5-sess", Algorithm("MD5", True)),
        ("sha-256", SHA_256),
        ("SHA-512-256-sess", Algorithm("SHA-512-256", True)),
        ("AKAv1-MD5", None),
        ("SHA-1", None),
    ],
)
def test_algorithm_names(text: str, algorithm: Algorithm | None) -> None:
    assert Algorithm.parse(text) == algorithm
    if algorithm is not None:
        assert Algorithm.parse(str(algorithm)) == algorithm


def test_a_challenge_as_a_carrier_writes_it() -> None:
    (params,) = parse_digest_headers(
        [
            'Digest  realm = "a, \\"b\\"" ,nonce="n=",  opaque="", stale=TRUE, algorithm="md5", '
            'qop="auth,auth-int", domain="sip:x"'
        ]
    )
    challenge = DigestChallenge.of(params)
    assert challenge == DigestChallenge('"a, \\"b\\""', '"n="', '""', MD5, True, ("auth", "auth-int"), True)
    assert challenge.qop == "auth"
    assert challenge.is_answerable


@pytest.mark.parametrize(
    ("params", "qop", "is_answerable"),
    [
        ("", "", True),
        (', qop="auth-int"', "auth-int", True),
        (', qop="auth-conf"', None, False),
        (", qop=auth", "auth", True),
        (", algorithm=AKAv1-MD5", "", False),
    ],
)
def test_what_can_be_answered(params: str, qop: str | None, is_answerable: bool) -> None:
    (found,) = parse_digest_headers([f'Digest realm="r", nonce="n"{params}'])
    challenge = DigestChallenge.of(found)
    assert challenge.qop == qop
    assert challenge.is_answerable is is_answerable
    assert not challenge.is_stale


def test_several_challenges_in_one_field_and_other_schemes() -> None:
    found = parse_digest_headers(
        ['Basic realm="b", Digest realm="one", nonce="1", Digest realm="two", nonce="2"', 'Bearer x="y"', "Digest"]
    )
    assert [params["realm"] for params in found] == ['"one"', '"two"']


@pytest.mark.parametrize(
    "broken",
    ['Digest realm="r", realm="s", nonce="n"', 'Digest realm="r', "nonsense", 'realm="r", nonce="n"', ""],
)
def test_a_broken_header_is_no_header(broken: str) -> None:
    assert parse_digest_headers([broken]) == []


@pytest.mark.parametrize(
    "text",
    [
        'Digest realm="r", nonce="n", uri="sip:a", response="0"',
        'Digest username="u", realm="r", nonce="n", uri="sip:a"',
        'Digest username="u", realm="r", nonce="n", uri="sip:a", response="0", qop=auth, cnonce="c"',
        'Digest username="u", realm="r", nonce="n", uri="sip:a", response="0", qop=auth, nc=1, cnonce="c"',
        'Digest username="u", realm="r", nonce="n", uri="sip:a", response="0", qop=auth, nc=00000001',
        'Digest username="u", realm="r", nonce="n", uri="sip:a", response="0", qop=auth-conf, nc=00000001, cnonce="c"',
    ],
)
def test_credentials_that_answer_nothing(text: str) -> None:
    (params,) = parse_digest_headers([text])
    with pytest.raises(SipParseError):
        DigestResponse.of(params)


def test_credentials_without_qop_and_with_quotes_where_none_belong() -> None:
    (params,) = parse_digest_headers(
        ['Digest username="u",realm="r",nonce="n",uri="sip:a",response="AB",algorithm="MD5",nc=00000001,cnonce="c"']
    )
    assert DigestResponse.of(params) == DigestResponse("u", "r", "n", "sip:a", "ab", MD5, "", "", "c")


def test_authentication_info_and_quoting() -> None:
    assert parse_params('nextnonce="a\\"b", qop=auth') == {"nextnonce": 'a"b', "qop": "auth"}
    assert quoted("bare") == '"bare"'
    assert quoted('"as \\it came"') == '"as \\it came"'


@given(st.text())
def test_any_text_gives_parameters_or_nothing(text: str) -> None:
    for params in parse_digest_headers([text, "Digest " + text]):
        for reader in (DigestChallenge.of, DigestResponse.of):
            with contextlib.suppress(SipParseError):
                reader(params)
