"""The Realtime session object: what we ask for, what the service made of it, and what follows for taking turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway.base.errors import SettingsError

TelephoneFormat = Literal["audio/pcmu", "audio/pcma"]

_DEFAULTS: dict[str, Any] = {
    "type": "realtime",
    "model": "google-ai-studio/gemini-2.5-flash",
    "output_modalities": ["audio", "text"],
    "audio": {
        "input": {
            "transcription": {"model": "inworld/inworld-stt-1"},
            "turn_detection": {"type": "semantic_vad", "eagerness": "medium"},
        },
        "output": {"model": "inworld-tts-2", "voice": "Sarah", "speed": 1.0},
    },
    "tool_choice": "auto",
    "providerData": {"tts": {"segmenter_strategy": "fast_start"}},
}
"""Everything the service's own defaults leave open or set to something unfit for a telephone."""

_SPEED_RANGE = (0.5, 1.5)
"""The schema admits 0.25, the speech synthesis does not."""


# --- what we ask for -----------------------------------------------------------------------------------------------


def build_session(
    agent_session: Mapping[str, Any],
    *,
    audio_format: TelephoneFormat,
    tools: Sequence[Mapping[str, Any]] = (),
    call_id: str,
    user_id: str | None = None,
) -> dict[str, Any]:
    """The complete first session.update: the agent's own settings over our defaults.

    Three things are ours and not the agent's: both audio formats (the call's codec decides), ``auto_tool_response``
    (our single owner of response.create decides) and the call's id in the metadata. ``tools`` are the gateway's own;
    they replace an agent's tool of the same name. ``user_id`` should be a hash of the caller's number.
    """
    _require_mappings(agent_session)
    session = merge(_DEFAULTS, agent_session)
    audio_in, audio_out = session["audio"]["input"], session["audio"]["output"]
    audio_in["format"] = {"type": audio_format}
    audio_out["format"] = {"type": audio_format}
    audio_out["speed"] = _clamp_speed(audio_out.get("speed"))
    detection = audio_in.get("turn_detection")
    if isinstance(detection, dict):
        detection.setdefault("create_response", True)
        detection.setdefault("interrupt_response", True)
    session["tools"] = _join_tools(session.get("tools") or [], tools)
    provider = session["providerData"]
    provider["auto_tool_response"] = False
    provider["metadata"] = {**(provider.get("metadata") or {}), "call_id": call_id}
    if user_id is not None:
        provider.setdefault("user_id", user_id)
    return session


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Lays ``changes`` over ``base``, mapping by mapping, and copies both into plain dicts and lists.

    A mapping whose ``type`` differs is another thing altogether and replaces the whole: server_vad must not inherit
    semantic_vad's eagerness.
    """
    merged = {key: _plain(value) for key, value in base.items()}
    for key, value in changes.items():
        former = merged.get(key)
        if isinstance(value, Mapping) and isinstance(former, dict) and _is_same_kind(former, value):
            merged[key] = merge(former, value)
        else:
            merged[key] = _plain(value)
    return merged


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


def _is_same_kind(former: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    return "type" not in value or "type" not in former or value["type"] == former["type"]


def _require_mappings(session: Mapping[str, Any]) -> None:
    faults = [
        f"session.{'.'.join(path)} must be a mapping; indent its settings below it"
        for path in (("audio",), ("audio", "input"), ("audio", "output"), ("providerData",), ("providerData", "tts"))
        if not isinstance(_find(session, path, default={}), Mapping)
    ]
    if faults:
        raise SettingsError(faults)


def _clamp_speed(speed: object) -> object:
    if isinstance(speed, bool) or not isinstance(speed, int | float):
        return 1.0 if speed is None else speed
    lowest, highest = _SPEED_RANGE
    return min(max(speed, lowest), highest)


def _join_tools(agents: Sequence[Mapping[str, Any]], ours: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    reserved = {tool.get("name") for tool in ours}
    kept = [tool for tool in agents if tool.get("name") is None or tool.get("name") not in reserved]
    return [_plain(tool) for tool in (*kept, *ours)]


def _find(tree: object, path: Sequence[str], default: object = None) -> object:
    for key in path:
        if not isinstance(tree, Mapping) or key not in tree:
            return default
        tree = tree[key]
    return tree


# --- what the service made of it -----------------------------------------------------------------------------------

_FORMAT_NAMES = {
    "pcm16": "audio/pcm",
    "g711_ulaw": "audio/pcmu",
    "g711_alaw": "audio/pcma",
    "float32": "audio/float32",
}
_BYTES_PER_SAMPLE = {"audio/pcmu": 1, "audio/pcma": 1, "audio/pcm": 2, "audio/float32": 4}
_TELEPHONE_RATE_HZ = 8000
_DEFAULT_RATE_HZ = 24000


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """One direction's format. G.711 is 8 kHz whether or not the wire says so."""

    type: str
    rate_hz: int

    @property
    def bytes_per_ms(self) -> float:
        """How long a byte lasts: 8 bytes/ms for G.711."""
        return _BYTES_PER_SAMPLE.get(self.type, 1) * self.rate_hz / 1000

    def __str__(self) -> str:
        return f"{self.type} at {self.rate_hz} Hz"


