"""Between the user agent and its registrar: which answers keep state, what is told of them."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.sip.flow import Flow
from gateway.sip.identity import stateless_tag
from gateway.sip.invite.context import CallContext
from gateway.sip.message import Request, make_response
from gateway.sip.reason import reason_phrase
from gateway.sip.registrar.registrar import RegisterAnswer, Registrar
from gateway.sip.validation import Refusal, check_request

EXTENSIONS = ("path", "outbound")
"""Option tags a REGISTER may require: RFC 3327 and RFC 5626."""


class RegisterServer:
    """Answers REGISTER. Without a registrar, or while it has no accounts, there is nothing to serve."""

    def __init__(self, context: CallContext, registrar: Registrar | None, tag_key: bytes) -> None:
        self._context = context
        self._registrar = registrar
        self._tag_key = tag_key

    def serves(self, method: str) -> bool:
        """Whether this request is for us."""
        return method == "REGISTER" and self._registrar is not None and self._registrar.has_accounts

    def check(self, request: Request) -> Refusal | None:
        """Why this REGISTER cannot be served at all (RFC 3261 §8.2)."""
        return check_request(request, supported_methods=("REGISTER",), supported_extensions=EXTENSIONS)

    def receive(self, request: Request, flow: Flow, now: float, account: str | None = None) -> Refusal | None:
        """Answer it; what is returned instead is to be refused without keeping state.

        Only for who has proved to have a password is the answer kept, to be repeated: strangers are bounded by nothing
        else. ``account``: who the door has found it to be from.
        """
        if self._registrar is None:
            return None
        answer = self._registrar.receive(request, flow, now, account)
        if answer.account is not None:
            self._answer(request, answer, flow, now)
        elif answer.status == 401:
            self._challenge(request, answer, flow)
        else:
            return Refusal(answer.status, answer.reason or reason_phrase(answer.status), answer.rule, answer.headers)
        self._tell()
        return None

    def handle_timeout(self, now: float) -> None:
        """End bindings that have expired."""
        if self._registrar is not None:
            self._registrar.handle_timeout(now)
            self._tell()

    def next_deadline(self) -> float | None:
        """When the next one expires."""
        return None if self._registrar is None else self._registrar.next_deadline()

    def flow_failed(self, flow: Flow) -> None:
        """End bindings that lived on this connection."""
        if self._registrar is not None:
            self._registrar.flow_failed(flow)
            self._tell()

    @property
    def flows(self) -> Iterable[Flow]:
        """Flows that bindings live on."""
        return () if self._registrar is None else self._registrar.flows

    def _challenge(self, request: Request, answer: RegisterAnswer, flow: Flow) -> None:
        """Every registration begins so: nothing is wrong, and nothing is told."""
        self._context.stats.requests_challenged += 1
        tag = stateless_tag(request, self._tag_key)
        headers = (*answer.headers, self._context.identity.server)
        response = make_response(request, 401, to_tag=tag, headers=headers)
        self._context.send(flow, response.to_bytes())

    def _answer(self, request: Request, answer: RegisterAnswer, flow: Flow, now: float) -> None:
        tag = stateless_tag(request, self._tag_key)
        headers = (*answer.headers, self._context.identity.server)
        response = make_response(request, answer.status, answer.reason, to_tag=tag, headers=headers)
        self._context.respond(request, response, flow, now)
        if answer.rule:
            self._context.note_refusal(request, flow, Refusal(answer.status, response.reason, answer.rule))

    def _tell(self) -> None:
        while self._registrar is not None and (event := self._registrar.next_event()) is not None:
            self._context.tell(event)
