from __future__ import annotations

import base64
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gateway.emulator.audio import AudioFormat

Converse = Callable[..., Any]
Silence = Callable[[int], bytes]

USER_TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.done",
    "response.created",
]


def test_a_spoken_turn_gives_its_events_in_order(converse: Converse, question: bytes, silence: Silence) -> None:
    dialogue = converse()
    dialogue.forget()
    dialogue.hear(silence(1000) + question + silence(1000))
    assert dialogue.types()[: len(USER_TURN)] == USER_TURN
    started, stopped = (dialogue.last(f"input_audio_buffer.speech_{verb}") for verb in ("started", "stopped"))
    ids = {started["item_id"], stopped["item_id"], dialogue.last("input_audio_buffer.committed")["item_id"]}
    assert len(ids) == 1
    assert started["audio_start_ms"] == pytest.approx(700, abs=60)
    assert stopped["audio_end_ms"] == pytest.approx(1000 + len(question) / 8 + 700, abs=80)


def test_speech_started_comes_while_the_caller_speaks(converse: Converse, question: bytes, silence: Silence) -> None:
    dialogue = converse()
    begun = dialogue.now + 1.0
    dialogue.hear(silence(1000) + question)
    assert begun < dialogue.last("input_audio_buffer.speech_started")["_at"] <= begun + 0.26
    assert dialogue.of("input_audio_buffer.speech_stopped") == []


@pytest.mark.parametrize(
    ("turn_detection", "silence_ms"),
    [
        ({"type": "semantic_vad", "eagerness": "high"}, 400),
        ({"type": "semantic_vad", "eagerness": "medium"}, 700),
        ({"type": "semantic_vad", "eagerness": "auto"}, 700),
        ({"type": "semantic_vad", "eagerness": "low"}, 1200),
        ({"type": "server_vad", "silence_duration_ms": 250}, 250),
        ({"type": "server_vad"}, 500),
    ],
)
def test_eagerness_and_silence_duration_decide_when_a_turn_ends(
    converse: Converse, question: bytes, silence: Silence, turn_detection: dict[str, Any], silence_ms: int
) -> None:
    dialogue = converse()
    dialogue.configure(audio={"input": {"format": "g711_ulaw", "turn_detection": turn_detection}})
    spoken_until = dialogue.now + 0.5 + len(question) / 8000
    dialogue.hear(silence(500) + question + silence(2000), chunk_ms=20)
    assert dialogue.last("input_audio_buffer.speech_stopped")["_at"] == pytest.approx(
        spoken_until + silence_ms / 1000, abs=0.12
    )


def test_scripted_words_are_transcribed_cumulatively(converse: Converse, question: bytes, silence: Silence) -> None:
    dialogue = converse(transcripts=["when do you open today"])
    dialogue.hear(silence(500) + question + silence(1500))
    deltas = [event["delta"] for event in dialogue.of("conversation.item.input_audio_transcription.delta")]
    assert len(deltas) >= 2
    assert all(longer.startswith(shorter) for shorter, longer in itertools.pairwise(deltas))
    completed = dialogue.last("conversation.item.input_audio_transcription.completed")
    assert completed["transcript"] == "when do you open today"
    assert completed["transcript"].startswith(deltas[-1])
    order = dialogue.types("input_audio_buffer.speech", "conversation.item.input_audio_transcription")
    assert order[0] == "input_audio_buffer.speech_started"
    assert order[-2:] == ["input_audio_buffer.speech_stopped", USER_TURN[4]]


def test_unscripted_turns_are_measured(converse: Converse, question: bytes, silence: Silence) -> None:
    dialogue = converse(transcripts=["only the first"])
    for _ in range(2):
        dialogue.hear(silence(500) + question + silence(1500))
    transcripts = [event["transcript"] for event in dialogue.of(USER_TURN[4])]
    assert transcripts[0] == "only the first"
    assert transcripts[1].endswith("ms of speech)")


def test_without_transcription_there_is_no_transcript(converse: Converse, question: bytes, silence: Silence) -> None:
    dialogue = converse(transcripts=["when do you open today"])
    dialogue.configure(audio={"input": {"transcription": None, "format": "g711_ulaw"}})
    dialogue.hear(silence(500) + question + silence(1500))
    assert dialogue.types("conversation.item.input_audio_transcription") == []
    assert dialogue.of("input_audio_buffer.committed")


