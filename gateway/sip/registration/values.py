"""What a registration is told, what it wants done, and how it stands."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from gateway.sip.digest import Credentials
from gateway.sip.flow import Flow, SocketAddress


@dataclass(frozen=True, slots=True)
class RegistrationConfig:
    """One registration: who we are, where we say so."""

    aor: str
    """The address of record, ``sip:user@domain``: From and To."""
    registrar: str
    """Request-URI: the domain of the registrar, without a user (RFC 3261 §10.2)."""
    credentials: Credentials | None = None
    expires_s: int = 3600
    """What is asked for; the registrar decides."""
    route: tuple[str, ...] = ()
    """Preloaded Route, nearest hop first: an outbound proxy."""
    next_hop: str = ""
    """URI whose addresses are tried: that of the proxy, or the registrar's with a port and a transport. "": the
    registrar."""
    instance: str = ""
    """``<urn:uuid:…>`` of this node: asks for outbound with one flow (RFC 5626). "" does without."""


class RegistrationState(enum.Enum):
    """Where a registration stands."""

    UNREGISTERED = "unregistered"
    REGISTERING = "registering"
    """On its way, for the first time or as a refresh."""
    REGISTERED = "registered"
    FAILED = "failed"
    """The last try failed; the next one has its time. What was registered before may last until then."""
    UNREGISTERING = "unregistering"


@dataclass(frozen=True, slots=True)
class RegistrationStatus:
    """For the operator. Times are monotonic seconds, None where there is none."""

    state: RegistrationState
    registered_until: float | None = None
    next_try_at: float | None = None
    status: int | None = None
    """Of the last SIP reply; None when there was none."""
    reason: str = ""
    """Its reason phrase, or why there was no reply."""
    rule: str = ""
    """Name of what failed; "" when nothing has."""
    failures: int = 0
    """In a row."""
    flow: Flow | None = None
    contact: str = ""
    seen_as: SocketAddress | None = None
    """From where the registrar sees our requests come (received and rport of RFC 3581); None when as we say."""
    service_route: tuple[str, ...] = ()
    """Route for requests through this registrar's proxy (RFC 3608)."""
    flow_timer_s: int | None = None
    """How often the registrar wants the flow pinged (RFC 5626 §5.4); None when it keeps no flow."""


@dataclass(frozen=True, slots=True)
class Resolve:
    """Find the addresses of ``uri`` and answer with ``resolved`` or ``resolution_failed``."""

    uri: str


@dataclass(frozen=True, slots=True)
class SendRegister:
    """Send this REGISTER and hand over its outcome with ``receive_response`` or ``request_failed``."""

    uri: str
    flow: Flow
    from_: str
    to: str
    headers: tuple[tuple[str, str], ...]
    call_id: str
    cseq: int
    from_tag: str
    route: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Registered:
    """Calls find us for so many seconds."""

    expires_s: int
    contact: str
    flow: Flow
    is_refresh: bool


@dataclass(frozen=True, slots=True)
class Unregistered:
    """Calls do not find us any more. ``cause``: removed, expired or flow_failed."""

    cause: str


@dataclass(frozen=True, slots=True)
class RegistrationFailed:
    """A try failed; the next one comes in so many seconds. ``status`` None: there was no reply."""

    status: int | None
    reason: str
    rule: str
    retry_in_s: float


Action = Resolve | SendRegister | Registered | Unregistered | RegistrationFailed
