"""Responses, words, tools and interruptions inside an agreed session."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inworld.protocol_events import (
    AudioFinished,
    AudioReceived,
    HeardItem,
    ProviderFault,
    ResponseFinished,
    ResponseStarted,
    TokenUsage,
    ToolAbandoned,
    ToolCalled,
    TranscriptReceived,
)

MANUAL_INTERRUPTION = {"audio": {"input": {"turn_detection": {"interrupt_response": False}}}}


def truncations(frames: list[dict[str, Any]]) -> list[tuple[str, int]]:
    cuts = [frame for frame in frames if frame["type"] == "conversation.item.truncate"]
    assert all(cut["content_index"] == 0 for cut in cuts)
    return [(cut["item_id"], cut["audio_end_ms"]) for cut in cuts]


def outputs(frames: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    items = [frame["item"] for frame in frames if frame["type"] == "conversation.item.create"]
    return [(item["call_id"], json.loads(item["output"])) for item in items if item["type"] == "function_call_output"]


INTERRUPTED = {"ok": False, "error": "interrupted"}


# --- the agent's voice ----------------------------------------------------------------------------------------------


def test_a_response_from_start_to_end(service: Any) -> None:
    assert service.start() == [ResponseStarted("r1")]
    assert service.audio(ms=10) == [AudioReceived("r1", "i1", b"\x7f" * 80)]
    assert service.say("response.output_audio.done", response_id="r1", item_id="i1") == [AudioFinished("r1", "i1")]
    usage = {"total_tokens": 210, "input_tokens": 190, "output_tokens": 20}
    assert service.done(usage=usage) == [ResponseFinished("r1", "completed", "", TokenUsage(190, 20, 210))]


def test_audio_that_nobody_finished_is_finished_with_its_response(service: Any) -> None:
    service.start()
    service.audio(item_id="i1")
    service.audio(item_id="i2")
    service.say("response.output_audio.done", response_id="r1", item_id="i1")
    assert service.done() == [AudioFinished("r1", "i2"), ResponseFinished("r1", "completed")]


def test_an_audio_done_without_item_finishes_every_item(service: Any) -> None:
    service.start()
    service.audio(item_id="i1")
    assert service.say("response.output_audio.done", response_id="r1") == [AudioFinished("r1", "i1")]


def test_audio_of_an_unknown_response_is_accepted_as_its_start(service: Any) -> None:
    assert [type(event) for event in service.audio("r7")] == [ResponseStarted, AudioReceived]
    assert service.start("r7") == []
    assert service.done("r7")[-1] == ResponseFinished("r7", "completed")


def test_audio_without_response_id_belongs_to_the_active_response(service: Any) -> None:
    assert service.audio(None) == []
    service.start()
    assert [event.response_id for event in service.audio(None)] == ["r1"]


def test_an_audio_payload_may_stand_in_data(service: Any) -> None:
    service.start()
    (event,) = service.say("response.output_audio.delta", response_id="r1", item_id="i1", data="f38=")
    assert event.audio == b"\x7f\x7f"


def test_deltas_that_are_no_base64_are_dropped_and_counted(service: Any) -> None:
    service.start()
    assert service.say("response.output_audio.delta", response_id="r1", item_id="i1", delta="!not base64!") == []
    assert service.say("response.output_audio.delta", response_id="r1", item_id="i1", delta="") == []
    assert service.protocol.stats.deltas_undecodable == 1


def test_late_audio_of_a_finished_response_is_dropped(service: Any) -> None:
    service.start()
    service.done()
    assert service.audio() == []
    assert service.protocol.stats.deltas_fenced == 1


def test_backchannel_audio_touches_no_response(service: Any) -> None:
    assert service.say("response.backchannel.audio.delta", backchannel_id="b", delta="f38=") == []


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"type": "failed", "error": {"type": "server_error", "code": "upstream"}}, "upstream"),
        ({"type": "failed", "error": {"type": "server_error", "code": None}}, "server_error"),
        ({"reason": "server_error"}, "server_error"),
        (None, ""),
    ],
)
def test_a_failed_response_is_reported_with_its_reason(service: Any, details: Any, reason: str) -> None:
    service.start()
    assert service.done(status="failed", status_details=details) == [ResponseFinished("r1", "failed", reason)]


def test_an_incomplete_response_is_reported_with_its_reason(service: Any) -> None:
    service.start()
    details = {"type": "incomplete", "reason": "max_output_tokens"}
    assert service.done(status="incomplete", status_details=details) == [
        ResponseFinished("r1", "incomplete", "max_output_tokens")
    ]


def test_usage_may_stand_beside_the_response(service: Any) -> None:
    service.start()
    (finished,) = service.say("response.done", response={"id": "r1", "status": "completed"}, usage={"total_tokens": 9})
    assert finished.usage == TokenUsage(0, 0, 9)


def test_a_response_cancelled_event_ends_a_response(service: Any) -> None:
    service.start()
    assert service.say("response.cancelled", response_id="r1") == [ResponseFinished("r1", "cancelled")]


def test_a_done_without_id_ends_the_active_response_once(service: Any) -> None:
    service.start()
    assert service.say("response.done", response={"status": "completed"}) == [ResponseFinished("r1", "completed")]
    assert service.say("response.done", response={"status": "completed"}) == []
    assert service.done() == []


def test_a_response_nobody_ended_ends_with_the_next(service: Any) -> None:
    service.start("r1")
    service.start("r2")
    assert service.done("r2") == [
        ResponseFinished("r1", "cancelled", "superseded"),
        ResponseFinished("r2", "completed"),
    ]


# --- words ----------------------------------------------------------------------------------------------------------


def words(kind: str, text: str, response_id: str = "r1", item_id: str = "i1") -> dict[str, Any]:
    field = {"delta": "delta", "done": "text" if "text" in kind else "transcript"}[kind.rsplit(".", 1)[1]]
    return {"kind": f"response.{kind}", "response_id": response_id, "item_id": item_id, field: text}


def test_the_agents_words_come_whole_each_time(service: Any) -> None:
    service.start()
    (first,) = service.say(**words("output_audio_transcript.delta", "Hello"))
    assert first == TranscriptReceived("assistant", "i1", "Hello", is_final=False, response_id="r1")
    assert service.say(**words("output_audio_transcript.delta", " you."))[0].text == "Hello you."
    (final,) = service.say(**words("output_audio_transcript.done", "Hello you."))
    assert (final.text, final.is_final) == ("Hello you.", True)


@pytest.mark.parametrize(
    ("first", "second"),
    [("output_audio_transcript.delta", "output_text.delta"), ("output_text.delta", "output_audio_transcript.delta")],
)
def test_whichever_text_stream_is_first_in_a_response_is_the_only_one(service: Any, first: str, second: str) -> None:
    service.start()
    assert len(service.say(**words(first, "Hello"))) == 1
    assert service.say(**words(second, "Hello")) == []
    assert service.say(**words(second.replace("delta", "done"), "Hello")) == []
    service.done()
    service.start("r2")
    assert len(service.say(**words(second, "Again", "r2"))) == 1


def test_a_transcript_done_for_each_sentence_ends_nothing(service: Any) -> None:
    service.start()
    service.say(**words("output_audio_transcript.delta", "One. "))
    service.say(**words("output_audio_transcript.done", "One."))
    service.say(**words("output_audio_transcript.delta", "Two."))
    (final,) = service.say(**words("output_audio_transcript.done", "Two."))
    assert final.text == "One. Two."
    assert service.audio() != []


def test_words_that_came_in_no_stream_are_taken_from_the_finished_response(service: Any) -> None:
    service.start()
    item = {"id": "i1", "type": "message", "role": "assistant", "content": [{"type": "audio", "transcript": "Hello."}]}
    events = service.done(output=[item])
    assert events[0] == TranscriptReceived("assistant", "i1", "Hello.", is_final=True, response_id="r1")


def test_the_callers_words_are_reconciled(service: Any) -> None:
    name = "conversation.item.input_audio_transcription"
    assert service.say(f"{name}.delta", item_id="u1", delta="I want")[0].text == "I want"
    assert service.say(f"{name}.delta", item_id="u1", delta="I want to")[0].text == "I want to"
    assert service.say(f"{name}.delta", item_id="u1", delta="I want") == []
    assert service.say(f"{name}.updated", item_id="u1", transcript="I went")[0].text == "I went"
    assert service.say(f"{name}.completed", item_id="u1", transcript="I want two.") == [
        TranscriptReceived("user", "u1", "I want two.", is_final=True)
    ]
    assert service.say(f"{name}.delta", item_id="u1", delta="I want two. So") == []
    assert service.say(f"{name}.completed", item_id="u1", transcript="I want two. Yes.")[0].text == "I want two. Yes."


def test_an_empty_final_transcript_is_told(service: Any) -> None:
    (event,) = service.say("conversation.item.input_audio_transcription.completed", item_id="u1", transcript="")
    assert (event.text, event.is_final) == ("", True)


# --- response.create has one owner ----------------------------------------------------------------------------------


def test_response_create_goes_out_at_once_when_nothing_is_active(service: Any) -> None:
    service.protocol.request_response(service.now, "Greet.")
    (create,) = service.sent()
    assert create == {"type": "response.create", "event_id": "say-1", "response": {"instructions": "Greet."}}


def test_a_response_that_began_is_awaited_no_longer(service: Any) -> None:
    service.protocol.request_response(service.now)
    assert service.protocol.next_deadline() is not None
    service.start()
    assert service.protocol.next_deadline() is None
    assert service.wait(60) == []


def test_response_create_waits_for_the_one_in_flight_and_for_the_active_response(service: Any) -> None:
    service.protocol.request_response(service.now, "one")
    service.protocol.request_response(service.now, "two")
    assert len(service.sent()) == 1
    service.start()
    assert service.sent() == []
    service.done()
    (create,) = service.sent()
    assert create["response"] == {"instructions": "two"}


def test_already_has_active_response_is_retried_after_response_done(service: Any) -> None:
    service.protocol.request_response(service.now)
    service.sent()
    error = {"code": "conversation_already_has_active_response", "message": "x", "event_id": "say-1"}
    (fault,) = service.say("error", error=error)
    assert fault.is_benign
    service.start("theirs")
    assert service.sent() == []
    service.done("theirs")
    assert service.sent_types() == ["response.create"]


def test_a_foreign_response_we_never_hear_of_blocks_only_for_a_while(service: Any) -> None:
    service.protocol.request_response(service.now)
    service.say("error", error={"code": "conversation_already_has_active_response"})
    service.sent()
    service.wait(9.9)
    assert service.sent() == []
    service.wait(0.2)
    assert service.sent_types() == ["response.create"]


def test_an_unanswered_response_create_is_given_up_and_reported(service: Any) -> None:
    service.protocol.request_response(service.now, "one")
    service.protocol.request_response(service.now, "two")
    service.sent()
    (fault,) = service.wait(10.1)
    assert (fault.code, fault.is_fatal) == ("response_create_unanswered", False)
    assert service.sent()[0]["response"] == {"instructions": "two"}


def test_a_response_create_refused_for_good_does_not_block_the_next(service: Any) -> None:
    service.protocol.request_response(service.now, "one")
    service.protocol.request_response(service.now, "two")
    service.sent()
    (fault,) = service.say("error", error={"code": "invalid_value", "message": "no", "event_id": "say-1"})
    assert not fault.is_benign
    assert service.sent()[0]["response"] == {"instructions": "two"}


# --- interruption ---------------------------------------------------------------------------------------------------


def test_after_an_interruption_nothing_of_the_response_becomes_an_event(service: Any) -> None:
    service.start()
    service.audio()
    service.protocol.interrupt([HeardItem("r1", "i1", 20, 100)], service.now)
    assert service.audio() == []
    assert service.audio(None) == []
    assert service.say(**words("output_audio_transcript.delta", "late")) == []
    assert service.say("response.output_audio.done", response_id="r1", item_id="i1") == []
    service.call_tool()
    assert service.done() == [ResponseFinished("r1", "completed")]
    assert service.audio() == []
    assert service.protocol.stats.deltas_fenced == 3


def test_the_fence_ends_with_the_next_response_and_only_for_that_one(service: Any) -> None:
    service.start("r1")
    service.audio("r1")
    service.protocol.interrupt([], service.now)
    service.start("r2")
    assert [event.response_id for event in service.audio("r2")] == ["r2"]
    assert [event.response_id for event in service.audio(None)] == ["r2"]
    assert service.audio("r1") == []


def test_the_service_that_interrupts_by_itself_is_told_only_what_was_heard(service: Any) -> None:
    service.start()
    service.audio(ms=1000)
    service.protocol.interrupt([HeardItem("r1", "i1", 412.9, 1000)], service.now)
    assert service.sent() == [
        {
            "type": "conversation.item.truncate",
            "event_id": "cut-1",
            "item_id": "i1",
            "content_index": 0,
            "audio_end_ms": 412,
        }
    ]


def test_without_interrupt_response_the_client_cancels_clears_and_truncates_in_this_order(make_service: Any) -> None:
    service = make_service(MANUAL_INTERRUPTION).make_ready()
    service.start()
    service.audio()
    service.protocol.interrupt([HeardItem("r1", "i1", 20, 100)], service.now)
    cancel, clear, truncate = service.sent()
    assert (cancel["type"], cancel["response_id"]) == ("response.cancel", "r1")
    assert clear == {"type": "output_audio_buffer.clear"}
    assert truncate["type"] == "conversation.item.truncate"


def test_a_client_initiated_interruption_cancels_too(service: Any) -> None:
    service.start()
    service.protocol.interrupt([], service.now, is_client_initiated=True)
    assert service.sent_types() == ["response.cancel", "output_audio_buffer.clear"]


def test_manual_turn_detection_leaves_interruption_to_the_client(make_service: Any) -> None:
    service = make_service({"audio": {"input": {"turn_detection": None}}}).make_ready()
    service.start()
    service.protocol.interrupt([], service.now)
    assert service.sent_types()[0] == "response.cancel"


def test_a_finished_response_needs_no_cancel_but_its_unheard_audio_is_cut(make_service: Any) -> None:
    service = make_service(MANUAL_INTERRUPTION).make_ready()
    service.start()
    service.audio()
    service.done()
    service.protocol.interrupt([HeardItem("r1", "i1", 20, 100)], service.now)
    assert service.sent_types() == ["output_audio_buffer.clear", "conversation.item.truncate"]


def test_one_cancel_at_a_time(service: Any) -> None:
    service.start()
    for _ in range(2):
        service.protocol.interrupt([], service.now, is_client_initiated=True)
    assert service.sent_types().count("response.cancel") == 1


def test_no_response_is_asked_for_while_a_cancel_is_in_flight(service: Any) -> None:
    service.start()
    service.protocol.interrupt([], service.now, is_client_initiated=True)
    service.protocol.request_response(service.now)
    assert "response.create" not in service.sent_types()
    service.done(status="cancelled")
    assert service.sent_types() == ["response.create"]


def test_a_cancel_that_crossed_the_end_frees_the_next_response(service: Any) -> None:
    service.start()
    service.protocol.interrupt([], service.now, is_client_initiated=True)
    service.protocol.request_response(service.now)
    service.sent()
    events = service.say("error", error={"code": "response_cancel_not_active", "message": "x"})
    assert [type(event) for event in events] == [ProviderFault, ResponseFinished]
    assert service.sent_types() == ["response.create"]
    assert service.done() == []


def test_an_interrupted_response_that_never_ends_is_given_up(service: Any) -> None:
    service.start()
    service.protocol.interrupt([], service.now)
    service.protocol.request_response(service.now)
    service.sent()
    assert service.wait(5.1) == [ResponseFinished("r1", "cancelled", "unconfirmed")]
    assert service.sent_types() == ["response.create"]


def test_a_response_on_its_way_when_the_client_interrupts_is_cancelled_when_it_starts(service: Any) -> None:
    service.protocol.request_response(service.now)
    service.protocol.interrupt([], service.now, is_client_initiated=True)
    service.sent()
    assert service.start("r1") == []
    assert service.sent_types() == ["response.cancel"]
    assert service.audio("r1") == []
    assert service.done("r1", "cancelled") == [ResponseFinished("r1", "cancelled")]


@pytest.mark.parametrize(
    ("sent_ms", "produced_ms", "cut_ms"),
    [(0, 100, 0), (40.9, 100, 40), (300, 1000, 100), (90, 80, 80)],
    ids=["zero is legal", "floor", "never more than was received", "never more than the playout got"],
)
def test_the_truncation_is_the_floor_of_what_was_sent_and_produced(
    service: Any, sent_ms: float, produced_ms: float, cut_ms: int
) -> None:
    service.start()
    service.audio(ms=100)
    service.protocol.interrupt([HeardItem("r1", "i1", sent_ms, produced_ms)], service.now)
    assert truncations(service.sent()) == [("i1", cut_ms)]


def test_a_truncation_counts_in_the_format_the_service_really_sends(make_service: Any) -> None:
    service = make_service()
    service.protocol.connected(service.now)
    service.say("session.created")
    service.say("session.updated", session={"audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}}}})
    service.start()
    service.audio(ms=600)  # of G.711: 4800 bytes, which are 100 ms of this
    service.protocol.interrupt([HeardItem("r1", "i1", 400, 600)], service.now)
    assert truncations(service.sent()) == [("i1", 100)]


def test_an_item_heard_to_its_end_is_not_truncated(service: Any) -> None:
    service.start()
    service.audio(item_id="i1")
    service.say("response.output_audio.done", response_id="r1", item_id="i1")
    service.audio(item_id="i2")
    heard = [HeardItem("r1", "i1", 100, 100), HeardItem("r1", "i2", 100, 100)]
    service.protocol.interrupt(heard, service.now)
    assert truncations(service.sent()) == [("i2", 100)]  # i2 is unfinished: more may have been generated


def test_only_assistant_audio_items_are_truncated(service: Any) -> None:
    service.start()
    service.audio(item_id="")
    service.protocol.interrupt(
        [HeardItem("r1", "u1", 0, 50), HeardItem("r9", "i1", 0, 50), HeardItem("r1", "", 0, 50)], service.now
    )
    assert truncations(service.sent()) == []


def test_an_item_is_truncated_once(service: Any) -> None:
    service.start()
    service.audio()
    for _ in range(2):
        service.protocol.interrupt([HeardItem("r1", "i1", 10, 100)], service.now)
    assert len(truncations(service.sent())) == 1


def test_an_item_id_used_again_by_a_later_response_is_another_item(service: Any) -> None:
    service.start("r1")
    service.audio("r1", "i1", ms=500)
    service.done("r1")
    service.start("r2")
    service.audio("r2", "i1", ms=60)
    service.protocol.interrupt([HeardItem("r2", "i1", 400, 400)], service.now)
    assert truncations(service.sent()) == [("i1", 60)]
    service.start("r3")
    service.audio("r3", "i1", ms=60)
    service.protocol.interrupt([HeardItem("r3", "i1", 20, 60)], service.now)
    assert truncations(service.sent()) == [("i1", 20)]


@given(
    deltas_ms=st.lists(st.integers(1, 400), min_size=1, max_size=6),
    sent_ms=st.floats(0, 3000),
    produced_ms=st.floats(0, 3000),
)
def test_no_truncation_ever_exceeds_what_was_sent_or_produced(
    make_service: Any, deltas_ms: list[int], sent_ms: float, produced_ms: float
) -> None:
    service = make_service().make_ready()
    service.start()
    for ms in deltas_ms:
        service.audio(ms=ms)
    service.protocol.interrupt([HeardItem("r1", "i1", sent_ms, produced_ms)], service.now)
    ((_, cut_ms),) = truncations(service.sent())
    assert 0 <= cut_ms <= min(sent_ms, produced_ms, sum(deltas_ms))
    assert cut_ms > min(sent_ms, produced_ms, sum(deltas_ms)) - 1


# --- tools ----------------------------------------------------------------------------------------------------------


def test_a_tool_runs_only_when_its_response_has_completed(service: Any) -> None:
    service.start()
    service.audio()
    service.call_tool("c1", "lookup", '{"q":1}')
    assert service.told() == []
    events = service.done()
    assert events[-1] == ToolCalled("c1", "lookup", {"q": 1}, '{"q":1}', response_had_audio=True)


@pytest.mark.parametrize("raw", ['{"q":', "[1]", '"text"'])
def test_malformed_arguments_are_told_raw(service: Any, raw: str) -> None:
    service.start()
    service.call_tool(arguments=raw)
    assert service.done()[-1] == ToolCalled("c1", "lookup", None, raw, response_had_audio=False)


def test_empty_arguments_mean_none(service: Any) -> None:
    service.start()
    service.call_tool(arguments="")
    assert service.done()[-1].arguments == {}


@pytest.mark.parametrize(
    "kind",
    ["response.output_item.added", "conversation.item.added", "conversation.item.created", "response.output_item.done"],
)
def test_the_name_comes_from_the_item_whichever_event_brings_it(service: Any, kind: str) -> None:
    service.start()
    item = {"id": "f1", "type": "function_call", "call_id": "c1", "name": "transfer"}
    service.say(kind, item=item, response_id="r1", previous_item_id=None)
    service.say("response.function_call_arguments.done", item_id="f1", call_id="c1", arguments='{"to":"desk"}')
    assert service.done()[-1] == ToolCalled("c1", "transfer", {"to": "desk"}, '{"to":"desk"}', response_had_audio=False)


def test_a_call_known_only_from_the_finished_response_runs(service: Any) -> None:
    service.start()
    item = {"id": "f1", "type": "function_call", "call_id": "c1", "name": "lookup", "arguments": '{"q":2}'}
    assert service.done(output=[item])[-1].arguments == {"q": 2}


def test_arguments_from_deltas_do_when_done_never_comes(service: Any) -> None:
    service.start()
    item = {"id": "f1", "type": "function_call", "call_id": "c1", "name": "lookup"}
    service.say("response.output_item.added", response_id="r1", item=item)
    for piece in ('{"q"', ":3}"):
        service.say("response.function_call_arguments.delta", response_id="r1", item_id="f1", delta=piece)
    assert service.done()[-1].arguments == {"q": 3}


def test_a_call_announced_five_times_runs_once(service: Any) -> None:
    service.start()
    service.call_tool()
    item = {"id": "f-c1", "type": "function_call", "call_id": "c1", "name": "lookup", "arguments": "{}"}
    service.say("conversation.item.added", item=item)
    service.say("response.output_item.done", response_id="r1", item=item)
    assert [type(event) for event in service.done(output=[item])].count(ToolCalled) == 1
    assert service.say("conversation.item.done", item=item) == []
    assert service.done(output=[item]) == []


def test_response_create_goes_out_once_and_only_after_all_calls_are_answered(service: Any) -> None:
    service.start()
    service.call_tool("c1")
    service.call_tool("c2")
    service.done()
    assert service.protocol.answer_tool("c1", '{"ok":true}', service.now)
    frames = service.sent()
    assert outputs(frames) == [("c1", {"ok": True})]
    assert [frame["type"] for frame in frames] == ["conversation.item.create"]
    assert service.protocol.answer_tool("c2", "{}", service.now)
    assert service.sent_types() == ["conversation.item.create", "response.create"]


def test_a_tools_answer_may_want_no_response(service: Any) -> None:
    service.start()
    service.call_tool()
    service.done()
    assert service.protocol.answer_tool("c1", "{}", service.now, wants_response=False)
    assert service.sent_types() == ["conversation.item.create"]


def test_an_open_call_holds_back_any_response(service: Any) -> None:
    service.start()
    service.call_tool()
    service.done()
    service.protocol.request_response(service.now, "Say something.")
    assert service.sent() == []
    service.protocol.answer_tool("c1", "{}", service.now)
    assert service.sent()[1]["response"] == {"instructions": "Say something."}


def test_a_call_is_answered_exactly_once(service: Any) -> None:
    service.start()
    service.call_tool()
    service.done()
    assert service.protocol.answer_tool("c1", "{}", service.now)
    assert not service.protocol.answer_tool("c1", "{}", service.now)
    assert not service.protocol.answer_tool("never heard of", "{}", service.now)
    assert len(outputs(service.sent())) == 1


def test_a_cancelled_responses_calls_are_answered_at_once_as_interrupted(service: Any) -> None:
    service.start()
    service.call_tool("c1")
    service.call_tool("c2")
    assert service.done(status="cancelled") == [ResponseFinished("r1", "cancelled")]
    frames = service.sent()
    assert outputs(frames) == [("c1", INTERRUPTED), ("c2", INTERRUPTED)]
    assert "response.create" not in [frame["type"] for frame in frames]


def test_an_interrupted_responses_calls_do_not_run_although_it_completed(service: Any) -> None:
    service.start()
    service.call_tool()
    service.protocol.interrupt([], service.now)
    assert service.done() == [ResponseFinished("r1", "completed")]
    assert outputs(service.sent()) == [("c1", INTERRUPTED)]


def test_a_running_tool_is_answered_when_the_caller_interrupts(service: Any) -> None:
    service.start()
    service.call_tool()
    service.done()
    service.protocol.interrupt([], service.now)
    assert service.told() == [ToolAbandoned("c1", "lookup")]
    assert outputs(service.sent()) == [("c1", INTERRUPTED)]
    assert not service.protocol.answer_tool("c1", "{}", service.now)
    assert service.sent() == []


def test_after_an_interrupted_tool_the_services_own_answer_is_enough(service: Any) -> None:
    service.start()
    service.call_tool()
    service.done()
    service.protocol.interrupt([], service.now)
    service.say("input_audio_buffer.speech_stopped")
    service.start("r2")
    service.done("r2")
    service.wait(20)
    assert "response.create" not in service.sent_types()


def test_after_an_interrupted_tool_a_cough_does_not_leave_the_agent_silent(service: Any) -> None:
    service.start()
    service.call_tool()
    service.done()
    service.protocol.interrupt([], service.now)
    service.wait(1)
    service.say("input_audio_buffer.speech_stopped")
    service.sent()
    service.wait(2.9)
    assert service.sent() == []
    service.wait(0.2)
    assert service.sent_types() == ["response.create"]


def test_waiting_requests_are_withdrawn_by_the_clients_own_interruption(service: Any) -> None:
    service.start()
    service.protocol.request_response(service.now, "stale")
    service.protocol.interrupt([], service.now, is_client_initiated=True)
    service.done(status="cancelled")
    service.wait(20)
    assert "response.create" not in service.sent_types()


def test_a_call_that_comes_before_its_response_is_known_runs_with_it(service: Any) -> None:
    item = {"id": "f1", "type": "function_call", "call_id": "c1", "name": "lookup", "arguments": "{}"}
    service.say("conversation.item.added", item=item)
    service.start()
    service.say("response.output_item.added", response_id="r1", item=item)
    assert service.done()[-1] == ToolCalled("c1", "lookup", {}, "{}", response_had_audio=False)
