"""Certificates, keys and authorities from files: built once, read again, told about."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from gateway.sip.transport.tls import ClientIdentity, ServerIdentity, TlsContexts, TlsFileError, findings
from tests.support.certificates import Authority, Pair


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue("DNS:gw.example", "IP:192.0.2.1")


def in_days(days: float) -> str:
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * 86_400))


def test_each_profile_has_its_own_and_an_unknown_one_the_default(authority: Authority, pair: Pair) -> None:
    carrier = ClientIdentity(pair.certificate, pair.key, authority.ca, "sbc.example")
    contexts = TlsContexts(clients={"": ClientIdentity(), "carrier": carrier})
    assert contexts.server is None
    assert contexts.client("carrier")[0] == carrier
    assert contexts.client("nobody") == contexts.client("")
    assert contexts.client("carrier")[1] is not contexts.client("")[1]


def test_without_any_settings_the_default_profile_verifies_by_the_systems_roots() -> None:
    contexts = TlsContexts()
    identity, context = contexts.client("")
    assert identity == ClientIdentity()
    assert contexts.client("")[1] is context, "built once"


def test_profiles_with_the_same_files_share_a_context(authority: Authority) -> None:
    alike = {name: ClientIdentity(ca=authority.ca, server_name=name) for name in ("a.example", "b.example")}
    contexts = TlsContexts(clients=alike)
    assert contexts.client("a.example")[1] is contexts.client("b.example")[1]
    assert contexts.client("a.example")[0].server_name == "a.example"


@pytest.mark.parametrize(
    ("certificate", "key", "text"),
    [
        ("missing.pem", None, "No such file"),
        (None, "missing.key", "No such file"),
        (None, "other.key", "is not the key of"),
        ("garbage.pem", None, "not PEM"),
    ],
)
def test_files_that_cannot_be_used_are_told_with_what_to_do(
    tmp_path: Path, authority: Authority, pair: Pair, certificate: str | None, key: str | None, text: str
) -> None:
    shutil.copy(authority.issue("DNS:other").key, tmp_path / "other.key")
    (tmp_path / "garbage.pem").write_text("nothing")
    given = (tmp_path / certificate if certificate else pair.certificate, tmp_path / key if key else pair.key)
    with pytest.raises(TlsFileError, match=text) as caught:
        TlsContexts(ServerIdentity(*given))
    assert "sip.tls" in str(caught.value)
    assert "give" in str(caught.value)


def test_an_authority_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(TlsFileError, match=r"trunks\.carrier\.tls.*holds no certificate"):
        TlsContexts(clients={"carrier": ClientIdentity(ca=tmp_path / "ca.pem")})


def test_reload_reads_the_files_again_and_keeps_what_was_when_one_is_bad(tmp_path: Path, authority: Authority) -> None:
    first, second = authority.issue("DNS:gw.example"), authority.issue("DNS:gw.example")
    server = ServerIdentity(tmp_path / "c.pem", tmp_path / "k.pem")
    clients = {"carrier": ClientIdentity(ca=authority.ca), "other": ClientIdentity()}
    shutil.copy(first.certificate, server.certificate)
    shutil.copy(first.key, server.key)
    contexts = TlsContexts(server, clients)
    before, carrier = contexts.server, contexts.client("carrier")
    shutil.copy(second.certificate, server.certificate)
    faults = contexts.reload(server, {**clients, "carrier": ClientIdentity(ca=tmp_path / "gone.pem")})
    assert len(faults) == 2
    assert "is not the key" in faults[0]
    assert "trunks.carrier.tls" in faults[1]
    assert contexts.server is before
    assert contexts.client("carrier") == carrier
    shutil.copy(second.key, server.key)
    assert contexts.reload(server, clients) == []
    assert contexts.server not in (None, before)


def test_what_an_operator_is_told_in_time(authority: Authority, pair: Pair) -> None:
    sound = ServerIdentity(pair.certificate, pair.key)
    assert findings(sound, ["gw.example", "192.0.2.1"]) == []
    (name,) = findings(sound, ["gw.example", "sip.example"])
    assert "is for gw.example, 192.0.2.1, not for sip.example" in name
    soon = authority.issue("DNS:gw.example", end=in_days(5.5))
    (end,) = findings(ClientIdentity(soon.certificate, soon.key))
    assert "ends in 5 days" in end
    assert "SIGHUP" in end
    assert findings(ClientIdentity()) == []


@pytest.mark.parametrize(("start", "end", "text"), [(-30, -1, "expired"), (1, 30, "not yet valid")])
def test_a_certificate_out_of_its_time_is_an_error(authority: Authority, start: float, end: float, text: str) -> None:
    bad = authority.issue("DNS:gw.example", start=in_days(start), end=in_days(end))
    with pytest.raises(TlsFileError, match=text):
        findings(ServerIdentity(bad.certificate, bad.key))
