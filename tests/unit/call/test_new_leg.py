from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.base.errors import RemoteProtocolError
from gateway.base.ids import IdSource
from gateway.call.call import Call
from gateway.call.negotiation import Negotiator
from gateway.call.new_leg import NewLeg
from gateway.call.states import CallState
from gateway.emulator.scenario import Scenario
from gateway.media.stream import RtpStream
from tests.support.call_rig import OFFER, CallRig, VirtualMedia


class Table:
    def run(self, call: Call, step: Callable[[Call], None]) -> None:
        step(call)


def leg_of(rig: CallRig) -> tuple[NewLeg, VirtualMedia]:
    negotiator = Negotiator(address="192.0.2.1", codecs=("PCMU", "PCMA"), session_id=2, reorder_ms=40)
    leg = NewLeg(negotiator, lambda: rig.now, Table())
    stream = RtpStream(negotiator.waiting_stream(), IdSource(7), on_audio=leg.audio, on_digit=leg.digit)
    media = VirtualMedia(stream, lambda: rig.now)
    media.local_port = 20002
    leg.attach(media)
    return leg, media


def talking() -> CallRig:
    rig = CallRig(Scenario.model_validate({"greeting": {"tone": {"hz": 440, "ms": 5000}}}))
    rig.begin()
    rig.run_until(lambda: rig.call.state is CallState.ANSWERING)
    rig.inbound.confirmed(None, rig.now)
    return rig


def test_nobody_is_heard_before_the_call_has_joined_nor_after_the_leg_is_closed() -> None:
    rig = talking()
    leg, media = leg_of(rig)
    heard: list[bytes] = []
    rig.uplink.receive_audio = heard.append  # type: ignore[method-assign]
    leg.audio(b"early")
    leg.digit("1")
    assert (heard, rig.observer.digits) == ([], 0)
    assert leg.join(rig.call, rig.uplink) is media
    leg.audio(b"x")
    leg.digit("2")
    assert (heard, rig.observer.digits) == ([b"x"], 1)
    leg.close()
    leg.audio(b"late")
    assert heard == [b"x"]
    assert not media.is_closed, "it is the call's to close"


def test_a_leg_that_no_call_has_joined_closes_its_port_once() -> None:
    leg, media = leg_of(talking())
    leg.close()
    leg.close()
    assert media.is_closed


def test_its_descriptions_name_its_own_port_and_follow_our_hold() -> None:
    rig = talking()
    leg, _ = leg_of(rig)
    answer, agreed = leg.respond(rig.call, OFFER)
    assert b"m=audio 20002 " in answer
    assert agreed is not None
    rig.call.hold(rig.now)
    offer, none = leg_of(rig)[0].respond(rig.call, None)
    assert none is None
    assert b"a=sendonly" in offer, "who holds goes on holding"
    assert b"m=audio 20002 " in leg.offer(rig.call, "192.0.2.1", "192.0.2.9")


@pytest.mark.parametrize("body", [b"", b"v=0", OFFER.replace(b"AVP 0 101", b"AVP 18")])
def test_what_cannot_be_agreed_on_is_raised(body: bytes) -> None:
    rig = talking()
    leg: Any = leg_of(rig)[0]
    with pytest.raises(RemoteProtocolError):
        leg.respond(rig.call, body)
