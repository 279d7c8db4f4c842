"""A session's way from the opened socket to its last event, on virtual time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.inworld.events import SERVER_EVENTS, append_message
from gateway.inworld.protocol import ProtocolLimits, State
from gateway.inworld.protocol_events import (
    HeardItem,
    ProviderFault,
    SessionChanged,
    SessionClosed,
    SessionReady,
    SpeechStarted,
    SpeechStopped,
    UnknownReceived,
)
from gateway.inworld.session import AudioFormat

PCMU = AudioFormat("audio/pcmu", 8000)


# --- from the socket to ready --------------------------------------------------------------------------------------


def test_the_server_speaks_first_and_the_first_update_is_complete(make_service: Any) -> None:
    service = make_service({"instructions": "Be brief."})
    service.protocol.connected(service.now)
    assert service.sent() == []
    service.say("session.created", session={"id": "s1"})
    (update,) = service.sent()
    assert update["type"] == "session.update"
    assert update["event_id"] == "cfg-1"
    assert update["session"]["instructions"] == "Be brief."
    assert update["session"]["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert update["session"]["providerData"]["auto_tool_response"] is False
    assert service.protocol.state is State.CONFIGURING


def test_without_session_created_the_update_goes_out_after_two_seconds(make_service: Any) -> None:
    service = make_service()
    service.protocol.connected(service.now)
    service.wait(1.99)
    assert service.sent() == []
    service.wait(0.02)
    assert service.sent_types() == ["session.update"]
    service.say("session.created", session={})
    assert service.sent() == []


def test_ready_reports_session_formats_and_expiry(make_service: Any) -> None:
    service = make_service()
    service.protocol.connected(service.now)
    service.say("session.created")
    (ready,) = service.say("session.updated", session={"id": "s1", "expires_at": 1790000000})
    assert ready == SessionReady("s1", 1790000000.0, PCMU, PCMU, (), is_format_as_asked=True)
    assert service.protocol.is_ready
    assert service.protocol.expires_at == 1790000000.0


def test_an_echo_of_other_formats_is_reported(make_service: Any) -> None:
    service = make_service()
    service.protocol.connected(service.now)
    service.say("session.created")
    echo = {"audio": {"input": {"format": "pcm16"}, "output": {"format": "g711_ulaw"}}, "model": "other"}
    (ready,) = service.say("session.updated", session=echo)
    assert not ready.is_format_as_asked
    assert (ready.input_format, ready.output_format) == (AudioFormat("audio/pcm", 24000), PCMU)
    assert [difference.path for difference in ready.differences] == ["audio.input.format", "model"]


def test_session_updated_must_come_within_ten_seconds(make_service: Any) -> None:
    service = make_service()
    service.protocol.connected(service.now)
    service.say("session.created")
    assert service.wait(9.9) == []
    (fault,) = service.wait(0.2)
    assert (fault.code, fault.is_fatal) == ("session_not_updated", True)
    assert service.protocol.wants_close


def test_an_update_of_the_service_before_ours_is_no_answer_to_it(make_service: Any) -> None:
    service = make_service()
    service.protocol.connected(service.now)
    assert service.say("session.updated", session={}) == []
    assert not service.protocol.is_ready


@pytest.mark.parametrize("before_update", [True, False])
def test_any_error_before_the_first_session_updated_is_fatal(make_service: Any, before_update: bool) -> None:
    service = make_service()
    service.protocol.connected(service.now)
    if not before_update:
        service.say("session.created")
    (fault,) = service.say(
        "error",
        error={
            "type": "invalid_request_error",
            "code": "invalid_value",
            "message": "unsupported transcription model",
            "param": "session.audio.input.transcription.model",
            "event_id": "cfg-1",
        },
    )
    assert fault == ProviderFault(
        "invalid_value",
        "unsupported transcription model",
        is_fatal=True,
        param="session.audio.input.transcription.model",
    )
    assert service.protocol.wants_close


# --- caller audio --------------------------------------------------------------------------------------------------


def test_audio_is_appended_only_after_session_updated_and_in_order(make_service: Any) -> None:
    service = make_service()
    service.protocol.append_audio(b"before the socket")
    service.protocol.connected(service.now)
    service.protocol.append_audio(b"before created")
    service.say("session.created")
    service.protocol.append_audio(b"before updated")
    assert service.sent_types() == ["session.update"]
    service.say("session.updated")
    service.protocol.append_audio(b"after")
    expected = [b"before the socket", b"before created", b"before updated", b"after"]
    assert service.protocol.take_outgoing() == [append_message(chunk) for chunk in expected]


def test_the_pre_roll_is_bounded_and_drops_the_oldest(make_service: Any) -> None:
    service = make_service(limits=ProtocolLimits(preroll_bytes=100))
    for number in range(5):
        service.protocol.append_audio(bytes([number]) * 40)
    service.make_ready()
    assert service.protocol.stats.preroll_dropped_chunks == 3
    assert service.protocol.stats.preroll_dropped_bytes == 120
    assert service.protocol.stats.appends == 2


def test_appends_after_the_end_are_counted_and_dropped(service: Any) -> None:
    service.protocol.close(service.now)
    service.protocol.append_audio(b"late")
    assert service.protocol.take_outgoing() == []
    assert service.protocol.stats.appends_after_end == 1


def test_taking_outgoing_twice_gives_each_frame_once(service: Any) -> None:
    service.protocol.append_audio(b"one")
    taken = service.protocol.take_outgoing()
    service.protocol.append_audio(b"two")
    assert len(taken) == 1
    assert len(service.protocol.take_outgoing()) == 1


# --- commands before ready ------------------------------------------------------------------------------------------


def test_what_the_call_asks_for_early_goes_out_when_ready_messages_before_the_response(make_service: Any) -> None:
    service = make_service()
    service.protocol.request_response(service.now, "Greet the caller.")
    service.protocol.add_message("system", "The caller is known.")
    service.protocol.connected(service.now)
    service.say("session.created")
    assert service.sent_types() == ["session.update"]
    service.say("session.updated")
    message, create = service.sent()
    assert message["item"]["role"] == "system"
    assert message["item"]["content"] == [{"type": "input_text", "text": "The caller is known."}]
    assert create["response"] == {"instructions": "Greet the caller."}


# --- later updates --------------------------------------------------------------------------------------------------


def test_one_unacknowledged_update_at_a_time(service: Any) -> None:
    service.protocol.update_session({"instructions": "one"}, service.now)
    service.protocol.update_session({"instructions": "two"}, service.now)
    (update,) = service.sent()
    assert update["session"] == {"instructions": "one"}
    assert service.say("session.updated", session={}) == [SessionChanged(None, was_asked=True)]
    (update,) = service.sent()
    assert (update["event_id"], update["session"]) == ("cfg-3", {"instructions": "two"})


def test_a_refused_update_is_reported_and_the_next_goes_out(service: Any) -> None:
    service.protocol.update_session({"model": "nonsense"}, service.now)
    service.protocol.update_session({"temperature": 0.1}, service.now)
    service.sent()
    error = {"code": "invalid_value", "message": "unknown model", "param": "session.model", "event_id": "cfg-2"}
    (fault,) = service.say("error", error=error)
    assert fault == ProviderFault("invalid_value", "unknown model", is_fatal=False, param="session.model")
    (update,) = service.sent()
    assert update["session"] == {"temperature": 0.1}
    assert service.protocol.is_ready


def test_an_unanswered_later_update_is_given_up_not_fatal(service: Any) -> None:
    service.protocol.update_session({"temperature": 0.1}, service.now)
    (fault,) = service.wait(10.1)
    assert (fault.code, fault.is_fatal) == ("update_unacknowledged", False)
    assert service.protocol.is_ready


def test_an_unsolicited_session_updated_refreshes_the_expiry(service: Any) -> None:
    assert service.say("session.updated", session={"expires_at": 5}) == [SessionChanged(5.0, was_asked=False)]
    assert service.protocol.expires_at == 5.0


def test_turn_settings_follow_the_acknowledged_session(service: Any) -> None:
    change = {"audio": {"input": {"turn_detection": {"interrupt_response": False}}}}
    service.protocol.update_session(change, service.now)
    service.say("session.updated", session={})
    service.start()
    service.audio()
    service.sent()
    service.protocol.interrupt([HeardItem("r1", "i1", 20, 100)], service.now)
    assert "response.cancel" in service.sent_types()


# --- turns ----------------------------------------------------------------------------------------------------------


def test_speech_is_told_with_whatever_the_service_gave(service: Any) -> None:
    assert service.say("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=10) == [
        SpeechStarted("u1", 10)
    ]
    assert service.say("input_audio_buffer.speech_stopped") == [SpeechStopped("", None)]


# --- errors, strangers and nonsense ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message", ["Invalid authorization credentials", "Billing: account suspended", "Unauthorized request"]
)
def test_auth_and_billing_wording_is_fatal_at_any_time(service: Any, message: str) -> None:
    (fault,) = service.say("error", error={"type": "error", "message": message})
    assert fault.is_fatal
    assert service.protocol.state is State.CLOSING


def test_a_server_error_is_reported_and_the_session_goes_on(service: Any) -> None:
    error = {"type": "server_error", "code": None, "message": "failed to read the content stream", "param": None}
    assert service.say("error", error=error) == [ProviderFault("server_error", error["message"], is_fatal=False)]
    assert service.protocol.is_ready


@pytest.mark.parametrize(
    "error",
    [
        {"code": "response_cancel_not_active", "message": "x"},
        {"code": "input_audio_buffer_commit_empty", "message": "x"},
        {"code": "invalid_value", "param": "audio_end_ms", "message": "too long"},
        {"code": "item_not_found", "message": "x"},
    ],
)
def test_benign_errors_are_told_as_benign(service: Any, error: dict[str, str]) -> None:
    (fault,) = service.say("error", error=error)
    assert (fault.is_benign, fault.is_fatal) == (True, False)
    assert service.protocol.stats.errors_benign == 1
    assert service.protocol.is_ready


def test_unknown_event_types_are_kept_and_counted_never_fatal(service: Any) -> None:
    raw = b'{"type":"response.dance","steps":3}'
    assert service.raw(raw) == [UnknownReceived("response.dance", raw)]
    assert service.protocol.stats.frames_unknown == 1
    assert service.protocol.is_ready


def test_frames_without_type_are_kept_and_counted_never_fatal(service: Any) -> None:
    assert service.raw(b'{"hello":1}') == [UnknownReceived("", b'{"hello":1}')]
    assert service.protocol.stats.frames_untyped == 1


def test_a_platform_notice_is_a_fault_that_is_not_fatal(service: Any) -> None:
    (fault,) = service.raw(b'{"errorType":"SESSION_RESOURCES_EXHAUSTED","reconnectType":"NO_RETRY"}')
    assert (fault.code, fault.is_fatal) == ("SESSION_RESOURCES_EXHAUSTED", False)
    assert service.protocol.is_ready


def test_a_platform_notice_before_ready_is_not_fatal_either(make_service: Any) -> None:
    service = make_service()
    service.protocol.connected(service.now)
    (fault,) = service.raw(b'{"errorType":"SESSION_RESOURCES_EXHAUSTED"}')
    assert not fault.is_fatal
    assert service.protocol.state is State.CONFIGURING


def test_frames_that_are_not_json_are_counted(service: Any) -> None:
    assert service.raw(b"<html>") == []
    assert service.raw(b"\xff\xfe\x00") == []
    assert service.protocol.stats.frames_not_json == 2


def test_a_failed_transcription_is_reported(service: Any) -> None:
    name = "conversation.item.input_audio_transcription.failed"
    (fault,) = service.say(name, item_id="u1", error={"message": "too quiet"})
    assert fault == ProviderFault("transcription_failed", "too quiet", is_fatal=False)


def test_events_that_mean_nothing_here_are_counted(service: Any) -> None:
    assert service.say("ping", timestamp=1) == []
    assert service.say("input_audio_buffer.committed", item_id="u1") == []
    assert service.protocol.stats.frames_ignored == 2


# --- the end --------------------------------------------------------------------------------------------------------


def test_close_marks_closing_and_silences_the_session(service: Any) -> None:
    service.protocol.request_response(service.now)
    service.protocol.close(service.now)
    assert service.protocol.wants_close
    assert service.sent() == []
    assert service.start() == []
    service.protocol.request_response(service.now)
    service.protocol.add_message("user", "x")
    service.protocol.interrupt([], service.now)
    service.protocol.update_session({"temperature": 1}, service.now)
    assert not service.protocol.answer_tool("c1", "{}", service.now)
    assert service.sent() == []
    assert service.protocol.next_deadline() is None


def test_the_last_event_says_whether_we_asked_for_the_end(service: Any) -> None:
    service.protocol.close(service.now)
    service.protocol.connection_closed(1000, "", service.now)
    service.protocol.connection_closed(1006, "again", service.now)
    assert service.told() == [SessionClosed(1000, "", was_asked=True)]
    assert service.protocol.state is State.CLOSED


def test_a_drop_is_the_end_whatever_the_code(service: Any) -> None:
    service.protocol.connection_closed(1006, "the connection was cut", service.now)
    assert service.told() == [SessionClosed(1006, "the connection was cut", was_asked=False)]
    assert service.protocol.next_deadline() is None


def test_a_timeout_after_the_end_does_nothing(service: Any) -> None:
    service.protocol.request_response(service.now)
    service.protocol.connection_closed(1006, "", service.now)
    service.told()
    service.protocol.handle_timeout(service.now + 100)
    assert service.told() == []


# --- nothing raises -------------------------------------------------------------------------------------------------

ids = st.sampled_from(["r1", "r2", "i1", "c1", "", None])
leaves = (
    ids | st.integers() | st.booleans() | st.text(max_size=8) | st.sampled_from(["AAAA", "completed", "function_call"])
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "type", "status", "output", "call_id", "name", "arguments", "item", "code", "message"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)
fields = st.dictionaries(
    st.sampled_from(
        [
            "response",
            "response_id",
            "item",
            "item_id",
            "delta",
            "call_id",
            "arguments",
            "error",
            "session",
            "transcript",
        ]
    ),
    values,
    max_size=6,
)
frames = st.tuples(st.sampled_from([*sorted(SERVER_EVENTS), "unheard.of"]), fields)
commands = st.sampled_from(["interrupt", "request", "answer", "wait", "update", "message"])


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(frames | commands | st.binary(max_size=20), max_size=25), is_ready=st.booleans())
def test_nothing_received_in_any_order_makes_the_protocol_raise(
    make_service: Any, steps: list[Any], is_ready: bool
) -> None:
    service = make_service()
    if is_ready:
        service.make_ready()
    else:
        service.protocol.connected(service.now)
    for step in steps:
        if isinstance(step, bytes):
            service.raw(step)
        elif isinstance(step, tuple):
            service.raw(json.dumps({**step[1], "type": step[0]}).encode())
        else:
            command(service, step)
        assert all(isinstance(json.loads(frame), dict) for frame in service.protocol.take_outgoing())


def command(service: Any, step: str) -> None:
    protocol = service.protocol
    if step == "interrupt":
        protocol.interrupt([HeardItem("r1", "i1", 30.5, 100)], service.now, is_client_initiated=True)
    elif step == "request":
        protocol.request_response(service.now)
    elif step == "answer":
        protocol.answer_tool("c1", "{}", service.now)
    elif step == "update":
        protocol.update_session({"temperature": 1}, service.now)
    elif step == "message":
        protocol.add_message("user", "hi")
    else:
        service.wait(6)
