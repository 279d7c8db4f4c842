"""A part of a call knows its call, and does not keep it."""

from __future__ import annotations

import weakref

from gateway.sip.invite.call import Call
from gateway.sip.invite.part import CallPart
from tests.support.sip_peer import UserAgentBench, invite


class Part(CallPart):
    @property
    def call(self) -> Call:
        return self._call


def test_a_part_knows_its_call_and_does_not_keep_it() -> None:
    bench = UserAgentBench()
    bench.feed(invite())
    (call,) = bench.ua._calls.values()
    part, is_there = Part(call), weakref.ref(call)
    assert part.call is call
    bench.ua.reject(call.id, 486, bench.now)
    assert part.call is call, "as long as anybody has it"
    del call
    assert is_there() is None
