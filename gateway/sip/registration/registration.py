"""One registration, kept up (RFC 3261 §10.2, RFC 5626 §4.2 with one flow): a core without sockets, clock or names.

Whoever drives it carries out every ``next_action``, and says what came of it. There is never more than one REGISTER
under way (RFC 3261 §10.2), and while one is, or its address is being looked up, no timer but the expiry runs.
A redirection (3xx) is not followed: no registrar that is met in the field sends one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.base.clock import earliest
from gateway.base.ids import IdSource
from gateway.sip.digest import DigestClient
from gateway.sip.flow import Flow
from gateway.sip.grammar import quote_string
from gateway.sip.message import Response
from gateway.sip.registration.reply import read_grant, seen_as
from gateway.sip.registration.timing import HOPELESS_S, MAX_RETRY_AFTER_S, back_off_s, refresh_after_s
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
from gateway.sip.transaction.table import RequestFailure

MAX_SENDS = 8
"""Requests of one try at one hop: challenges of proxy and registrar, stale nonces, a longer interval."""

MIN_FLOW_S = 30.0
"""A flow that fails sooner after the registration counts as a failed try, or we would register in a circle."""

_MAX_MIN_EXPIRES_S = 86_400
"""A registrar that wants to hear of us less often than once a day is not followed: calls would miss us too long."""
_HOPELESS = frozenset((403, 404, 410, 604))
"""Answers to who we are: asked again soon, they would be the same."""
_TRY_NEXT_HOP = frozenset((408, 500, 502, 503, 504))
"""Answers of one server, where another may do better (RFC 3263 §4.3 says so of 503 and of silence)."""


class Registration:
    """Begin with ``start``. ``contact`` names us on a flow, in angle brackets."""

    def __init__(self, config: RegistrationConfig, ids: IdSource, contact: Callable[[Flow], str]) -> None:
        self.config = config
        self._ids = ids
        self._contact_on = contact
        self._digest = DigestClient(config.credentials, ids) if config.credentials else None
        self._status = RegistrationStatus(RegistrationState.UNREGISTERED)
        self._actions: deque[Action] = deque()
        self._call_id = ids.call_id()
        self._from_tag = ids.tag()
        self._cseq = ids.bits(16)
        self._asked_s = config.expires_s
        self._instance = config.instance
        self._hops: list[Flow] = []
        self._flow: Flow | None = None
        self._sends = 0
        self._registered_at = 0.0
        self._is_resolving = False
        self._is_in_flight = False
        self._is_leaving = False

    @property
    def status(self) -> RegistrationStatus:
        """How it stands."""
        return self._status

    @property
    def is_busy(self) -> bool:
        """A request, or the look-up before one, is under way."""
        return self._is_in_flight or self._is_resolving

    def next_action(self) -> Action | None:
        """The oldest thing to do or to tell."""
        return self._actions.popleft() if self._actions else None

    def next_deadline(self) -> float | None:
        """When ``handle_timeout`` wants to be called."""
        return earliest(self._status.registered_until, None if self.is_busy else self._status.next_try_at)

    # Commands

    def start(self) -> None:
        """Register, or refresh, now: at the beginning, on demand, and when addresses may have changed."""
        if not self.is_busy and not self._is_leaving:
            self._begin()

    def stop(self, now: float) -> None:
        """Unregister, if there is anything to take back, and try nothing any more."""
        if self._is_leaving:
            return
        self._is_leaving = True
        self._is_resolving = False
        self._hops.clear()
        self._set(next_try_at=None)
        if not self._is_in_flight:
            self._leave(now)

    # What comes of the actions

    def resolved(self, hops: Sequence[Flow], now: float) -> None:
        """The flows to try, best first. The one we are registered over stays it while it is among them."""
        if not self._is_resolving:
            return
        self._is_resolving = False
        in_use = self._flow if self._status.registered_until is not None else None
        self._hops = sorted(hops, key=lambda hop: hop != in_use)
        if self._hops:
            self._send_to_next_hop(now)
        else:
            self._fail(None, "no address to register at", "no_address", now)

    def resolution_failed(self, reason: str, now: float) -> None:
        """There is no address to be had."""
        if self._is_resolving:
            self._is_resolving = False
            self._fail(None, reason, "no_address", now)

    def receive_response(self, response: Response, now: float) -> None:
        """The final response to the REGISTER under way."""
        if not self._is_in_flight:
            return
        self._is_in_flight = False
        self._set(seen_as=seen_as(response))
        if self._is_leaving and self._status.state is not RegistrationState.UNREGISTERING:
            self._leave(now, is_registered=True if response.status < 300 else None)
        elif response.status in (401, 407):
            self._receive_challenge(response, now)
        else:
            if self._digest is not None:
                self._digest.accepted(response)
            self._receive_verdict(response, now)

    def request_failed(self, failure: RequestFailure, now: float) -> None:
        """No final response: silence, or no way there."""
        if not self._is_in_flight:
            return
        self._is_in_flight = False
        is_silent = failure is RequestFailure.TIMEOUT
        reason, rule = ("no answer", "timeout") if is_silent else ("cannot be reached", "unreachable")
        self._give_up_hop(None, reason, rule, now)

    def flow_failed(self, flow: Flow, now: float) -> None:
        """The connection is gone over which calls would reach us: register anew, over another one (RFC 5626 §4.2.1)."""
        if flow != self._flow or self._status.registered_until is None or self._is_leaving:
            return
        self._lose("flow_failed")
        if self.is_busy:
            return
        if now - self._registered_at < MIN_FLOW_S:
            self._fail(None, "the connection broke", "flow_failed", now)
        else:
            self._begin()

    def handle_timeout(self, now: float) -> None:
        """Refresh, try again, or notice that the registration has run out."""
        until, next_try_at = self._status.registered_until, self._status.next_try_at
        if until is not None and now >= until:
            self._lose("expired")
        if next_try_at is not None and now >= next_try_at and not self.is_busy:
            self._begin()

    # One try

    def _begin(self) -> None:
        self._is_resolving = True
        self._set(state=RegistrationState.REGISTERING, next_try_at=None)
        self._actions.append(Resolve(self.config.next_hop or self.config.registrar))

    def _send_to_next_hop(self, now: float) -> None:
        self._flow = self._hops.pop(0)
        self._sends = 0
        self._set(flow=self._flow, contact=self._contact(self._flow))
        self._send()

    def _contact(self, flow: Flow) -> str:
        contact = self._contact_on(flow)
        if not self._instance:
            return contact
        return f"{contact};+sip.instance={quote_string(self._instance)};reg-id=1"

    def _send(self, credentials: tuple[tuple[str, str], ...] | None = None) -> None:
        assert self._flow is not None, "a hop is chosen before anything is sent"
        config = self.config
        if credentials is None and self._digest is not None:
            credentials = self._digest.authorize("REGISTER", config.registrar)
        self._cseq += 1
        self._sends += 1
        self._is_in_flight = True
        expires_s = 0 if self._is_leaving else self._asked_s
        headers = (
            ("Contact", f"{self._status.contact};expires={expires_s}"),
            ("Expires", str(expires_s)),
            ("Supported", "path, outbound" if self._instance else "path"),
            *(credentials or ()),
        )
        address = f"<{config.aor}>"
        self._actions.append(
            SendRegister(
                config.registrar,
                self._flow,
                address,
                address,
                headers,
                self._call_id,
                self._cseq,
                self._from_tag,
                config.route,
            )
        )

    def _receive_challenge(self, response: Response, now: float) -> None:
        credentials = None
        if self._digest is not None and self._sends < MAX_SENDS:
            credentials = self._digest.answer(response, "REGISTER", self.config.registrar)
        if credentials is not None:
            self._send(credentials)
            return
        if self._digest is not None:
            self._digest.forget()
        rule = "credentials_refused" if self._digest is not None else "no_credentials"
        self._fail(response.status, response.reason, rule, now, wait_s=HOPELESS_S)

    def _receive_verdict(self, response: Response, now: float) -> None:
        if self._is_leaving:
            self._leave(now)
        elif response.status < 300:
            self._receive_success(response, now)
        elif (response.status == 423 and self._lengthen(response)) or (response.status == 439 and self._simplify()):
            self._send()
        else:
            self._receive_refusal(response, now)

    def _lengthen(self, response: Response) -> bool:
        """423: ask for what the registrar wants at least (RFC 3261 §10.2.8)."""
        least_s = response.seconds("Min-Expires")
        if least_s is None or not self._asked_s < least_s <= _MAX_MIN_EXPIRES_S or self._sends >= MAX_SENDS:
            return False
        self._asked_s = least_s
        return True

    def _simplify(self) -> bool:
        """439: a proxy on the way keeps no flows (RFC 5626 §4.2.1); do without from here on."""
        if not self._instance or self._flow is None:
            return False
        self._instance = ""
        self._set(contact=self._contact(self._flow))
        return True

    def _receive_success(self, response: Response, now: float) -> None:
        grant = read_grant(response, self._status.contact, self._asked_s)
        if grant.expires_s == 0:
            if self._status.registered_until is not None:
                self._lose("removed")
            self._fail(response.status, "registrar does not list our contact", "not_listed", now)
            return
        is_refresh = self._status.registered_until is not None
        self._registered_at = now
        self._hops.clear()
        self._set(
            state=RegistrationState.REGISTERED,
            registered_until=now + grant.expires_s,
            next_try_at=now + refresh_after_s(grant.expires_s, self._ids),
            status=response.status,
            reason=response.reason,
            rule="",
            failures=0,
            service_route=grant.service_route,
            flow_timer_s=grant.flow_timer_s,
        )
        assert self._flow is not None
        self._actions.append(Registered(grant.expires_s, self._status.contact, self._flow, is_refresh))

    def _receive_refusal(self, response: Response, now: float) -> None:
        status, reason = response.status, response.reason
        if status in _HOPELESS:
            if self._digest is not None:
                self._digest.forget()
            self._fail(status, reason, "refused", now, wait_s=HOPELESS_S)
            return
        wait_s = min(response.seconds("Retry-After") or 0.0, MAX_RETRY_AFTER_S)
        if status in _TRY_NEXT_HOP:
            self._give_up_hop(status, reason, "unavailable", now, wait_s)
        else:
            self._fail(status, reason, "refused", now, wait_s=wait_s)

    def _give_up_hop(self, status: int | None, reason: str, rule: str, now: float, wait_s: float = 0.0) -> None:
        """The next hop, if there is one (RFC 3263 §4.3)."""
        if self._hops and not self._is_leaving:
            self._send_to_next_hop(now)
        else:
            self._fail(status, reason, rule, now, wait_s=wait_s)

    def _fail(self, status: int | None, reason: str, rule: str, now: float, *, wait_s: float = 0.0) -> None:
        """Wait as RFC 5626 §4.5 says, or longer when we are asked to."""
        if self._is_leaving:
            self._leave(now)
            return
        failures = self._status.failures + 1
        wait_s = max(wait_s, back_off_s(failures, self._ids))
        self._set(
            state=RegistrationState.FAILED,
            next_try_at=now + wait_s,
            status=status,
            reason=reason,
            rule=rule,
            failures=failures,
        )
        self._actions.append(RegistrationFailed(status, reason, rule, wait_s))

    # The end

    def _leave(self, now: float, *, is_registered: bool | None = None) -> None:
        """Take back what is registered; once that was tried, it is over whatever the registrar said.

        ``is_registered`` True: a REGISTER that was under way when we were told to stop has registered us once more.
        """
        if is_registered is None:
            is_registered = self._status.registered_until is not None
        if is_registered and self._status.state is not RegistrationState.UNREGISTERING:
            self._set(state=RegistrationState.UNREGISTERING)
            self._sends = 0
            self._send()
            return
        if self._status.registered_until is not None:
            self._lose("removed")
        self._set(state=RegistrationState.UNREGISTERED, next_try_at=None)

    def _lose(self, cause: str) -> None:
        self._set(registered_until=None, service_route=(), flow_timer_s=None)
        if self._status.state is RegistrationState.REGISTERED:
            self._set(state=RegistrationState.UNREGISTERED)
        self._actions.append(Unregistered(cause))

    def _set(self, **changes: object) -> None:
        self._status = replace(self._status, **changes)  # type: ignore[arg-type]
