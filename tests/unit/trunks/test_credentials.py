from __future__ import annotations

from gateway.settings.schema import TrunkSettings
from gateway.sip.digest import Credentials
from gateway.trunks.credentials import trunk_credentials


def test_a_name_and_a_password_are_needed() -> None:
    trunk = {"targets": ["sip:carrier.example.net"], "username": "us", "password": "them", "realm": "r"}
    settings = TrunkSettings.model_validate(trunk)
    assert settings.password is not None
    assert trunk_credentials(settings) == Credentials("us", settings.password, "r")
    assert trunk_credentials(TrunkSettings.model_validate({"targets": ["sip:carrier.example.net"]})) is None
    assert trunk_credentials(None) is None
