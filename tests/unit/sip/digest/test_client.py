"""The client answers what it can, once, and knows when to stop."""

from __future__ import annotations

import re

from gateway.base.ids import IdSource
from gateway.base.redact import Secret
from gateway.sip.digest.client import MAX_STALE, Credentials, DigestClient
from gateway.sip.digest.values import DigestInput, DigestResponse, parse_digest_headers
from gateway.sip.message import Response
from tests.support.sip_peer import request, respond

URI = "sip:registrar.example.com"


def client(realm: str | None = None) -> DigestClient:
    return DigestClient(Credentials("alice", Secret("wonder"), realm), IdSource(3))


def challenged(*challenges: str, status: int = 401, name: str = "WWW-Authenticate") -> Response:
    return respond(request("REGISTER"), status, headers=[(name, f"Digest {text}") for text in challenges])


def fields(headers: tuple[tuple[str, str], ...] | None, at: int = 0) -> dict[str, str]:
    assert headers is not None
    (params,) = parse_digest_headers([headers[at][1]])
    return params


def is_right(headers: tuple[tuple[str, str], ...] | None, body: bytes = b"", at: int = 0) -> bool:
    given = DigestResponse.of(fields(headers, at))
    assert given.algorithm is not None
    wanted = DigestInput(
        given.algorithm,
        "alice",
        given.realm,
        "wonder",
        given.nonce,
        "REGISTER",
        URI,
        body,
        given.qop,
        given.nc,
        given.cnonce,
    )
    return given.response == wanted.response()


def test_a_challenge_is_answered_and_its_nonce_used_again() -> None:
    digest = client()
    assert digest.authorize("REGISTER", URI) == ()
    first = digest.answer(challenged('realm="r", nonce="n", opaque="o", qop="auth", algorithm=MD5'), "REGISTER", URI)
    assert first is not None
    assert first[0][0] == "Authorization"
    assert is_right(first)
    assert re.search(r"qop=auth, nc=00000001, cnonce=", first[0][1])
    assert fields(first)["opaque"] == '"o"'
    digest.accepted(respond(request("REGISTER"), 200))
    second = digest.authorize("REGISTER", URI)
    assert is_right(second)
    assert fields(second)["nc"] == "00000002"
    assert fields(second)["cnonce"] == fields(first)["cnonce"], "what a -sess key was made with stays"


def test_what_was_not_said_is_not_said_back() -> None:
    """An RFC 2069 server knows neither algorithm nor qop nor cnonce."""
    params = fields(client().answer(challenged('realm="r", nonce="n"'), "REGISTER", URI))
    assert set(params) == {"username", "realm", "nonce", "uri", "response"}


def test_a_session_algorithm_without_qop_tells_its_cnonce() -> None:
    headers = client().answer(challenged('realm="r", nonce="n", algorithm=MD5-sess'), "REGISTER", URI)
    assert is_right(headers)
    assert "cnonce" in fields(headers)


def test_the_strongest_of_several_is_answered() -> None:
    headers = client().answer(
        challenged(
            'realm="r", nonce="1", algorithm=MD5, qop="auth"',
            'realm="r", nonce="2", algorithm=AKAv1-MD5, qop="auth"',
            'realm="r", nonce="3", algorithm=SHA-512-256, qop="auth"',
            'realm="r", nonce="4", algorithm=SHA-256, qop="auth"',
        ),
        "REGISTER",
        URI,
    )
    assert headers is not None
    assert len(headers) == 1
    assert fields(headers)["nonce"] == '"3"'
    assert is_right(headers)


def test_auth_int_covers_the_body() -> None:
    headers = client().answer(challenged('realm="r", nonce="n", qop="auth-int"'), "REGISTER", URI, b"body")
    assert is_right(headers, b"body")
    assert not is_right(headers, b"other")


def test_a_realm_of_another_encoding_comes_back_octet_by_octet() -> None:
    realm = b'"Z\xfcrich \\"1\\""'.decode("utf-8", "surrogateescape")
    headers = client().answer(challenged(f'realm={realm}, nonce="a\\b"'), "REGISTER", URI)
    assert fields(headers)["realm"] == realm
    assert fields(headers)["nonce"] == '"a\\b"', "not made pretty"
    assert is_right(headers)