def test_without_create_response_a_turn_is_only_heard(converse: Converse, question: bytes, silence: Silence) -> None:
    dialogue = converse()
    detection = {"type": "semantic_vad", "create_response": False}
    dialogue.configure(audio={"input": {"format": "g711_ulaw", "turn_detection": detection}})
    dialogue.hear(silence(500) + question + silence(1500))
    assert dialogue.of("input_audio_buffer.committed")
    assert dialogue.of("response.created") == []
    dialogue.send("response.create")
    assert len(dialogue.of("response.created")) == 1


def test_in_manual_mode_the_client_commits_and_creates(converse: Converse, question: bytes, silence: Silence) -> None:
    dialogue = converse()
    both = {"format": {"type": "audio/pcmu"}}
    dialogue.configure(audio={"input": {**both, "turn_detection": None}, "output": both})
    dialogue.forget()
    dialogue.hear(question + silence(2000))
    assert dialogue.events == []
    dialogue.send("input_audio_buffer.commit")
    assert dialogue.types() == USER_TURN[2:6]
    dialogue.send("response.create")
    dialogue.pass_time(5)
    response_id = dialogue.last("response.done")["response"]["id"]
    assert dialogue.audio_of(response_id) == question + silence(2000)


def test_committing_nothing_is_refused(converse: Converse) -> None:
    dialogue = converse()
    event_id = dialogue.send("input_audio_buffer.commit")
    error = dialogue.last("error")["error"]
    assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", event_id)


def test_a_commit_ends_the_open_turn_under_its_own_id(converse: Converse, question: bytes, silence: Silence) -> None:
    dialogue = converse()
    dialogue.hear(silence(500) + question)
    dialogue.send("input_audio_buffer.commit")
    assert (
        dialogue.last("input_audio_buffer.committed")["item_id"]
        == dialogue.last("input_audio_buffer.speech_started")["item_id"]
    )
    dialogue.hear(silence(2000))
    assert dialogue.of("input_audio_buffer.speech_stopped") == []


def test_clear_forgets_the_turn(converse: Converse, question: bytes, silence: Silence) -> None:
    dialogue = converse()
    dialogue.hear(silence(500) + question)
    dialogue.send("input_audio_buffer.clear")
    dialogue.hear(silence(2000))
    assert dialogue.types("input_audio_buffer") == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.cleared",
    ]


def test_switching_to_manual_mode_drops_an_open_turn(converse: Converse, question: bytes, silence: Silence) -> None:
    dialogue = converse()
    dialogue.hear(silence(500) + question)
    dialogue.configure(audio={"input": {"format": "g711_ulaw", "turn_detection": None}})
    dialogue.configure(audio={"input": {"format": "g711_ulaw", "turn_detection": {"type": "semantic_vad"}}})
    dialogue.forget()
    dialogue.hear(silence(2000))
    assert dialogue.events == []


def test_the_input_format_can_change_between_chunks(converse: Converse, question: bytes, silence: Silence) -> None:
    dialogue = converse()
    dialogue.hear(silence(1000))
    wide = AudioFormat("pcm", 16000)
    dialogue.configure(audio={"input": {"format": wide.as_wire()}})
    narrow = AudioFormat("pcmu", 8000).decode(question)
    dialogue.append(wide.encode(np.repeat(narrow, 2)))
    started = dialogue.last("input_audio_buffer.speech_started")
    assert started["audio_start_ms"] == pytest.approx(1000, abs=60)
    assert dialogue.record.caller_rate_hz == 16000
    assert dialogue.record.caller_ms == pytest.approx(1000 + len(question) / 8)


def test_turns_are_recorded(converse: Converse, question: bytes, silence: Silence) -> None:
    dialogue = converse()
    dialogue.hear(silence(500) + question + silence(1500))
    (turn,) = dialogue.record.turns
    assert turn.started_at == dialogue.last("input_audio_buffer.speech_started")["_at"]
    assert dialogue.record.speech_started_at == [turn.started_at]
    assert turn.stopped_at == dialogue.last("input_audio_buffer.speech_stopped")["_at"]
    assert turn.speech_ms == pytest.approx(len(question) / 8 + 300, abs=120)


def test_base64_split_inside_a_sample_is_put_together(converse: Converse, silence: Silence) -> None:
    dialogue = converse(configured=False)
    tone = (8000 * np.sin(np.arange(24000) / 5)).astype("<i2").tobytes()
    for start in range(0, len(tone), 1441):
        dialogue.send("input_audio_buffer.append", audio=base64.b64encode(tone[start : start + 1441]).decode())
    assert dialogue.record.caller_samples().astype("<i2").tobytes() == tone
    assert len(dialogue.of("input_audio_buffer.speech_started")) == 1
