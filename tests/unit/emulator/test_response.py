from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.emulator.audio import AudioFormat
from gateway.emulator.recordings import VOICES, rendered

Converse = Callable[..., Any]
PCMU = AudioFormat("pcmu", 8000)
STREAMED = ("response.output_audio.delta", "response.output_audio_transcript.delta", "response.output_text.delta")


def respond(dialogue: Any, seconds: float = 10.0) -> str:
    dialogue.forget()
    dialogue.send("response.create")
    dialogue.pass_time(seconds)
    return str(dialogue.last("response.created")["response"]["id"])


def test_a_spoken_response_gives_its_events_in_order(converse: Converse) -> None:
    dialogue = converse(greeting={"say": "demo_answer"})
    respond(dialogue)
    assert [name for name in dialogue.types() if name not in STREAMED] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    streamed = [name for name in dialogue.types() if name in STREAMED]
    assert set(streamed) == set(STREAMED)
    added, done = (
        dialogue.last("response.output_item.added")["item"],
        dialogue.last("response.output_item.done")["item"],
    )
    assert (added["status"], added["content"], done["status"]) == ("in_progress", [], "completed")
    assert done["content"] == [
        {"type": "audio", "transcript": "We are open from nine in the morning until six in the evening."}
    ]
    assert dialogue.last("response.done")["response"]["output"] == [done]


def test_the_voice_arrives_whole_uneven_and_faster_than_real_time(converse: Converse) -> None:
    dialogue = converse(greeting={"say": "demo_answer"})
    response_id = respond(dialogue)
    voice = rendered(VOICES / "demo_answer.wav", PCMU)
    assert dialogue.audio_of(response_id) == voice
    deltas = dialogue.of("response.output_audio.delta")
    lengths = {len(event["delta"]) for event in deltas}
    assert len(lengths) > len(deltas) // 2
    elapsed_s = deltas[-1]["_at"] - deltas[0]["_at"]
    assert elapsed_s == pytest.approx(len(voice) / 8000 / 5, rel=0.15)
    assert all(later["_at"] >= earlier["_at"] for earlier, later in pairwise(deltas))


def test_the_first_audio_comes_after_the_latency(converse: Converse) -> None:
    dialogue = converse(greeting={"say": "demo_answer"}, pace={"latency_ms": 230})
    respond(dialogue)
    created, first = dialogue.last("response.created"), dialogue.of("response.output_audio.delta")[0]
    assert first["_at"] - created["_at"] == pytest.approx(0.23)
    assert dialogue.record.responses[0].first_audio_at == first["_at"]


def test_a_reaction_may_have_its_own_latency_and_speed(converse: Converse) -> None:
    dialogue = converse(greeting={"tone": {"hz": 440, "ms": 2000}, "latency_ms": 10, "speed": 1})
    respond(dialogue)
    deltas = dialogue.of("response.output_audio.delta")
    assert deltas[0]["_at"] - dialogue.last("response.created")["_at"] == pytest.approx(0.01)
    assert deltas[-1]["_at"] - deltas[0]["_at"] == pytest.approx(2.0, abs=0.3)


@pytest.mark.parametrize(
    ("modalities", "streams"),
    [
        (["audio", "text"], {"audio", "transcript", "text"}),
        (["audio"], {"audio", "transcript"}),
        (["text"], {"text"}),
    ],
)
def test_modalities_decide_the_streams(converse: Converse, modalities: list[str], streams: set[str]) -> None:
    dialogue = converse(greeting={"say": "demo_answer"})
    dialogue.configure(output_modalities=modalities)
    respond(dialogue)
    words = "We are open from nine in the morning until six in the evening."
    for stream, delta, done, field in (
        ("transcript", "response.output_audio_transcript.delta", "response.output_audio_transcript.done", "transcript"),
        ("text", "response.output_text.delta", "response.output_text.done", "text"),
    ):
        joined = "".join(event["delta"] for event in dialogue.of(delta))
        assert joined == (words if stream in streams else "")
        assert [event[field] for event in dialogue.of(done)] == ([words] if stream in streams else [])
    assert bool(dialogue.of("response.output_audio.delta")) == ("audio" in streams)
    part = dialogue.last("response.content_part.added")["part"]
    assert part["type"] == ("audio" if "audio" in streams else "text")


def test_words_never_lag_behind_their_audio(converse: Converse) -> None:
    dialogue = converse(greeting={"say": "demo_answer"})
    response_id = respond(dialogue)
    total, heard, words = len(dialogue.audio_of(response_id)), 0, 0
    for event in dialogue.events:
        if event["type"] == "response.output_audio_transcript.delta":
            words += len(event["delta"].split())
        elif event["type"] == "response.output_audio.delta":
            heard += len(json.dumps(event["delta"])) * 3 // 4
            assert words >= 12 * (heard / total) - 1.5


