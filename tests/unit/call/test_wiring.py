from __future__ import annotations

from collections.abc import Callable

from gateway.call.call import Call
from gateway.call.conversation.uplink import Uplink
from gateway.call.wiring import Wiring
from gateway.emulator.scenario import Scenario
from gateway.inworld.errors import ProviderUnavailable
from gateway.media.codec.g711 import PCMU
from tests.support.call_rig import CallRig


class Table:
    def __init__(self) -> None:
        self.steps = 0
        self.gone: list[Call] = []

    def run(self, call: Call, step: Callable[[Call], None]) -> None:
        self.steps += 1
        step(call)

    def ended(self, call: Call) -> None:
        self.gone.append(call)


def test_what_the_edges_bring_is_a_step_of_the_call_until_it_has_ended() -> None:
    rig, table = CallRig(Scenario()), Table()
    wiring = Wiring(lambda: rig.now, table)
    chunks: list[bytes] = []
    wiring.digit("1")
    wiring.audio(b"before anything exists")
    wiring.call = rig.call
    wiring.uplink = Uplink(chunks.append, chunk_ms=20, law=PCMU)
    rig.begin()
    wiring.digit("5")
    wiring.audio(b"x" * 160)
    assert (table.steps, chunks) == (1, [b"x" * 160])
    assert rig.events[-1].details == {"digit": "5"}
    wiring.provider_unavailable(ProviderUnavailable("refused", retry_after_s=7))
    assert rig.call.is_ended
    assert dict(rig.signalling.said[-1][1][1])["Retry-After"] == "7"  # type: ignore[index]
    wiring.ended(rig.call)
    wiring.digit("6")
    wiring.audio(b"y" * 160)
    assert (table.steps, len(chunks), table.gone) == (2, 1, [rig.call])
