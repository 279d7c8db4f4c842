"""How we stand at a carrier's registrar, as an operator reads it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.sip.grammar import format_host_port
from gateway.sip.registration import Registration, RegistrationState


@dataclass(frozen=True, slots=True)
class TrunkRegistration:
    """How a trunk stands, for the operator. Seconds are from now on."""

    trunk: str
    registrar: str
    state: str
    registered_for_s: float | None
    next_try_in_s: float | None
    status: int | None
    reason: str
    rule: str
    failures: int
    contact: str
    seen_as: str | None
    transport: str | None
    address: str | None


def registration_status(trunk: str, registration: Registration, now: float) -> TrunkRegistration:
    """A refresh under way does not hide that the trunk is registered."""
    status = registration.status
    until, next_try_at = status.registered_until, status.next_try_at
    is_up = status.state in (RegistrationState.REGISTERED, RegistrationState.REGISTERING)
    return TrunkRegistration(
        trunk=trunk,
        registrar=registration.config.registrar,
        state="registered" if is_up and until is not None else status.state.value,
        registered_for_s=None if until is None else round(until - now, 1),
        next_try_in_s=None if next_try_at is None else round(next_try_at - now, 1),
        status=status.status,
        reason=status.reason,
        rule=status.rule,
        failures=status.failures,
        contact=status.contact,
        seen_as=None if status.seen_as is None else format_host_port(*status.seen_as),
        transport=None if status.flow is None else status.flow.transport,
        address=None if status.flow is None else format_host_port(*status.flow.remote),
    )
