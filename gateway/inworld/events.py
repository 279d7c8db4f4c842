"""JSON text frames of the Realtime API to typed events and back.

Decoding never raises: what is not an event we know becomes an :class:`UnknownEvent`, to be counted and kept.
The emulator and the client share this module and nothing else.
"""

from __future__ import annotations

import enum
import typing
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pybase64

from gateway.inworld.client_events import ClientEvent
from gateway.inworld.items import Event
from gateway.inworld.lenient import convert_leniently
from gateway.inworld.server_events import ServerEvent


class Strangeness(enum.Enum):
    """Why a frame is not an event we know."""

    UNKNOWN_TYPE = "unknown_type"
    UNTYPED = "untyped"
    """No ``type`` at all, such as the platform's ``{"errorType": …}`` notices."""
    NOT_AN_OBJECT = "not_an_object"
    """Not JSON, or JSON that is no object."""


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """A frame that is kept as it came. ``type`` is empty when the frame has none."""

    type: str
    raw: bytes
    strangeness: Strangeness
    fields: dict[str, Any] = field(default_factory=dict)


_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""All that decoding may raise: malformed JSON, text that is no UTF-8, numbers without bounds, endless nesting."""

_server_decoder: msgspec.json.Decoder[ServerEvent] = msgspec.json.Decoder(ServerEvent)
_client_decoder: msgspec.json.Decoder[ClientEvent] = msgspec.json.Decoder(ClientEvent)
_object_decoder: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])
_encoder = msgspec.json.Encoder()


def _by_type(union: Any) -> dict[str, type[Event]]:
    return {struct.__struct_config__.tag: struct for struct in typing.get_args(union)}


SERVER_EVENTS = _by_type(ServerEvent)
"""Every server event by its wire name, beta names included."""
CLIENT_EVENTS = _by_type(ClientEvent)
"""Every client event by its wire name."""


def decode_server_event(data: bytes) -> ServerEvent | UnknownEvent:
    """One text frame of the service. Fields of a wrong type are left out, null and missing ones get their default."""
    try:
        return _server_decoder.decode(data)
    except _UNREADABLE:
        return typing.cast("ServerEvent | UnknownEvent", _decode_slowly(data, SERVER_EVENTS))


def decode_client_event(data: bytes) -> ClientEvent | UnknownEvent:
    """One text frame of a client, read as tolerantly."""
    try:
        return _client_decoder.decode(data)
    except _UNREADABLE:
        return typing.cast("ClientEvent | UnknownEvent", _decode_slowly(data, CLIENT_EVENTS))


def _decode_slowly(data: bytes, known: dict[str, type[Event]]) -> Event | UnknownEvent:
    try:
        fields = _object_decoder.decode(data)
    except _UNREADABLE:
        return UnknownEvent("", bytes(data), Strangeness.NOT_AN_OBJECT)
    name = fields.get("type")
    if not isinstance(name, str):
        return UnknownEvent("", bytes(data), Strangeness.UNTYPED, fields)
    struct = known.get(name)
    if struct is None:
        return UnknownEvent(name, bytes(data), Strangeness.UNKNOWN_TYPE, fields)
    return convert_leniently(fields, struct)


def encode(event: Event) -> bytes:
    """The JSON text frame of an event of either direction."""
    return _encoder.encode(event)


def append_message(audio: bytes) -> bytes:
    """An input_audio_buffer.append frame; base64 needs no JSON escaping, so a template around it will do."""
    return b'{"type":"input_audio_buffer.append","audio":"%b"}' % pybase64.b64encode(audio)


def encode_audio(audio: bytes) -> str:
    """Audio as the ``delta`` or ``audio`` of an event."""
    return pybase64.b64encode_as_string(audio)


def decode_audio(text: str) -> bytes | None:
    """The bytes of a ``delta`` or ``audio``; None when it is not base64, whose half would only be noise."""
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        return None
