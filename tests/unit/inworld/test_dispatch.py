"""No server event is forgotten: each is handled, or left out on purpose."""

from __future__ import annotations

from gateway.inworld import server_events as wire
from gateway.inworld.dispatch import CONVERSATION_HANDLERS
from gateway.inworld.events import SERVER_EVENTS
from gateway.inworld.protocol import _HANDLERS

LEFT_OUT = {
    "conversation.created",  # nothing depends on it
    "conversation.item.deleted",  # answers to commands that need none
    "conversation.item.retrieved",
    "conversation.item.truncated",
    "input_audio_buffer.committed",
    "input_audio_buffer.cleared",
    "input_audio_buffer.timeout_triggered",  # the response it brings tells itself
    "input_audio_buffer.turn_suggestion",  # advisory
    "input_audio_buffer.turn_suggestion_revoked",
    "output_audio_buffer.cleared",  # the playback buffer is ours over WebSocket
    "output_audio_buffer.started",
    "output_audio_buffer.stopped",
    "ping",  # no answer is defined
    "rate_limits.updated",
    "response.backchannel.audio.delta",  # never asked for; must not touch any response
    "response.backchannel.audio.done",
    "response.backchannel.skipped",
    "response.content_part.added",  # everything in them comes in other events too
    "response.content_part.done",
}


def test_every_server_event_is_handled_or_left_out_on_purpose() -> None:
    handled = {name for name, event in SERVER_EVENTS.items() if event in CONVERSATION_HANDLERS or event in _HANDLERS}
    assert handled | LEFT_OUT == set(SERVER_EVENTS)
    assert not handled & LEFT_OUT


def test_a_beta_name_goes_where_its_ga_name_goes() -> None:
    for event, handler in CONVERSATION_HANDLERS.items():
        parent = event.__mro__[1]
        if parent in CONVERSATION_HANDLERS:
            assert handler is CONVERSATION_HANDLERS[parent]
    assert wire.ResponseAudioDelta in CONVERSATION_HANDLERS