def test_proxy_and_registrar_are_both_answered_and_the_first_one_is_not_forgotten() -> None:
    digest = client()
    assert digest.answer(challenged('realm="r", nonce="n"'), "REGISTER", URI) is not None
    headers = digest.answer(challenged('realm="p", nonce="q"', status=407, name="Proxy-Authenticate"), "REGISTER", URI)
    assert headers is not None
    assert [name for name, _ in headers] == ["Authorization", "Proxy-Authorization"]
    assert is_right(headers, at=0)
    assert is_right(headers, at=1)


def test_refused_credentials_are_not_sent_again() -> None:
    digest = client()
    assert digest.answer(challenged('realm="r", nonce="n"'), "REGISTER", URI) is not None
    assert digest.answer(challenged('realm="r", nonce="m"'), "REGISTER", URI) is None


def test_the_same_nonce_refused_without_stale_is_not_answered_again() -> None:
    digest = client()
    digest.answer(challenged('realm="r", nonce="n"'), "REGISTER", URI)
    digest.accepted(respond(request("REGISTER"), 200))
    digest.authorize("REGISTER", URI)
    assert digest.answer(challenged('realm="r", nonce="n"'), "REGISTER", URI) is None


def test_an_old_nonce_refused_with_a_new_one_is_answered_though_nobody_says_stale() -> None:
    digest = client()
    digest.answer(challenged('realm="r", nonce="n"'), "REGISTER", URI)
    digest.accepted(respond(request("REGISTER"), 200))
    digest.authorize("REGISTER", URI)
    headers = digest.answer(challenged('realm="r", nonce="m", qop="auth"'), "REGISTER", URI)
    assert fields(headers)["nc"] == "00000001"


def test_stale_is_answered_again_but_not_for_ever() -> None:
    digest = client()
    assert digest.answer(challenged('realm="r", nonce="0"'), "REGISTER", URI)
    for number in range(MAX_STALE):
        assert digest.answer(challenged(f'realm="r", nonce="s{number}", stale=true'), "REGISTER", URI)
    assert digest.answer(challenged('realm="r", nonce="last", stale=true'), "REGISTER", URI) is None


def test_another_realm_than_that_of_the_credentials_learns_nothing() -> None:
    assert client("mine").answer(challenged('realm="theirs", nonce="n"'), "REGISTER", URI) is None
    assert client("mine").answer(challenged('realm="mine", nonce="n"'), "REGISTER", URI) is not None


def test_what_cannot_be_answered() -> None:
    for text in ('realm="r"', 'realm="r", nonce="n", algorithm=SHA-1', 'realm="r", nonce="n", qop="auth-conf"'):
        assert client().answer(challenged(text), "REGISTER", URI) is None
    assert client().answer(respond(request("REGISTER"), 401), "REGISTER", URI) is None


def test_ever_new_realms_are_not_collected() -> None:
    digest = client()
    answers = [digest.answer(challenged(f'realm="r{number}", nonce="n"'), "REGISTER", URI) for number in range(9)]
    assert [headers is not None for headers in answers] == [True] * 4 + [False] * 5


def test_the_next_nonce_is_used_when_it_is_named() -> None:
    digest = client()
    digest.answer(challenged('realm="r", nonce="n", qop="auth"'), "REGISTER", URI)
    digest.accepted(respond(request("REGISTER"), 200, headers=[("Authentication-Info", 'nextnonce="next"')]))
    params = fields(digest.authorize("REGISTER", URI))
    assert (params["nonce"], params["nc"]) == ('"next"', "00000001")
    digest.accepted(respond(request("REGISTER"), 200, headers=[("Authentication-Info", '"broken')]))
    assert fields(digest.authorize("REGISTER", URI))["nc"] == "00000002"


def test_forgotten_nonces_are_not_used() -> None:
    digest = client()
    digest.answer(challenged('realm="r", nonce="n"'), "REGISTER", URI)
    digest.forget()
    assert digest.authorize("REGISTER", URI) == ()


def test_the_password_is_in_no_text() -> None:
    assert "wonder" not in repr(Credentials("alice", Secret("wonder")))
    headers = client().answer(challenged('realm="r", nonce="n"'), "REGISTER", URI)
    assert "wonder" not in str(headers)
