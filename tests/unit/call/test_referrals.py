"""Whom a far end may send the agent to, and that nothing else of the call changes. The wire: tests/carrier."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.call.identity import CallDirection
from gateway.call.journal import EventName
from gateway.call.live_calls import LiveCalls
from gateway.call.new_leg import NewLeg
from gateway.call.referrals import MOST_REFERRALS, Referrals
from gateway.call.states import CallState
from gateway.call.termination import EndReason
from gateway.emulator.scenario import Scenario
from gateway.observability.logs import get_logger
from gateway.observability.metrics import Metrics
from gateway.settings.schema import Settings
from gateway.sip.events import (
    CallAnswered,
    CallEnded,
    CallReferred,
    CallRefused,
    CallReoffered,
    CallRinging,
    EndCause,
    HopFailed,
    HopFault,
)
from gateway.sip.flow import Flow
from gateway.sip.headers import Headers
from gateway.sip.invite.invitation import Invitation
from gateway.trunks.destination import OutboundRefused
from tests.support.call_rig import CallRig, VirtualMedia
from tests.support.stage import settings_with
from tests.unit.call.test_new_leg import leg_of
from tests.unit.call.test_takeover import OTHER

THERE = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.8", 5060))


def settings(*, follows: bool = True) -> Settings:
    carrier = {"accept_from": ["192.0.2.0/24"], "targets": ["sip:192.0.2.7"], "follow_refer": follows}
    return settings_with("ws://127.0.0.1:1", trunks={"carrier": carrier})


class Trunks:
    """Allows +1555…; whatever it is asked to dial leads to one hop, once ``gate`` is open."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, tuple[tuple[str, str], ...]]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fault: Exception | None = None

    def choose(self, to: str, trunk: str | None = None) -> str:
        if "+1555" not in to:
            raise OutboundRefused("trunks.allow_destinations", "no")
        return trunk or "carrier"

    async def invitation(self, trunk: str, to: str, *, headers: Any = (), **_: Any) -> Invitation:
        await self.gate.wait()
        self.asked.append((trunk, to, headers))
        if self.fault is not None:
            raise self.fault
        return Invitation(to, (THERE,), "<sip:us@192.0.2.1>", f"<{to}>", b"", headers=headers)

    def speaks_for(self, trunk: str, to: str) -> str:
        return trunk


class Signalling:
    """Notes what was asked of SIP; makes the offer of an INVITE as an attempt would."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []
        self.offers: list[bytes | None] = []
        self.invited: list[Invitation] = []

    def invite(self, invitation: Invitation) -> str:
        assert invitation.make_offer is not None
        self.offers.append(invitation.make_offer(THERE))
        self.invited.append(invitation)
        return f"placed-{len(self.invited)}"

    def accept_refer(self, call: str, refer_id: str) -> None:
        self.said.append(("accept", call, refer_id))

    def notify_refer(self, call: str, refer_id: str, status: int, reason: str | None = None) -> None:
        self.said.append(("notify", call, status))

    def hang_up(self, call: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        self.said.append(("hang_up", call))

    def refuse_offer(self, call: str, status: int) -> None:
        self.said.append(("refuse_offer", call, status))


class Legs:
    def __init__(self, rig: CallRig) -> None:
        self.rig = rig
        self.made: list[tuple[NewLeg, VirtualMedia]] = []

    def leg(self, call: object, *, calls: object) -> NewLeg:
        self.made.append(leg_of(self.rig))
        return self.made[-1][0]


class Place:
    """A call that talks, and whoever follows its far end's wishes."""

    def __init__(self, *, follows: bool = True, has_room: bool = True) -> None:
        self.rig = CallRig(Scenario.model_validate({"greeting": {"tone": {"hz": 440, "ms": 8000}}}))
        self.calls = LiveCalls(metrics=Metrics(), logger=get_logger(), clock=lambda: self.rig.now)
        self.call = self.rig.call
        self.call._on_end = self.calls.ended
        self.calls.add(self.call)
        self.rig.begin()
        self.rig.run_until(lambda: self.call.state is CallState.ANSWERING)
        self.rig.inbound.confirmed(None, self.rig.now)
        self.trunks, self.signalling, self.legs = Trunks(), Signalling(), Legs(self.rig)
        self.vouched: dict[str, tuple[str, list[str]]] = {}
        trunks: Any = self.trunks
        signalling: Any = self.signalling
        legs: Any = self.legs
        self.referrals = Referrals(
            settings(follows=follows),
            trunks=trunks,
            signalling=signalling,
            assembly=legs,
            calls=self.calls,
            media_address=lambda flow: flow.local[0],
            vouch=lambda holder, trunk, hosts: self.vouched.update({holder: (trunk, list(hosts))}),
            withdraw=lambda holder: self.vouched.pop(holder, None) and None,
            takes_call=lambda trunk, now: has_room,
            logger=get_logger(),
            clock=lambda: self.rig.now,
        )
        self.calls.on_ended = self.referrals.forget

    def asks(self, target: str = "sip:+15550122@192.0.2.7", replaces: str | None = None) -> None:
        event = CallReferred(str(self.call.sip_call), "1", target, replaces, "sip:desk@192.0.2.7", Headers())
        self.referrals.ask(self.call, event, self.rig.now)

    async def dialled(self) -> str:
        """The call that is placed for it, once it is."""
        count = len(self.signalling.invited)
        self.asks()
        await self.settle()
        assert len(self.signalling.invited) == count + 1
        return f"placed-{count + 1}"

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    def tells(self, event: Any) -> None:
        assert self.referrals.handle(event, self.rig.now)

    @property
    def last(self) -> dict[str, Any]:
        return self.rig.last(EventName.TRANSFER_PROGRESS).details

    def stays(self) -> None:
        """The call is where it was, and nothing is left of what was tried."""
        assert self.call.state is CallState.TALKING
        assert self.call.sip_call == "sip-1"
        assert not self.rig.media.is_closed
        assert all(media.is_closed for _, media in self.legs.made)
        assert self.vouched == {}
        assert EventName.CALL_MOVED.value not in self.rig.names()


