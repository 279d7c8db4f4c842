"""From settings to TLS identities, and what is told of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from gateway.settings.schema import Settings
from gateway.sip.transport.tls import ClientIdentity, TlsFileError
from gateway.trunks.certificates import Certificates, certificate_findings
from tests.support.certificates import Authority, Pair


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue("DNS:gw.example")


def settings(sip: dict[str, Any] | None = None, **trunk_tls: Any) -> Settings:
    trunks = {
        "plain": {"accept_from": ["192.0.2.0/24"]},
        "carrier": {"accept_from": ["198.51.100.0/24"], "tls": trunk_tls},
    }
    base = {"inworld": {"api_key": ""}, "agents": {"desk": {}}, "routes": [{"agent": "desk"}]}
    return Settings.model_validate({**base, "trunks": trunks, "sip": sip or {}})


def tls(pair: Pair, **more: Any) -> dict[str, Any]:
    return {"certificate": str(pair.certificate), "key": str(pair.key), **more}


def test_a_trunk_shows_its_own_certificate_and_else_that_of_the_gateway(authority: Authority, pair: Pair) -> None:
    own = authority.issue("DNS:us.example")
    given = settings({"tls": tls(pair)}, **tls(own), ca=str(authority.ca), server_name="sbc.example", verify=False)
    contexts = Certificates(given).contexts
    assert contexts.server is not None
    expected = ClientIdentity(own.certificate, own.key, authority.ca, "sbc.example", verify=False)
    assert contexts.client("carrier")[0] == expected
    default = ClientIdentity(pair.certificate, pair.key)
    assert contexts.client("plain")[0] == contexts.client("")[0] == default


def test_a_connection_that_is_opened_anew_is_that_of_the_peers_trunk() -> None:
    contexts = Certificates(settings(server_name="sbc.example")).contexts
    assert contexts.server is None
    assert [contexts.profile_of(host) for host in ("198.51.100.7", "203.0.113.1")] == ["carrier", ""]


def test_nothing_is_told_where_nothing_is_wrong_and_without_tls(pair: Pair) -> None:
    assert certificate_findings(settings()) == []
    listen = ["tls://0.0.0.0:5061"]
    assert certificate_findings(settings({"listen": listen, "advertise": "gw.example", "tls": tls(pair)})) == []


def test_names_that_peers_are_told_must_be_those_of_the_certificate(pair: Pair) -> None:
    advertise = {"tls": "other.example", "udp": "203.0.113.10"}
    (found,) = certificate_findings(
        settings({"listen": ["tls://0.0.0.0:5061"], "advertise": advertise, "tls": tls(pair)})
    )
    assert "not for other.example" in found


def test_an_expired_certificate_is_told_for_a_trunk_too(authority: Authority) -> None:
    old = authority.issue("DNS:gw.example", end="20210101000000Z")
    (found,) = certificate_findings(settings(**tls(old)))
    assert "expired" in found


def test_what_a_reload_cannot_use_leaves_the_certificate_in_use(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("DNS:gw.example")
    mine = Pair(tmp_path / "c.pem", tmp_path / "k.pem")
    shutil.copy(pair.certificate, mine.certificate)
    shutil.copy(pair.key, mine.key)
    given = settings({"tls": tls(mine)})
    certificates = Certificates(given)
    before = certificates.contexts.server
    mine.key.write_text("nothing")
    assert len(certificates.apply(given)) == 2, "as server, and toward trunks"
    assert certificates.contexts.server is before
    with pytest.raises(TlsFileError):
        Certificates(given)
    shutil.copy(pair.key, mine.key)
    assert certificates.apply(given) == []
    assert certificates.contexts.server is not before
