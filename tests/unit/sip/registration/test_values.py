"""How a registration is shown holds no secret."""

from __future__ import annotations

from gateway.sip.registration import RegistrationState, RegistrationStatus
from tests.support.sip_registration import CONFIG


def test_the_password_is_not_shown() -> None:
    assert "pw" not in repr(CONFIG)


def test_nothing_is_known_at_first() -> None:
    status = RegistrationStatus(RegistrationState.UNREGISTERED)
    assert (status.registered_until, status.next_try_at, status.status, status.flow) == (None, None, None, None)