def rule_of(place: Place, *given: str) -> tuple[str, int]:
    with pytest.raises(OutboundRefused) as refused:
        place.asks(*given)
    return refused.value.rule, refused.value.status


async def test_somebody_answers_and_the_call_is_with_them() -> None:
    place = Place()
    placed = await place.dialled()
    said, call = place.signalling.said, place.call
    assert said == [("accept", "sip-1", "1")]
    assert place.trunks.asked == [("carrier", "sip:+15550122@192.0.2.7", (("Referred-By", "<sip:desk@192.0.2.7>"),))]
    assert b"m=audio 20002 " in (place.signalling.offers[0] or b"")
    assert not place.signalling.invited[0].follows_redirects
    place.tells(CallRinging(placed, 180, None, "a", "Ringing"))
    place.tells(CallRinging(placed, 180, None, "a", "Ringing"))
    assert said[1:] == [("notify", "sip-1", 180)], "each status once"
    place.tells(CallAnswered(placed, OTHER, Headers(), THERE, "a"))
    assert said[2:] == [("notify", "sip-1", 200), ("hang_up", "sip-1")], "told first: the BYE ends the subscription"
    assert (call.sip_call, place.calls.of_sip_call(placed), place.calls.of_sip_call("sip-1")) == (placed, call, None)
    assert place.calls.has_source("198.51.100.8")
    assert place.rig.media.is_closed
    assert place.legs.made[0][1].is_started
    assert place.rig.last(EventName.CALL_MOVED).details["to"]["caller"] == "+15550122"
    assert (place.last["state"], place.last["by"]) == ("succeeded", "peer")
    assert list(place.vouched.values()) == [("carrier", ["198.51.100.8"])], "who has the call is heard"
    assert not place.referrals.handle(CallEnded(placed, EndCause.BYE), place.rig.now), "the call's own by now"
    call.end(EndReason.API, place.rig.now)
    assert place.vouched == {}
    assert place.legs.made[0][1].is_closed


async def test_an_answer_that_was_given_before_counts_where_the_200_has_none() -> None:
    place = Place()
    placed = await place.dialled()
    place.tells(CallRinging(placed, 183, OTHER, "a"))
    place.tells(CallAnswered(placed, b"", Headers(), THERE, "a"))
    assert place.call.sip_call == placed


