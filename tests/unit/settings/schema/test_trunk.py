from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.base.redact import Secret
from gateway.settings.schema.trunk import AccountSettings, TrunkSettings
from tests.support.certificates import Authority


def test_the_defaults() -> None:
    trunk = TrunkSettings()
    assert (trunk.targets, trunk.accept_from, trunk.allow_destinations) == ((), (), ())
    assert (trunk.challenge, trunk.registers, trunk.register_expires_s) == (False, False, 3600)
    assert (trunk.options_s, trunk.ring_timeout_s) == (30, 60)
    assert (trunk.reliable_provisionals, trunk.transfer, trunk.early_media) == ("supported", "refer", False)
    assert (trunk.assert_identity, trunk.privacy, trunk.tls.verify) == (False, False, True)
    assert (trunk.headers.invite, trunk.headers.answer, trunk.headers.refer, trunk.headers.bye) == ({}, {}, {}, {})


def test_a_trunk_that_is_registered_at() -> None:
    trunk = TrunkSettings.model_validate(
        {
            "targets": ["sip:sip.example.net;transport=tls", "sip:192.0.2.7:5070"],
            "register": True,
            "username": "alice",
            "password": "s3cret word",
            "allow_destinations": ["+1*"],
            "headers": {"invite": {"X-Campaign": "{{campaign}}"}},
            "variables": {"campaign": "X-Campaign"},
        }
    )
    assert trunk.registers
    assert [target.host for target in trunk.targets] == ["sip.example.net", "192.0.2.7"]
    assert trunk.password == Secret("s3cret word")
    assert "s3cret" not in repr(trunk) + trunk.model_dump_json()


@pytest.mark.parametrize(
    "values",
    [
        {"targets": ["sip.example.net"]},
        {"targets": "sip:sip.example.net"},
        {"username": "a b"},
        {"password": 1234},
        {"realm": ""},
        {"registers": True},
        {"register_expires_s": 59},
        {"calls_per_second": 0},
        {"options_s": -1},
        {"ring_timeout_s": 4},
        {"from_domain": "not a host"},
        {"outbound_proxy": "proxy.example.net"},
        {"advertise": "0.0.0.0"},
        {"allow_destinations": ["+1 555"]},
        {"reliable_provisionals": "always"},
        {"transfer": "bridge"},
        {"headers": {"invite": {"Via": "x"}}},
        {"headers": {"answer": {"X-A": "a\r\nVia: b"}}},
        {"headers": {"cancel": {}}},
        {"variables": {"a-b": "X-A"}},
        {"variables": {"a": "X A"}},
        {"tls": {"certificate": "missing.pem"}},
    ],
)
def test_others_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TrunkSettings.model_validate(values)


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    Authority(tmp_path).issue("DNS:gw.example.net", file="gw")
    with pytest.raises(ValidationError, match="only one of certificate and key"):
        TrunkSettings.model_validate({"tls": {"certificate": "gw.pem"}}, context={"folder": tmp_path})
    both = {"tls": {"certificate": "gw.pem", "key": "gw.key"}}
    assert TrunkSettings.model_validate(both, context={"folder": tmp_path}).tls.key == tmp_path / "gw.key"


def test_accounts_need_a_password() -> None:
    assert AccountSettings.model_validate({"password": "p"}).max_contacts == 5
    for values in ({}, {"password": ""}, {"password": "p", "max_contacts": 0}):
        with pytest.raises(ValidationError):
            AccountSettings.model_validate(values)
