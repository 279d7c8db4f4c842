"""Registering at somebody else's registrar, so that calls find us (RFC 3261 §10.2)."""

from gateway.sip.registration.registration import Registration
from gateway.sip.registration.values import (
    Action,
    Registered,
    RegistrationConfig,
    RegistrationFailed,
    RegistrationState,
    RegistrationStatus,
    Resolve,
    SendRegister,
    Unregistered,
)

__all__ = [
    "Action",
    "Registered",
    "Registration",
    "RegistrationConfig",
    "RegistrationFailed",
    "RegistrationState",
    "RegistrationStatus",
    "Resolve",
    "SendRegister",
    "Unregistered",
]