async def test_an_attended_one_names_the_dialog_that_it_replaces() -> None:
    place = Place()
    place.asks(replaces="x@y;to-tag=a;from-tag=b")
    await place.settle()
    assert ("Replaces", "x@y;to-tag=a;from-tag=b") in place.signalling.invited[0].headers


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (CallRefused("placed-1", 486, "Busy Here"), 486),
        (CallRefused("placed-1", 302, "Moved Temporarily"), 302),
        (CallEnded("placed-1", EndCause.NO_ANSWER), 480),
        (CallAnswered("placed-1", b"no sdp", Headers(), THERE), 488),
    ],
)
async def test_whatever_fails_is_told_and_the_call_stays(event: Any, status: int) -> None:
    place = Place()
    await place.dialled()
    place.tells(event)
    assert ("notify", "sip-1", status) in place.signalling.said
    assert (place.last["state"], place.last["sip_status"]) == ("failed", status)
    is_open = isinstance(event, CallAnswered)
    assert (("hang_up", "placed-1") in place.signalling.said) is is_open
    place.stays()
    await place.dialled()


@pytest.mark.parametrize(
    ("fault", "status"), [(OutboundRefused("trunks.unresolved", "no", status=503), 503), (ZeroDivisionError(), 500)]
)
async def test_what_cannot_even_be_dialled_is_told(fault: Exception, status: int) -> None:
    place = Place()
    place.trunks.fault = fault
    place.asks()
    await place.settle()
    assert place.signalling.said[-1] == ("notify", "sip-1", status)
    place.stays()


async def test_a_caller_that_hangs_up_takes_the_call_back_that_rings() -> None:
    place = Place()
    placed = await place.dialled()
    place.call.end(EndReason.CALLER_HUNG_UP, place.rig.now, is_gone=True)
    assert place.signalling.said[-1] == ("hang_up", placed)
    assert place.legs.made[0][1].is_closed
    assert place.vouched == {}
    assert not place.referrals.handle(CallRefused(placed, 487, "Request Terminated"), place.rig.now)


async def test_a_caller_that_hangs_up_before_the_address_is_known_is_called_for_no_more() -> None:
    place = Place()
    place.trunks.gate.clear()
    place.asks()
    await place.settle()
    place.call.end(EndReason.CALLER_HUNG_UP, place.rig.now, is_gone=True)
    place.trunks.gate.set()
    await place.settle()
    assert place.signalling.invited == []
    await place.referrals.close()


async def test_a_call_that_is_being_transferred_by_us_when_somebody_answers_is_not_moved() -> None:
    place = Place()
    placed = await place.dialled()
    place.call.transfer("sip:1002@192.0.2.7", place.rig.now)
    assert rule_of(place)[0] == "refer_state"
    place.tells(CallAnswered(placed, OTHER, Headers(), THERE))
    assert ("hang_up", placed) in place.signalling.said
    assert place.call.state is CallState.TRANSFERRING


async def test_what_is_not_followed_and_by_which_rule() -> None:
    assert rule_of(Place(follows=False)) == ("refer_not_followed", 603)
    assert rule_of(Place(), "sip:+44900@192.0.2.7") == ("trunks.allow_destinations", 403)
    assert rule_of(Place(), "sip:+15550122@192.0.2.7;method=BYE") == ("refer_method", 603)
    assert rule_of(Place(has_room=False)) == ("trunks.calls_per_second", 503)
    place = Place()
    place.asks("sip:+15550122@192.0.2.7;method=INVITE")
    assert rule_of(place) == ("refer_under_way", 491)
    await place.settle()
    assert place.trunks.asked[0][1] == "sip:+15550122@192.0.2.7", "the method is no part of whom is called"
    place.tells(CallRefused("placed-1", 486, "Busy Here"))
    for _ in range(MOST_REFERRALS - 1):
        place.tells(CallRefused(await place.dialled(), 486, "Busy Here"))
    assert rule_of(place) == ("refer_limit", 603)


async def test_what_else_is_said_of_the_placed_call_disturbs_nothing() -> None:
    place = Place()
    placed = await place.dialled()
    place.tells(CallReoffered(placed, OTHER))
    assert place.signalling.said[-1] == ("refuse_offer", placed, 488)
    assert not place.referrals.handle(HopFailed(placed, THERE, HopFault.SILENT), place.rig.now), "for all calls"
    assert not place.referrals.handle(CallRinging("another", 180, None, ""), place.rig.now)
    assert place.call.identity.direction is CallDirection.INBOUND


async def test_a_dialog_that_is_gone_cannot_be_told_and_nothing_breaks() -> None:
    place = Place()
    placed = await place.dialled()

    def gone(*_: object, **__: object) -> None:
        raise LocalProtocolError("no such call")

    place.signalling.notify_refer = gone  # type: ignore[method-assign]
    place.tells(CallAnswered(placed, OTHER, Headers(), THERE))
    assert (place.call.sip_call, place.call.state) == (placed, CallState.TALKING)
