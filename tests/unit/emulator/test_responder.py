from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Converse = Callable[..., Any]
Silence = Callable[[int], bytes]
TONE = {"tone": {"hz": 440, "ms": 4000}}
CALL = {"tool": {"name": "look_up", "arguments": {"n": 1}}, "after_tool": {"say": "all_right"}}


def test_a_second_response_is_refused_while_one_is_active(converse: Converse) -> None:
    dialogue = converse(greeting=TONE)
    dialogue.send("response.create")
    dialogue.pass_time(0.3)
    event_id = dialogue.send("response.create")
    error = dialogue.last("error")["error"]
    assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", event_id)
    dialogue.pass_time(5)
    assert len(dialogue.of("response.created")) == 1
    dialogue.send("response.create")
    assert len(dialogue.of("response.created")) == 2


@pytest.mark.parametrize("named", [False, True])
def test_cancelling_ends_the_response_as_client_cancelled(converse: Converse, named: bool) -> None:
    dialogue = converse(greeting=TONE)
    dialogue.send("response.create")
    dialogue.pass_time(0.4)
    response_id = dialogue.last("response.created")["response"]["id"]
    dialogue.send("response.cancel", **({"response_id": response_id} if named else {}))
    done = dialogue.last("response.done")["response"]
    assert (done["id"], done["status"]) == (response_id, "cancelled")
    assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert done["output"][0]["status"] == "incomplete"


def test_cancelling_nothing_is_refused(converse: Converse) -> None:
    dialogue = converse(greeting=TONE)
    dialogue.send("response.cancel")
    assert dialogue.last("error")["error"]["code"] == "response_cancel_not_active"
    dialogue.send("response.create")
    dialogue.send("response.cancel", response_id="resp_other")
    assert len(dialogue.of("error")) == 2
    assert dialogue.of("response.done") == []


def test_speech_cancels_the_response_at_once(converse: Converse, question: bytes, silence: Silence) -> None:
    dialogue = converse(greeting={"tone": {"hz": 440, "ms": 60_000}})
    dialogue.send("response.create")
    dialogue.hear(silence(600))
    dialogue.hear(question)
    started, done = dialogue.last("input_audio_buffer.speech_started"), dialogue.last("response.done")
    assert done["_at"] == started["_at"]
    assert dialogue.types().index("input_audio_buffer.speech_started") < dialogue.types().index("response.done")
    assert done["response"]["status_details"]["reason"] == "turn_detected"
    dialogue.hear(silence(1000))
    assert len(dialogue.of("response.created")) == 2


def test_without_interrupt_response_the_agent_speaks_on(converse: Converse, question: bytes, silence: Silence) -> None:
    dialogue = converse(greeting={"tone": {"hz": 440, "ms": 60_000}})
    detection = {"type": "semantic_vad", "interrupt_response": False}
    both = {"format": {"type": "audio/pcmu"}}
    dialogue.configure(audio={"input": {**both, "turn_detection": detection}, "output": both})
    dialogue.send("response.create")
    dialogue.hear(silence(600) + question + silence(1500))
    assert dialogue.of("input_audio_buffer.committed")
    assert dialogue.last("error")["error"]["code"] == "conversation_already_has_active_response"
    dialogue.pass_time(15)
    (done,) = dialogue.of("response.done")
    assert done["response"]["status"] == "completed"
    assert dialogue.record.responses[0].audio_ms == 60_000


def test_speech_cancels_a_response_that_has_not_begun_to_speak(
    converse: Converse, question: bytes, silence: Silence
) -> None:
    dialogue = converse(greeting={**TONE, "latency_ms": 3000})
    dialogue.send("response.create")
    dialogue.hear(silence(600) + question)
    done = dialogue.last("response.done")["response"]
    assert (done["status"], done["output"]) == ("cancelled", [])
    assert dialogue.of("response.output_audio.delta") == []


def call_tool(dialogue: Any) -> str:
    dialogue.send("response.create")
    dialogue.pass_time(1)
    return str(dialogue.last("response.output_item.done")["item"]["call_id"])


def test_no_response_starts_while_a_tool_call_is_unanswered(
    converse: Converse, question: bytes, silence: Silence
) -> None:
    dialogue = converse(greeting=CALL)
    call_id = call_tool(dialogue)
    event_id = dialogue.send("response.create")
    error = dialogue.last("error")["error"]
    assert "tool_call" in error["message"]
    assert call_id in error["message"]
    assert error["event_id"] == event_id
    dialogue.hear(silence(500) + question + silence(1500))
    assert dialogue.last("error")["error"]["event_id"] is None
    assert len(dialogue.of("response.created")) == 1
    dialogue.answer_call(call_id)
    dialogue.send("response.create")
    assert len(dialogue.of("response.created")) == 2


