"""``/v1/calls``: order, list, read, hold, resume and end calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.params import Depends as DependsMark

from gateway.base.errors import LocalProtocolError, SettingsError
from gateway.call.capacity import NotTaken
from gateway.call.desk import CallDesk, CallOverError, NoSuchCallError
from gateway.call.door.door import TRUNK_RATE
from gateway.call.order import CallOrder
from gateway.call.records import CallRecord
from gateway.control.auth import Caller, KeyRing, Role, require
from gateway.control.idempotency import IdempotencyKeys
from gateway.control.models import CallList, CallRequest, CallView, SipWord, TransferRequest
from gateway.control.problems import Problem, describe
from gateway.observability.logs import Logger
from gateway.settings.schema import Settings
from gateway.trunks.destination import OutboundRefused

StateName = Literal["queued", "dialing", "ringing", "answering", "talking", "held", "transferring", "ended"]
MAX_PAGE = 200
"""Calls on one page of a list."""

Command = Callable[[str], CallRecord]


class CallRoutes:
    """The routes of ``/v1/calls``; ``router`` is what an app includes."""

    def __init__(self, desk: CallDesk, keys: KeyRing, settings: Settings, logger: Logger) -> None:
        self._desk = desk
        self._settings = settings
        self._logger = logger
        self._idempotency = IdempotencyKeys()
        self.router = self._make_router(keys)

    def apply(self, settings: Settings) -> None:
        """Other agents for calls to come."""
        self._settings = settings

    def _make_router(self, keys: KeyRing) -> APIRouter:
        router = APIRouter(prefix="/v1/calls", tags=["calls"], responses=describe(401, 403))
        viewer, as_operator = Depends(require(keys, Role.VIEWER)), Depends(require(keys, Role.OPERATOR))

        self._add_placing(router, as_operator)
        self._add_reading(router, viewer)
        self._add_ending(router, as_operator)
        for verb, command in (("hold", self._desk.hold), ("resume", self._desk.resume)):
            self._add_command(router, verb, command, as_operator)
        return router

    def _add_placing(self, router: APIRouter, as_operator: Any) -> None:
        @router.post(
            "", status_code=202, summary="Call somebody", responses=describe(404, 409, 413, 415, 422, 429, 503)
        )
        async def place(
            request: Request,
            response: Response,
            order: CallRequest,
            caller: Caller = as_operator,
            idempotency_key: Annotated[str | None, Header(description="Repeated, it places no second call.")] = None,
        ) -> CallView:
            """The call is under way when this answers: follow it at its Location or by its events."""
            body = await request.body()
            key = idempotency_key
            record = None if key is None else self._placed_before(caller, key, body)
            if record is not None:
                response.headers["Idempotency-Replayed"] = "true"
            else:
                record = self._place(order, caller)
                if key is not None:
                    self._idempotency.note(caller.name, key, body, record.identity.call_id)
            response.headers["Location"] = f"/v1/calls/{record.identity.call_id}"
            return self.view(record)

    def _add_reading(self, router: APIRouter, viewer: DependsMark) -> None:
        @router.get("", summary="Calls, the latest first", dependencies=[viewer], responses=describe(422))
        async def list_calls(
            state: Annotated[StateName | None, Query(description="Only calls that are in this state.")] = None,
            direction: Annotated[
                Literal["inbound", "outbound"] | None, Query(description="Only calls that came in, or that we placed.")
            ] = None,
            limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="How many on a page.")] = 50,
            cursor: Annotated[str | None, Query(max_length=64, description="`next` of the page before.")] = None,
        ) -> CallList:
            """Live calls and the last thousand."""
            return self._page(state, direction, limit, cursor)

        @router.get("/{call_id}", summary="One call", dependencies=[viewer], responses=describe(404))
        async def read_call(call_id: str) -> CallView:
            return self.view(self._find(call_id))

    def _add_ending(self, router: APIRouter, as_operator: DependsMark) -> None:
        @router.delete("/{call_id}", summary="End a call", dependencies=[as_operator], responses=describe(404))
        async def end_call(call_id: str) -> CallView:
            """CANCEL while it rings, BYE while it lasts. A call that has ended stays as it is."""
            self._find(call_id)
            return self.view(self._desk.end(call_id))

        @router.post(
            "/{call_id}/transfer",
            summary="Send the far end elsewhere",
            status_code=202,
            dependencies=[as_operator],
            responses=describe(404, 409, 415, 422),
        )
        async def transfer(call_id: str, target: TransferRequest) -> CallView:
            """The agent is silent until the far end tells how it went: it leaves, or comes back and says so."""
            if (target.to is None) == (target.to_call is None):
                raise Problem(422, "transfer_target", "say either to (blind) or to_call (attended)")
            return self.view(run_command(lambda: self._desk.transfer(call_id, to=target.to, to_call=target.to_call)))

    def _add_command(self, router: APIRouter, verb: str, command: Command, as_operator: DependsMark) -> None:
        @router.post(
            f"/{{call_id}}/{verb}",
            summary=f"{verb.capitalize()} a call",
            status_code=202,
            dependencies=[as_operator],
            responses=describe(404, 409),
            name=f"{verb}_call",
        )
        async def run(call_id: str) -> CallView:
            return self.view(run_command(lambda: command(call_id)))

    def _find(self, call_id: str) -> CallRecord:
        return run_command(lambda: self._desk.record(call_id))

    def _placed_before(self, caller: Caller, key: str, body: bytes) -> CallRecord | None:
        call_id = self._idempotency.find(caller.name, key, body)
        if call_id is None:
            return None
        record = self._desk.records.get(call_id)
        if record is None:
            raise Problem(409, "idempotency_call_forgotten", f"this key placed call {call_id}, which is not remembered")
        return record

    def _place(self, order: CallRequest, caller: Caller) -> CallRecord:
        agent = self._agent(order.agent)
        try:
            record = self._desk.place(
                CallOrder(
                    to=order.to,
                    agent=agent,
                    trunk=order.trunk,
                    from_user=order.from_,
                    session=order.session,
                    variables=order.variables,
                    headers=tuple(order.headers.items()),
                    ring_timeout_s=order.ring_timeout_s,
                    max_duration_s=order.max_duration_s,
                    metadata=order.metadata,
                )
            )
        except OutboundRefused as refused:
            self._logger.warning("order refused", rule=refused.rule, by=caller.name)
            raise Problem(_HTTP_OF_SIP.get(refused.status, 403), refused.rule, str(refused)) from refused
        except NotTaken as full:
            headers = {"Retry-After": str(full.retry_after_s or 5)}
            self._logger.warning("order refused", rule=full.rule, by=caller.name)
            # The node has room: it is this caller, by this trunk, who asks too fast (RFC 6585 §4).
            status = 429 if full.rule == TRUNK_RATE else 503
            raise Problem(status, full.rule, full.why or full.text, headers=headers) from full
        except SettingsError as error:
            raise Problem(422, "session_invalid", "; ".join(error.faults)) from error
        self._logger.info("call ordered", call=record.identity.call_id, by=caller.name)
        return record

    def _agent(self, name: str | None) -> str:
        agents = self._settings.agents
        if name is None and len(agents) == 1:
            return next(iter(agents))
        if name is None:
            raise Problem(422, "agent_missing", f"say which agent speaks: {', '.join(agents)}")
        if name not in agents:
            raise Problem(422, "agent_unknown", f"there is no agent {name!r}; there are: {', '.join(agents)}")
        return name

    def _page(self, state: str | None, direction: str | None, limit: int, cursor: str | None) -> CallList:
        if cursor is not None and self._desk.records.get(cursor) is None:
            raise Problem(422, "cursor_stale", "the call of this cursor is not remembered any more; begin anew")
        found: list[CallRecord] = []
        is_past_cursor = cursor is None
        for record in self._desk.records.newest_first():
            if not is_past_cursor:
                is_past_cursor = record.identity.call_id == cursor
                continue
            if direction not in (None, record.identity.direction.value):
                continue
            if state not in (None, self._desk.state(record).value):
                continue
            found.append(record)
            if len(found) > limit:
                break
        more = len(found) > limit
        page = found[:limit]
        return CallList(calls=[self.view(record) for record in page], next=page[-1].identity.call_id if more else None)

    def view(self, record: CallRecord) -> CallView:
        """A call as answers show it."""
        who = record.identity
        replies = [SipWord(**reply) for reply in record.replies]
        return CallView(
            id=who.call_id,
            direction=who.direction.value,
            state=self._desk.state(record).value,
            from_=who.caller,
            to=who.callee,
            trunk=who.trunk,
            agent=who.agent,
            rule=who.rule,
            sip_call_id=record.sip_call_id,
            created_at=record.created_at,
            times=record.times,
            setup_s=record.setup_s,
            duration_s=record.duration_s,
            end_reason=record.end_reason,
            sip=replies[-1] if replies else None,
            sip_replies=replies,
            codec=record.codec or None,
            media=dict(record.media),
            transfer=record.transfer,
            variables=dict(who.variables),
            metadata=dict(who.metadata),
        )


_HTTP_OF_SIP = {404: 404, 480: 409, 484: 422, 503: 503}
"""How a refusal's SIP status is said in HTTP; anything else is 403."""


Result = TypeVar("Result")


def run_command(command: Callable[[], Result]) -> Result:
    """The command's result; what it refuses, as a problem with the same rule."""
    try:
        return command()
    except NoSuchCallError as error:
        raise Problem(404, "no_such_call", str(error)) from error
    except CallOverError as error:
        raise Problem(409, "call_over", str(error)) from error
    except LocalProtocolError as error:
        raise Problem(409, "wrong_state", str(error)) from error
    except OutboundRefused as refused:
        raise Problem(_HTTP_OF_SIP.get(refused.status, 403), refused.rule, str(refused)) from refused
