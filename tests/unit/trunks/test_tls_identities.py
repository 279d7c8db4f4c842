from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.settings.schema import Settings
from gateway.sip.transport.tls import TlsFileError
from gateway.trunks.tls_identities import TlsIdentities, client_identities, server_identity
from tests.support.certificates import Authority, Pair
from tests.support.stage import settings_with

URL = "ws://127.0.0.1:1/api/v1/realtime/session"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def settings(pair: Pair | None, trunks: dict[str, Any] | None = None, **sip: Any) -> Settings:
    tls = {} if pair is None else {"tls": {"certificate": str(pair.certificate), "key": str(pair.key)}}
    networks = trunks or {"carrier": {"accept_from": ["198.51.100.0/24"]}}
    return settings_with(URL, sip={"listen": ["udp://127.0.0.1:5060"], **tls, **sip}, trunks=networks)


def test_without_certificates_nothing_is_shown_and_the_systems_roots_count() -> None:
    without = settings(None)
    assert server_identity(without) is None
    assert client_identities(without)[""].certificate is None
    identities = TlsIdentities(without)
    assert identities.contexts.server is None
    assert identities.findings() == []


def test_a_trunk_is_shown_its_own_certificate_or_the_general_one(authority: Authority) -> None:
    general, special = authority.issue("DNS:gw.example"), authority.issue("DNS:gw.example")
    own = {"certificate": str(special.certificate), "key": str(special.key), "ca": str(authority.ca)}
    trunks = {
        "plain": {"accept_from": ["198.51.100.0/24"]},
        "special": {"accept_from": ["203.0.113.0/24"], "tls": {**own, "server_name": "sip.example", "verify": False}},
    }
    clients = client_identities(settings(general, trunks))
    assert clients["plain"].certificate == general.certificate
    assert clients["plain"].verify
    assert (clients["special"].certificate, clients["special"].ca) == (special.certificate, authority.ca)
    assert (clients["special"].server_name, clients["special"].verify) == ("sip.example", False)


def test_a_connection_opened_anew_is_the_trunks_whose_network_the_host_is_in(authority: Authority) -> None:
    identities = TlsIdentities(settings(authority.issue("DNS:gw.example")))
    assert identities.contexts.profile_of("198.51.100.7") == "carrier"
    assert identities.contexts.profile_of("203.0.113.7") == ""


def test_an_advertised_name_that_the_certificate_lacks_is_told(authority: Authority) -> None:
    pair = authority.issue("DNS:other.example")
    (finding,) = TlsIdentities(settings(pair, advertise={"tls": "gw.example"})).findings()
    assert "gw.example" in finding
    assert TlsIdentities(settings(pair, advertise={"tls": "other.example"})).findings() == []


def test_a_file_that_broke_is_told_and_the_former_one_stays(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("DNS:gw.example")
    certificate = tmp_path / "cert.pem"
    certificate.write_bytes(pair.certificate.read_bytes())
    configured = settings(Pair(certificate, pair.key))
    identities = TlsIdentities(configured)
    before = identities.contexts.server
    certificate.write_text("-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n")
    assert any("sip.tls" in fault for fault in identities.apply(configured))
    assert identities.contexts.server is before
    with pytest.raises(TlsFileError):
        TlsIdentities(configured)
