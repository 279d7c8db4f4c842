"""Barge-in on virtual time: how soon the old voice ends, and what the provider is told was heard."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.call.journal import EventName
from gateway.emulator.scenario import Scenario
from gateway.measure import g711, speech
from tests.support.call_rig import FRAME_S, CallRig

SILENCE = b"\xff" * 160
VOICE = g711.frames(g711.encode(speech.synthesise(1.2, seed=5)))


class Interrupter:
    """A caller who begins to speak at one moment of virtual time."""

    def __init__(self) -> None:
        self.speaks_at: float | None = None
        self._frames = list(VOICE)

    def __call__(self, now: float) -> bytes:
        if self.speaks_at is None or now < self.speaks_at or not self._frames:
            return SILENCE
        return self._frames.pop(0)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10_000),
    talks_for_s=st.floats(0.05, 4.0),
    delay_ms=st.integers(0, 80),
    speed=st.sampled_from([1.2, 5.0, 40.0]),
    late_deltas=st.integers(0, 5),
)
def test_the_old_voice_ends_within_a_frame_and_the_truncation_is_what_left_in_rtp(
    seed: int, talks_for_s: float, delay_ms: int, speed: float, late_deltas: int
) -> None:
    caller = Interrupter()
    rig = CallRig(
        Scenario.model_validate(
            {
                "greeting": {"tone": {"hz": 440, "ms": 9000}},
                "turns": [{"silence": True}],
                "pace": {"speed": speed, "latency_ms": 100},
                "faults": {"late_deltas": late_deltas},
                "seed": seed,
            }
        ),
        seed=seed,
        provider_delay_s=delay_ms / 1000,
        caller_audio=caller,
    )
    rig.begin()
    rig.run_until(lambda: EventName.AGENT_STARTED.value in rig.names())
    rig.run(talks_for_s)
    caller.speaks_at = rig.now
    rig.run_until(lambda: bool(rig.speech_started_at))
    interrupted_at = rig.speech_started_at[0]
    rig.run(2.0)

    old_voice = [packet for packet in rig.sent if packet.payload != SILENCE]
    assert old_voice[-1].at - interrupted_at <= FRAME_S, "a packet of the old voice left after the next frame"
    assert old_voice[-1].at <= interrupted_at, "on virtual time not even one frame follows the event"

    truncation = rig.emulator_record.truncations[0]
    assert truncation.refused is None
    assert truncation.audio_end_ms == 20 * len(old_voice), "the ledger and the wire disagree"
    heard = rig.last(EventName.INTERRUPTED).details["items"]
    assert [item["heard_ms"] for item in heard] == [truncation.audio_end_ms]


def test_nothing_is_truncated_when_the_agent_was_heard_to_the_end() -> None:
    caller = Interrupter()
    rig = CallRig(
        Scenario.model_validate({"greeting": {"tone": {"hz": 440, "ms": 700}}, "turns": [{"silence": True}]}),
        caller_audio=caller,
    )
    rig.begin()
    rig.run_until(lambda: EventName.AGENT_STOPPED.value in rig.names())
    caller.speaks_at = rig.now
    rig.run_until(lambda: bool(rig.speech_started_at))
    rig.run(2.0)
    assert rig.emulator_record.truncations == []
    assert rig.observer.interruptions == 0


def test_late_deltas_of_an_interrupted_response_never_sound_and_the_next_answer_does() -> None:
    caller = Interrupter()
    rig = CallRig(
        Scenario.model_validate(
            {
                "greeting": {"tone": {"hz": 440, "ms": 60000}},
                "turns": [{"tone": {"hz": 880, "ms": 600}}],
                "faults": {"late_deltas": 20},
            }
        ),
        caller_audio=caller,
    )
    rig.begin()
    rig.run_until(lambda: EventName.AGENT_STARTED.value in rig.names())
    rig.run(1.0)
    caller.speaks_at = rig.now
    rig.run_until(lambda: bool(rig.speech_started_at))
    interrupted_at = rig.now
    rig.run_until(lambda: EventName.AGENT_STOPPED.value in rig.names())
    after = [packet for packet in rig.sent if packet.at > interrupted_at and packet.payload != SILENCE]
    assert 560 <= 20 * len(after) <= 620
    assert rig.protocol.stats.deltas_fenced > 0