def test_with_auto_tool_response_off_the_client_asks_for_the_reply(converse: Converse) -> None:
    dialogue = converse(greeting=CALL)
    dialogue.answer_call(call_tool(dialogue))
    dialogue.pass_time(1)
    assert len(dialogue.of("response.created")) == 1
    dialogue.send("response.create")
    dialogue.pass_time(2)
    assert dialogue.last("response.output_audio_transcript.done")["transcript"] == "All right."
    assert dialogue.of("error") == []


def test_with_auto_tool_response_on_the_server_replies_and_a_careless_client_hears_it_twice(
    converse: Converse,
) -> None:
    dialogue = converse(greeting=CALL)
    dialogue.configure(providerData={"auto_tool_response": True})
    dialogue.answer_call(call_tool(dialogue))
    assert len(dialogue.of("response.created")) == 2
    dialogue.send("response.create")
    dialogue.pass_time(5)
    assert len(dialogue.of("response.done")) == 3
    assert dialogue.of("error") == []


def test_auto_tool_response_waits_for_every_output(converse: Converse) -> None:
    two = {"tool": [{"name": "a"}, {"name": "b"}], "after_tool": {"say": "all_right"}}
    dialogue = converse(greeting=two)
    dialogue.configure(providerData={"auto_tool_response": True})
    call_tool(dialogue)
    first, second = (event["item"]["call_id"] for event in dialogue.of("response.output_item.done"))
    dialogue.answer_call(first)
    assert len(dialogue.of("response.created")) == 1
    dialogue.answer_call(second)
    assert len(dialogue.of("response.created")) == 2


def test_a_tool_answered_during_its_own_response_is_replied_to_afterwards(converse: Converse) -> None:
    two = {"tool": [{"name": "a"}, {"name": "b"}], "after_tool": {"say": "all_right"}}
    dialogue = converse(greeting=two)
    dialogue.configure(providerData={"auto_tool_response": True})
    dialogue.send("response.create")
    dialogue.pass_time(0.155)
    dialogue.answer_call(dialogue.last("response.output_item.done")["item"]["call_id"])
    dialogue.pass_time(0.1)
    dialogue.answer_call(dialogue.last("response.output_item.done")["item"]["call_id"])
    dialogue.pass_time(5)
    assert len(dialogue.of("response.done")) == 2
    assert dialogue.of("error") == []


def test_an_interruption_cancels_what_was_owed_too(converse: Converse, question: bytes, silence: Silence) -> None:
    dialogue = converse(greeting={**CALL, "after_tool": TONE})
    dialogue.configure(providerData={"auto_tool_response": True})
    dialogue.answer_call(call_tool(dialogue))
    dialogue.send("response.create")
    dialogue.hear(silence(300) + question)
    assert [event["response"]["status"] for event in dialogue.of("response.done")] == ["completed", "cancelled"]
    assert len(dialogue.of("response.created")) == 2


def test_an_answer_to_no_call_is_refused(converse: Converse) -> None:
    dialogue = converse(greeting=CALL)
    dialogue.answer_call("call_never")
    assert dialogue.last("error")["error"]["param"] == "item.call_id"
    call_id = call_tool(dialogue)
    dialogue.answer_call(call_id, '{"ok":true}')
    dialogue.answer_call(call_id)
    assert len(dialogue.of("error")) == 2
    assert dialogue.record.tool_outputs == {call_id: '{"ok":true}'}


def test_modalities_may_be_overridden_for_one_response(converse: Converse) -> None:
    dialogue = converse()
    dialogue.send("response.create", response={"output_modalities": ["text"]})
    dialogue.pass_time(5)
    assert dialogue.of("response.output_audio.delta") == []
    assert dialogue.of("response.output_text.done")
    dialogue.send("response.create", response={"modalities": ["audio"]})
    dialogue.pass_time(5)
    assert dialogue.of("response.output_audio.delta")
    dialogue.send("response.create", response={"output_modalities": ["video"]})
    assert dialogue.last("error")["error"]["param"] == "response.output_modalities"


def test_usage_has_three_totals_that_add_up(converse: Converse) -> None:
    dialogue = converse()
    dialogue.text("how are you today my friend")
    dialogue.send("response.create")
    dialogue.pass_time(5)
    usage = dialogue.last("response.done")["response"]["usage"]
    assert set(usage) == {"total_tokens", "input_tokens", "output_tokens"}
    assert usage["input_tokens"] > 0
    assert usage["output_tokens"] > 0
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