@pytest.mark.parametrize("late_deltas", [0, 1, 2, 5])
def test_late_deltas_of_a_cancelled_response_still_arrive(converse: Converse, late_deltas: int) -> None:
    dialogue = converse(greeting={"tone": {"hz": 440, "ms": 20_000}}, faults={"late_deltas": late_deltas})
    dialogue.send("response.create")
    dialogue.pass_time(0.5)
    dialogue.forget()
    dialogue.send("response.cancel")
    dialogue.pass_time(5)
    names = dialogue.types()
    deltas = [index for index, name in enumerate(names) if name == "response.output_audio.delta"]
    assert len(deltas) == late_deltas
    # One was on its way when the cancellation took effect, the others come after the end.
    assert sum(index > names.index("response.done") for index in deltas) == max(0, late_deltas - 1)
    assert dialogue.record.responses[0].audio_ms == pytest.approx(len(dialogue.record.responses[0].audio) / 8)


def test_late_audio_counts_as_produced_until_the_item_is_truncated(converse: Converse) -> None:
    dialogue = converse(greeting={"tone": {"hz": 440, "ms": 20_000}})
    dialogue.send("response.create")
    dialogue.pass_time(0.5)
    dialogue.send("response.cancel")
    item_id = dialogue.last("response.output_item.done")["item"]["id"]
    dialogue.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=100)
    dialogue.pass_time(1)
    dialogue.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=101)
    assert dialogue.last("error")["error"]["param"] == "audio_end_ms"


def test_a_function_call_gives_its_events_in_order_and_without_its_name_at_the_end(converse: Converse) -> None:
    dialogue = converse(greeting={"tool": {"name": "transfer", "arguments": {"to": "desk"}}})
    dialogue.text("Say hello.")
    respond(dialogue)
    assert dialogue.types() == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    added = dialogue.last("response.output_item.added")["item"]
    assert (added["type"], added["name"], added["arguments"]) == ("function_call", "transfer", "")
    for event in dialogue.of("conversation.item.added") + dialogue.of("conversation.item.done"):
        assert event["previous_item_id"] is None
    done = dialogue.last("response.function_call_arguments.done")
    assert "name" not in done
    assert done["call_id"] == added["call_id"]
    assert json.loads(done["arguments"]) == {"to": "desk"}
    assert (
        "".join(event["delta"] for event in dialogue.of("response.function_call_arguments.delta")) == done["arguments"]
    )
    assert dialogue.last("response.done")["response"]["output"][0]["arguments"] == done["arguments"]


def test_broken_arguments_go_out_as_they_are(converse: Converse) -> None:
    dialogue = converse(greeting={"tool": {"name": "transfer", "arguments": '{"to": '}})
    respond(dialogue)
    assert dialogue.last("response.function_call_arguments.done")["arguments"] == '{"to": '


def test_an_agent_may_speak_before_it_calls(converse: Converse) -> None:
    dialogue = converse(greeting={"say": "all_right", "tool": [{"name": "a"}, {"name": "b"}]})
    respond(dialogue)
    output = dialogue.last("response.done")["response"]["output"]
    assert [item["type"] for item in output] == ["message", "function_call", "function_call"]
    indexes = [event["output_index"] for event in dialogue.of("response.output_item.added")]
    assert indexes == [0, 1, 2]
    assert len({item["call_id"] for item in output[1:]}) == 2


def test_a_silent_response_completes_without_audio(converse: Converse) -> None:
    dialogue = converse(greeting={"silence": True})
    respond(dialogue)
    assert dialogue.types() == ["response.created", "response.done"]
    assert dialogue.last("response.done")["response"]["output"] == []


def test_a_response_may_have_words_and_no_voice(converse: Converse) -> None:
    dialogue = converse(greeting={"silence": True, "text": "one two three four five six seven"})
    respond(dialogue)
    assert dialogue.of("response.output_audio.delta") == dialogue.of("response.output_audio.done") == []
    assert dialogue.last("response.output_audio_transcript.done")["transcript"].endswith("seven")


@pytest.mark.parametrize(
    "output",
    [AudioFormat("pcm", 24000), AudioFormat("pcm", 44100), AudioFormat("pcma", 8000), AudioFormat("pcm", 48000)],
)
def test_the_voice_comes_in_the_negotiated_format(converse: Converse, output: AudioFormat, tmp_path: Path) -> None:
    dialogue = converse(greeting={"say": "demo_answer"})
    dialogue.configure(audio={"output": {"format": output.as_wire()}})
    response_id = respond(dialogue)
    audio = dialogue.audio_of(response_id)
    assert len(audio) % output.sample_bytes == 0
    assert audio == rendered(VOICES / "demo_answer.wav", output)
    assert dialogue.record.responses[0].samples.tolist() == output.decode(audio).tolist()
