"""The session object of one conversation: defaults, deep merge of session.update, and what the service refuses."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from gateway.emulator.audio import AudioFormat, UnsupportedFormat, parse_format
from gateway.emulator.scenario import Listening
from gateway.emulator.turn_detector import Sensitivity

TRANSCRIPTION_MODELS = frozenset(
    {
        "inworld/inworld-stt-1",
        "assemblyai/u3-rt-pro",
        "assemblyai/universal-streaming-multilingual",
        "assemblyai/universal-streaming-english",
        "soniox/stt-rt-v4",
    }
)
SPEECH_MODELS = frozenset(
    {
        "inworld-tts-2",
        "inworld-tts-2-flash",
        "inworld-tts-1.5-max",
        "inworld-tts-1.5-mini",
        "inworld-tts-1",
        "inworld-tts-1-max",
    }
)
REFUSED_NAME_PREFIXES = ("invalid", "unknown", "no-such")
"""Language models and voices are an open set: only names that begin like these are refused, so that tests can try."""

LOCKED_PROVIDER_FIELDS = (("tts", "conversational"), ("tts", "user_turn_mode"))
"""Set by the first update; later changes are dropped without a word."""

MODALITIES = (["audio", "text"], ["text", "audio"], ["audio"], ["text"])
SPEED_RANGE = (0.25, 1.5)

_TURN_DETECTION_DEFAULTS: dict[str, dict[str, Any]] = {
    "semantic_vad": {"eagerness": "medium"},
    "server_vad": {"threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500},
}
_TURN_DETECTION_FLAGS = {"create_response": True, "interrupt_response": True}


class Refused(Exception):
    """A request that is dropped as a whole: ``param`` names the field, as the error event will."""

    def __init__(self, param: str | None, message: str, code: str | None = "invalid_value") -> None:
        super().__init__(message)
        self.param = param
        self.message = message
        self.code = code


class SessionSettings:
    """The effective session. ``update`` applies everything or nothing."""

    def __init__(self, session_id: str, expires_at: int, listening: Listening) -> None:
        self._listening = listening
        self._values = _default_session(session_id, expires_at)
        self._is_configured = False

    def as_wire(self) -> dict[str, Any]:
        """The session as session.created and session.updated show it."""
        return copy.deepcopy(self._values)

    def update(self, patch: Mapping[str, Any]) -> None:
        """Merge ``patch`` deeply; raises :class:`Refused` and changes nothing when a value is refused."""
        merged = _merge(self._values, patch)
        for read_only in ("id", "object", "expires_at", "type"):
            merged[read_only] = self._values[read_only]
        if self._is_configured:
            _restore_locked(merged, self._values)
        _check(merged)
        _normalise(merged)
        self._values = merged
        self._is_configured = True

    @property
    def input_format(self) -> AudioFormat:
        """What the caller's audio is encoded in."""
        return parse_format(self._values["audio"]["input"]["format"])

    @property
    def output_format(self) -> AudioFormat:
        """What the agent's audio is encoded in."""
        return parse_format(self._values["audio"]["output"]["format"])

    @property
    def modalities(self) -> tuple[str, ...]:
        """audio, text or both."""
        return tuple(self._values["output_modalities"])

    @property
    def instructions(self) -> str:
        """The prompt; only its length matters here."""
        return str(self._values.get("instructions") or "")

    @property
    def transcribes(self) -> bool:
        """Whether user turns get a transcript."""
        return self._values["audio"]["input"].get("transcription") is not None

    @property
    def detects_turns(self) -> bool:
        """False in manual mode (turn_detection null): the client commits."""
        return self._values["audio"]["input"]["turn_detection"] is not None

    @property
    def creates_responses(self) -> bool:
        """Whether the end of a turn starts a response."""
        return self._turn_flag("create_response")

    @property
    def interrupts_responses(self) -> bool:
        """Whether the beginning of a turn cancels one."""
        return self._turn_flag("interrupt_response")

    @property
    def answers_tools(self) -> bool:
        """auto_tool_response: on unless switched off, which is the worst case for a careless client."""
        return bool(_mapping(self._values.get("providerData")).get("auto_tool_response", True))

    @property
    def sensitivity(self) -> Sensitivity:
        """What the turn detector is set to."""
        minimum_ms = self._listening.minimum_speech_ms
        detection = _mapping(self._values["audio"]["input"]["turn_detection"])
        if detection.get("type") == "server_vad":
            return Sensitivity(
                silence_ms=int(detection["silence_duration_ms"]),
                minimum_speech_ms=minimum_ms,
                prefix_padding_ms=int(detection["prefix_padding_ms"]),
                threshold=float(detection["threshold"]),
            )
        silence_ms = self._listening.silence_ms(str(detection.get("eagerness", "medium")))
        return Sensitivity(silence_ms=silence_ms, minimum_speech_ms=minimum_ms)

    def _turn_flag(self, name: str) -> bool:
        return bool(_mapping(self._values["audio"]["input"]["turn_detection"]).get(name))


def read_modalities(value: object, param: str) -> tuple[str, ...]:
    """Checks a list of modalities; raises :class:`Refused`."""
    if value not in MODALITIES:
        raise Refused(param, "output_modalities must be audio, text or both")
    return tuple(value)


