from __future__ import annotations

from gateway.base.errors import (
    CapacityError,
    GatewayError,
    LocalProtocolError,
    RemoteProtocolError,
    SettingsError,
)


def test_one_tree_holds_every_error() -> None:
    for error in (LocalProtocolError("x"), RemoteProtocolError("x"), CapacityError("x"), SettingsError(["x"])):
        assert isinstance(error, GatewayError)


def test_a_remote_error_suggests_a_sip_status() -> None:
    assert RemoteProtocolError("no Via").status == 400
    assert RemoteProtocolError("nothing in common", status=488).status == 488


def test_a_capacity_error_says_when_to_come_back() -> None:
    assert CapacityError("no port pair is free", retry_after_s=9).retry_after_s == 9


def test_a_settings_error_prints_one_line_per_fault() -> None:
    assert str(SettingsError(["a.yaml:1: one", "a.yaml:2: two"])) == "a.yaml:1: one\na.yaml:2: two"
