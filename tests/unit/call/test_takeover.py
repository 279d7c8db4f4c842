"""On virtual time: the call moves, or stays as it was. What follows in SIP is in tests/carrier/test_transfer.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gateway.base.errors import CapacityError, LocalProtocolError
from gateway.call.capacity import NotTaken
from gateway.call.identity import FarEnd
from gateway.call.journal import EventName
from gateway.call.live_calls import LiveCalls
from gateway.call.new_leg import NewLeg
from gateway.call.states import CallState
from gateway.call.takeover import Takeover
from gateway.call.termination import EndReason
from gateway.emulator.scenario import Scenario
from gateway.measure import g711
from gateway.measure.listening import tone_share
from gateway.observability.logs import get_logger
from gateway.observability.metrics import Metrics
from gateway.sip.events import CallOffered
from gateway.sip.flow import Flow
from gateway.sip.message import make_request
from tests.support.call_rig import OFFER, CallRig, VirtualMedia
from tests.unit.call.test_new_leg import leg_of

FLOW = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.8", 5060))
THERE = FarEnd("+15550122", "other-call-id", "198.51.100.8")
OTHER = OFFER.replace(b"192.0.2.7", b"198.51.100.8").replace(b"30000", b"40000")


class Legs:
    """The assembly, as far as a takeover asks it."""

    def __init__(self, rig: CallRig) -> None:
        self.rig = rig
        self.made: list[tuple[NewLeg, VirtualMedia]] = []

    def leg(self, call: object, offered: object = None, *, calls: object) -> NewLeg:
        self.made.append(leg_of(self.rig))
        return self.made[-1][0]


class Place:
    """A call that talks, in the table of live calls, and somebody who wants to take it over."""

    def __init__(self, offer: bytes | None = OTHER) -> None:
        self.rig = CallRig(Scenario.model_validate({"greeting": {"tone": {"hz": 440, "ms": 8000}}}))
        self.calls = LiveCalls(metrics=Metrics(), logger=get_logger(), clock=lambda: self.rig.now)
        self.call = self.rig.call
        self.call._on_end = self.calls.ended
        self.calls.add(self.call)
        self.rig.begin()
        self.rig.run_until(lambda: self.call.state is CallState.ANSWERING)
        self.rig.inbound.confirmed(None, self.rig.now)
        self.rig.run(0.5)
        self.legs: Any = Legs(self.rig)
        self.invite = CallOffered("sip-2", make_request("INVITE", "sip:agent@192.0.2.1", headers=()), FLOW, offer)

    def take_over(self) -> None:
        takeover = Takeover(self.call, self.invite, THERE, assembly=self.legs, calls=self.calls)
        takeover.answer(self.rig.signalling, self.rig.now)

    @property
    def media(self) -> VirtualMedia:
        media: VirtualMedia = self.legs.made[0][1]
        return media

    def said(self, frames: int = 25) -> np.ndarray[Any, Any]:
        """What the new far end hears next."""
        packets = [self.media.stream.tick() for _ in range(frames)]
        assert {packet[1] for packet in packets if packet} == {("198.51.100.8", 40000)}
        law = self.media.stream.config.law.name
        return g711.decode(b"".join(packet[0][12:] for packet in packets if packet), law)  # type: ignore[arg-type]


def test_the_conversation_goes_on_at_the_new_port_in_the_middle_of_a_word() -> None:
    place = Place()
    rig, pending = place.rig, place.rig.stream.playout.pending_ms
    assert pending > 1000
    place.take_over()
    assert rig.media.is_closed
    assert place.media.is_started
    assert place.media.stream.playout.pending_ms == pending, "not a frame is lost or said twice"
    assert np.abs(place.said()).max() > 1000
    assert rig.conversation._playout is place.media.stream.playout
    assert rig.signalling.words().count("ring") == 1, "nobody rings again"
    assert rig.names().count("provider.connected") == 1
    place.call.end(EndReason.API, rig.now)
    assert place.media.is_closed
    assert rig.names()[-1] == "call.ended"


def test_names_and_addresses_are_those_of_the_new_far_end_and_the_call_counts_once() -> None:
    place = Place()
    place.take_over()
    calls = place.calls
    assert (calls.of_sip_call("sip-1"), calls.of_sip_call("sip-2")) == (None, place.call)
    assert (calls.has_source("192.0.2.7"), calls.has_source("198.51.100.8")) == (False, True)
    assert (len(calls), calls.on_trunk("carrier")) == (1, 1)
    identity = place.call.identity
    assert (identity.call_id, identity.caller, identity.callee) == ("c-1", "+15550122", "+15550100")
    moved = place.rig.last(EventName.CALL_MOVED).details
    assert moved["from"] == {"caller": "+15550111", "callee": "+15550100", "sip_call_id": "call-id"}
    assert moved["to"] == {"caller": "+15550122", "callee": "+15550100", "sip_call_id": "other-call-id"}
    place.call.end(EndReason.API, place.rig.now)
    assert (len(calls), calls.has_source("198.51.100.8"), calls.of_sip_call("sip-2")) == (0, False, None)


def test_the_agent_hears_the_new_far_end_and_no_longer_the_former() -> None:
    place = Place()
    heard: list[bytes] = []
    place.rig.uplink.receive_audio = heard.append  # type: ignore[method-assign]
    place.take_over()
    leg = place.legs.made[0][0]
    leg.audio(b"new")
    leg.digit("4")
    assert heard == [b"new"]
    assert place.rig.observer.digits == 1


def test_their_hold_ends_with_them_and_ours_goes_on() -> None:
    place = Place()
    place.call.reoffered(OFFER + b"a=sendonly\r\n", place.rig.now)
    assert place.call.state is CallState.HELD
    place.take_over()
    assert place.call.state is CallState.TALKING
    assert place.rig.names()[-2:] != ["call.held", "call.moved"]
    held = Place()
    held.call.hold(held.rig.now)
    held.call.reoffer_answered(OFFER + b"a=recvonly\r\n", held.rig.now)
    held.take_over()
    assert held.call.state is CallState.HELD
    assert b"a=sendonly" in held.rig.signalling.said[-1][1]  # type: ignore[operator]


def test_in_the_other_law_the_greeting_goes_on() -> None:
    place = Place(OTHER.replace(b"AVP 0 101", b"AVP 8 101"))
    place.take_over()
    assert place.media.stream.config.codec == "PCMA"
    assert tone_share(place.said(), 440) > 0.9, "the greeting, and not what A-law makes of µ-law bytes"
    assert place.call.line.figures()["packets_sent"] >= 25


def test_without_an_offer_the_ack_brings_the_answer_and_until_then_the_hold_stands() -> None:
    place = Place(None)
    place.take_over()
    assert place.media.stream.tick() is None, "nobody has said where to"
    place.call.confirmed(OTHER, place.rig.now)  # type: ignore[attr-defined]
    assert np.abs(place.said()).max() > 1000
    broken = Place(None)
    broken.take_over()
    broken.call.confirmed(None, broken.rig.now)  # type: ignore[attr-defined]
    assert broken.call.end_reason is EndReason.ERROR
    assert broken.rig.signalling.words()[-1] == "hang_up"


def test_what_cannot_be_agreed_on_is_not_taken_and_the_call_stays() -> None:
    place = Place(OTHER.replace(b"AVP 0 101", b"AVP 18"))
    with pytest.raises(NotTaken) as refused:
        place.take_over()
    assert (refused.value.status, refused.value.rule) == (488, "media_negotiation")
    assert place.media.is_closed
    assert not place.rig.media.is_closed
    assert place.calls.of_sip_call("sip-1") is place.call


def test_no_free_port_is_503_and_the_call_stays() -> None:
    place = Place()

    def none(*_: object, **__: object) -> NewLeg:
        raise CapacityError("no port", retry_after_s=3)

    place.legs.leg = none
    with pytest.raises(NotTaken) as refused:
        place.take_over()
    assert (refused.value.status, refused.value.rule, refused.value.retry_after_s) == (503, "no_media_port", 3)
    assert place.call.state is CallState.TALKING


def test_an_invite_that_was_cancelled_before_the_answer_changes_nothing() -> None:
    place = Place()

    def gone(*_: object, **__: object) -> None:
        raise LocalProtocolError("cannot answer: it has ended")

    place.rig.signalling.answer = gone  # type: ignore[method-assign]
    place.take_over()
    assert place.calls.of_sip_call("sip-1") is place.call
    assert place.calls.of_sip_call("sip-2") is None
    assert place.media.is_closed
    assert EventName.CALL_MOVED.value not in place.rig.names()
    place.rig.run(0.5)
    assert place.rig.now - place.rig.sent[-1].at < 0.03, "the old leg goes on"