def _default_session(session_id: str, expires_at: int) -> dict[str, Any]:
    pcm = {"type": "audio/pcm", "rate": 24000}
    return {
        "id": session_id,
        "object": "realtime.session",
        "type": "realtime",
        "expires_at": expires_at,
        "model": "google-ai-studio/gemini-2.5-flash",
        "instructions": "You are a helpful assistant.",
        "output_modalities": ["audio", "text"],
        "max_output_tokens": "inf",
        "audio": {
            "input": {
                "format": dict(pcm),
                "transcription": {"model": "inworld/inworld-stt-1"},
                "turn_detection": {"type": "semantic_vad", "eagerness": "medium", **_TURN_DETECTION_FLAGS},
            },
            "output": {"format": dict(pcm), "model": "inworld-tts-2", "voice": "Sarah", "speed": 1.0},
        },
        "tools": [],
        "tool_choice": "auto",
    }


def _merge(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """A new mapping: mappings merge, everything else (lists and null too) replaces."""
    merged = {key: copy.deepcopy(value) for key, value in base.items()}
    for key, value in patch.items():
        current = merged.get(key)
        if isinstance(value, Mapping) and isinstance(current, Mapping) and key != "format":
            merged[key] = _merge(current, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def _restore_locked(merged: dict[str, Any], before: Mapping[str, Any]) -> None:
    for branch, field in LOCKED_PROVIDER_FIELDS:
        old = _mapping(_mapping(before.get("providerData")).get(branch))
        new = _mapping(_mapping(merged.get("providerData")).get(branch))
        if field in old:
            new[field] = old[field]
        elif field in new:
            del new[field]


def _check(session: Mapping[str, Any]) -> None:
    audio = _expect_mapping(session["audio"], "session.audio")
    audio_in = _expect_mapping(audio["input"], "session.audio.input")
    audio_out = _expect_mapping(audio["output"], "session.audio.output")
    _check_format(audio_in["format"], "session.audio.input.format")
    _check_format(audio_out["format"], "session.audio.output.format")
    _check_open_name(session["model"], "session.model")
    _check_open_name(audio_out["voice"], "session.audio.output.voice")
    _check_listed_name(audio_out["model"], SPEECH_MODELS, "session.audio.output.model", "speech model")
    _check_transcription(audio_in.get("transcription"))
    _check_turn_detection(audio_in.get("turn_detection"))
    speed = audio_out.get("speed")
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not SPEED_RANGE[0] <= speed <= SPEED_RANGE[1]:
        raise Refused("session.audio.output.speed", "speed must be between 0.25 and 1.5")
    read_modalities(session["output_modalities"], "session.output_modalities")
    if not isinstance(session["tools"], list):
        raise Refused("session.tools", "tools must be an array", code="invalid_type")


def _check_format(value: object, param: str) -> None:
    try:
        parse_format(value)
    except UnsupportedFormat as error:
        raise Refused(f"{param}.{error.field}".rstrip("."), str(error)) from error


def _check_open_name(value: object, param: str) -> None:
    if not isinstance(value, str) or not value.strip():
        raise Refused(param, "a name is needed")
    if value.lower().startswith(REFUSED_NAME_PREFIXES):
        raise Refused(param, f"{value!r} is not available")


def _check_listed_name(value: object, listed: frozenset[str], param: str, what: str) -> None:
    if not isinstance(value, str) or value not in listed:
        raise Refused(param, f"unsupported {what} {value!r}")


def _check_transcription(value: object) -> None:
    if value is None:
        return
    param = "session.audio.input.transcription"
    model = _expect_mapping(value, param).get("model")
    _check_listed_name(model, TRANSCRIPTION_MODELS, f"{param}.model", "transcription model")


def _check_turn_detection(value: object) -> None:
    if value is None:
        return
    param = "session.audio.input.turn_detection"
    detection = _expect_mapping(value, param)
    if detection.get("type") not in tuple(_TURN_DETECTION_DEFAULTS):
        raise Refused(f"{param}.type", "turn detection is semantic_vad, server_vad or null")
    if detection.get("eagerness", "auto") not in ("low", "medium", "high", "auto"):
        raise Refused(f"{param}.eagerness", "eagerness is low, medium, high or auto")
    for field, highest in (("threshold", 1.0), ("silence_duration_ms", 60_000), ("prefix_padding_ms", 60_000)):
        number = detection.get(field, 0)
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= highest:
            raise Refused(f"{param}.{field}", f"{field} must be between 0 and {highest:g}")


def _normalise(session: dict[str, Any]) -> None:
    """Formats in object form; turn detection with its own fields, all of them, and none of the other kind's."""
    for direction in ("input", "output"):
        branch = session["audio"][direction]
        branch["format"] = parse_format(branch["format"]).as_wire()
    detection = session["audio"]["input"].get("turn_detection")
    if detection is not None:
        defaults = _TURN_DETECTION_DEFAULTS[detection["type"]]
        foreign = {name for kind in _TURN_DETECTION_DEFAULTS.values() for name in kind} - set(defaults)
        kept = {name: value for name, value in detection.items() if name not in foreign}
        session["audio"]["input"]["turn_detection"] = {**defaults, **_TURN_DETECTION_FLAGS, **kept}


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _expect_mapping(value: object, param: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused(param, "an object is needed", code="invalid_type")
    return value
