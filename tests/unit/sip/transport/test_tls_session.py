"""TLS in memory: two sessions that hand each other their bytes."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sip.transport.tls import ClientIdentity, ServerIdentity, TlsContexts
from gateway.sip.transport.tls_session import TlsFault, TlsSession
from tests.support.certificates import Authority, Pair


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue("DNS:gw.example", "IP:127.0.0.1")


def contexts(authority: Authority, pair: Pair, *, requires: bool = False, shows: Pair | None = None) -> TlsContexts:
    server = ServerIdentity(pair.certificate, pair.key, authority.ca, requires)
    shown = (shows.certificate, shows.key) if shows else (None, None)
    return TlsContexts(server, {"": ClientIdentity(*shown, ca=authority.ca)})


def sessions(contexts: TlsContexts, server_name: str = "gw.example") -> tuple[TlsSession, TlsSession]:
    assert contexts.server is not None
    client = TlsSession(contexts.client("")[1], is_server=False, server_name=server_name)
    return TlsSession(contexts.server, is_server=True), client


def shake_hands(server: TlsSession, client: TlsSession) -> None:
    client.start()
    for _ in range(4):
        server.receive(client.take_outgoing())
        client.receive(server.take_outgoing())


def test_a_handshake_then_bytes_both_ways(authority: Authority, pair: Pair) -> None:
    server, client = sessions(contexts(authority, pair))
    assert (client.version, client.is_open) == ("", False)
    shake_hands(server, client)
    assert server.is_open
    assert client.version in ("TLSv1.2", "TLSv1.3")
    assert ("DNS", "gw.example") in client.certificate["subjectAltName"]
    assert server.certificate == {}, "nobody had to show one"
    client.write(b"hello " * 50_000)
    assert server.receive(client.take_outgoing()) == b"hello " * 50_000
    server.write(b"back")
    assert client.receive(server.take_outgoing()) == b"back"
    client.end()
    assert server.receive(client.take_outgoing()) == b""
    assert server.is_ended


def test_bytes_that_come_one_by_one(authority: Authority, pair: Pair) -> None:
    server, client = sessions(contexts(authority, pair))
    client.start()
    for octet in client.take_outgoing():
        assert server.receive(bytes([octet])) == b""
    client.receive(server.take_outgoing())
    server.receive(client.take_outgoing())
    assert server.is_open


def test_a_peer_that_speaks_no_tls_is_a_fault_with_its_rule(authority: Authority, pair: Pair) -> None:
    server, _ = sessions(contexts(authority, pair))
    with pytest.raises(TlsFault) as caught:
        server.receive(b"OPTIONS sip:a@b SIP/2.0\r\n\r\n")
    assert caught.value.rule == "tls_handshake"


def test_a_client_certificate_that_is_required_and_missing(authority: Authority, pair: Pair) -> None:
    server, client = sessions(contexts(authority, pair, requires=True))
    with pytest.raises(TlsFault, match="did not return a certificate") as caught:
        shake_hands(server, client)
    assert caught.value.rule == "tls_client_certificate"


def test_a_client_certificate_is_seen(authority: Authority, pair: Pair) -> None:
    phone = authority.issue("DNS:phone.example")
    server, client = sessions(contexts(authority, pair, requires=True, shows=phone))
    shake_hands(server, client)
    assert ("DNS", "phone.example") in server.certificate["subjectAltName"]


@pytest.mark.parametrize(("end", "text"), [("20210101000000Z", "expired"), ("", "self")])
def test_a_certificate_that_is_not_accepted(tmp_path: Path, authority: Authority, end: str, text: str) -> None:
    other = authority if end else Authority(tmp_path, "Another Authority")
    shown = other.issue("DNS:gw.example", **({"end": end} if end else {}))
    server, client = sessions(contexts(authority, shown))
    with pytest.raises(TlsFault) as caught:
        shake_hands(server, client)
    assert caught.value.rule == "tls_certificate"
    assert text in str(caught.value) or "unable to get" in str(caught.value)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_protocol_versions_are_refused(authority: Authority, pair: Pair) -> None:
    server, _ = sessions(contexts(authority, pair))
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    client = TlsSession(old, is_server=False)
    with pytest.raises(TlsFault, match=r"unsupported protocol|version"):
        shake_hands(server, client)


def test_a_name_that_nobody_can_ask_for(authority: Authority, pair: Pair) -> None:
    with pytest.raises(TlsFault):
        sessions(contexts(authority, pair), server_name="a" * 300)


@settings(deadline=None, max_examples=50)
@given(pieces=st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=5), is_open=st.booleans())
def test_any_bytes_are_a_fault_or_nothing(authority: Authority, pair: Pair, pieces: list[bytes], is_open: bool) -> None:
    server, client = sessions(contexts(authority, pair))
    if is_open:
        shake_hands(server, client)
    with contextlib.suppress(TlsFault):
        assert b"".join(map(server.receive, pieces)) == b""
    server.take_outgoing()
    server.end()