def parse_format(value: object) -> AudioFormat | None:
    """Reads the object form and the string form; None when it is neither."""
    name, rate = (value.get("type"), value.get("rate")) if isinstance(value, Mapping) else (value, None)
    if not isinstance(name, str):
        return None
    name = _FORMAT_NAMES.get(name, name)
    if name in ("audio/pcmu", "audio/pcma"):
        return AudioFormat(name, _TELEPHONE_RATE_HZ)
    if not isinstance(rate, int) or isinstance(rate, bool) or rate <= 0:
        rate = _DEFAULT_RATE_HZ
    return AudioFormat(name, rate)


INPUT_FORMAT = ("audio", "input", "format")
OUTPUT_FORMAT = ("audio", "output", "format")


def effective_format(
    requested: Mapping[str, Any], echoed: Mapping[str, Any], path: Sequence[str]
) -> tuple[AudioFormat, AudioFormat]:
    """The format asked for, and the one in force: the echo's, or ours where the echo says nothing readable."""
    asked = parse_format(_find(requested, path)) or AudioFormat("audio/pcm", _DEFAULT_RATE_HZ)
    return asked, parse_format(_find(echoed, path)) or asked


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting the service echoed otherwise than we asked: unknown ids and values are often dropped without error."""

    path: str
    asked: object
    got: object


_COMPARED_ELSEWHERE = {"tools", "providerData", "format"}
"""Tools and providerData come back rewritten; formats have more than one spelling and are compared as formats."""


def find_differences(requested: Mapping[str, Any], echoed: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Compares the echo in session.updated with the request. What the echo leaves out is no difference."""
    return (*_format_differences(requested, echoed), *_leaf_differences(requested, echoed, ""))


def _format_differences(requested: Mapping[str, Any], echoed: Mapping[str, Any]) -> Iterator[Difference]:
    for path in (INPUT_FORMAT, OUTPUT_FORMAT):
        asked, got = effective_format(requested, echoed, path)
        if asked != got:
            yield Difference(".".join(path), str(asked), str(got))


def _leaf_differences(asked: Mapping[str, Any], got: Mapping[str, Any], prefix: str) -> Iterator[Difference]:
    for key, value in asked.items():
        if key in _COMPARED_ELSEWHERE or key not in got:
            continue
        if isinstance(value, Mapping) and isinstance(got[key], Mapping):
            yield from _leaf_differences(value, got[key], f"{prefix}{key}.")
        elif value != got[key]:
            yield Difference(prefix + key, value, got[key])


# --- what follows for turns ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """Who interrupts and who answers when the caller speaks. Without turn detection both are the client's duty."""

    server_interrupts: bool
    server_responds: bool


def turn_settings(requested: Mapping[str, Any], echoed: Mapping[str, Any]) -> TurnSettings:
    """The turn settings in force. Both flags are true unless they are switched off."""
    path = ("audio", "input", "turn_detection")
    absent: dict[str, Any] = {}
    detection = _find(echoed, path, default=_find(requested, path, default=absent))
    if not isinstance(detection, Mapping):
        return TurnSettings(server_interrupts=False, server_responds=False)
    return TurnSettings(
        server_interrupts=detection.get("interrupt_response", True) is True,
        server_responds=detection.get("create_response", True) is True,
    )


def expiry_of(echoed: Mapping[str, Any]) -> float | None:
    """``expires_at`` in seconds of Unix time, where the service tells."""
    expires_at = echoed.get("expires_at")
    if isinstance(expires_at, bool) or not isinstance(expires_at, int | float):
        return None
    return float(expires_at)
