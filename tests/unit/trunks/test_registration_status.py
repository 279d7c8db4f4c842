"""What an operator reads of a registration: here while it begins; test_registrations has the rest of its life."""

from __future__ import annotations

from gateway.base.ids import IdSource
from gateway.settings.schema import TrunkSettings
from gateway.sip.registration import Registration
from gateway.trunks.registration_config import registration_config
from gateway.trunks.registration_status import registration_status


def test_before_the_first_answer() -> None:
    settings = TrunkSettings.model_validate(
        {"targets": ["sip:carrier.example"], "username": "acme", "password": "secret", "register": True}
    )
    config = registration_config("carrier", settings, "gw")
    registration = Registration(config, IdSource(1), lambda flow: "<sip:acme@192.0.2.1>")
    shown = registration_status("carrier", registration, 10.0)
    assert (shown.trunk, shown.registrar, shown.failures) == ("carrier", config.registrar, 0)
    assert (shown.registered_for_s, shown.seen_as, shown.transport, shown.address) == (None, None, None, None)
    assert shown.state != "registered"
