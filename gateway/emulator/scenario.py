"""What the emulated agent does: the shape of a scenario file. docs/emulator.md explains every key."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway.emulator.recordings import locate
from gateway.inworld.events import SERVER_EVENTS

KEY_VOICES = {**{digit: f"key_{digit}" for digit in "0123456789"}, "*": "key_star", "#": "key_pound"}
"""The packaged voice of each telephone key."""
_KEYS = re.compile(r"[0-9*#]|\b(?:star|asterisk|pound|hash)\b", re.IGNORECASE)
_KEYS_BY_WORD = {"star": "*", "asterisk": "*", "pound": "#", "hash": "#"}

Milliseconds = Annotated[int, Field(ge=0, le=600_000)]
Speed = Annotated[float, Field(ge=0.1, le=1000)]


class Part(BaseModel):
    """A mapping of the scenario file: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Tone(Part):
    """A sine wave at -20 dBFS: easy to find in what was heard."""

    hz: Annotated[float, Field(ge=20, le=3800)]
    ms: Annotated[int, Field(ge=20, le=120_000)]


class ToolCall(Part):
    """A function call. ``arguments`` given as text go out as they are, so that broken JSON can be tried."""

    name: Annotated[str, Field(min_length=1)]
    arguments: dict[str, Any] | str = Field(default_factory=dict)


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else [value]


class Reaction(Part):
    """One answer: at most one way to speak, then tool calls, if any."""

    say: tuple[str, ...] = ()
    """Packaged voices or WAV files, one after the other."""
    echo: bool = False
    """The caller's own words."""
    tone: Tone | None = None
    say_keys: bool = False
    """The telephone keys named in the text item, one voice each."""
    silence: bool = False
    """A response that completes without any audio."""
    text: str | None = None
    """The transcript; by default the words of the recording."""
    tool: tuple[ToolCall, ...] = ()
    after_tool: Reaction | None = None
    """The answer once every output of ``tool`` is there."""
    latency_ms: Milliseconds | None = None
    speed: Speed | None = None
    """Instead of the pace's, for an answer that must still be under way when it is interrupted."""

    _listed = field_validator("say", "tool", mode="before")(_as_list)

    @field_validator("say")
    @classmethod
    def _can_be_said(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            locate(name)
        return names

    @model_validator(mode="after")
    def _speaks_in_one_way(self) -> Reaction:
        ways = [way for way in ("say", "echo", "tone", "silence") if getattr(self, way)]
        if len(ways) > 1 or (self.say_keys and (self.echo or self.tone or self.silence)):
            raise ValueError("give one of say, echo, tone and silence (say_keys may follow say)")
        if not (ways or self.say_keys or self.tool):
            raise ValueError("say what happens: one of say, echo, tone, say_keys, silence or tool")
        if self.after_tool is not None and not self.tool:
            raise ValueError("after_tool needs a tool")
        return self


class TextReaction(Reaction):
    """The answer to a text item that contains one of some phrases; case does not matter."""

    contains: tuple[Annotated[str, Field(min_length=1)], ...]

    _phrases = field_validator("contains", mode="before")(_as_list)

    def matches(self, text: str) -> bool:
        """Whether ``text`` contains one of the phrases."""
        folded = text.casefold()
        return any(phrase.casefold() in folded for phrase in self.contains)


class Pace(Part):
    """How the voice is delivered: ``speed`` times real time, in deltas of uneven length."""

    latency_ms: Milliseconds = 150
    """From response.created to the first audio."""
    speed: Speed = 5.0
    shortest_delta_ms: Annotated[int, Field(ge=1, le=5000)] = 30
    longest_delta_ms: Annotated[int, Field(ge=1, le=5000)] = 250

    @model_validator(mode="after")
    def _is_ordered(self) -> Pace:
        if self.shortest_delta_ms > self.longest_delta_ms:
            raise ValueError("shortest_delta_ms is above longest_delta_ms")
        return self


class Listening(Part):
    """Turn detection where the session's own settings leave it open."""

    minimum_speech_ms: Annotated[int, Field(ge=30, le=2000)] = 110
    silence_high_ms: Annotated[int, Field(ge=50, le=20_000)] = 400
    silence_medium_ms: Annotated[int, Field(ge=50, le=20_000)] = 700
    silence_low_ms: Annotated[int, Field(ge=50, le=20_000)] = 1200

    def silence_ms(self, eagerness: str) -> int:
        """The end-of-turn silence of a semantic_vad eagerness; auto is medium."""
        return {"high": self.silence_high_ms, "low": self.silence_low_ms}.get(eagerness, self.silence_medium_ms)


class Limits(Part):
    """The account's limits, shared by all sessions of one emulator."""

    max_sessions: Annotated[int, Field(ge=0)] = 20
    max_messages_per_second: Annotated[int, Field(ge=1)] = 1000


class SocketDrop(Part):
    """Drops the socket so long after the nth server event of a type."""

    after: str
    count: Annotated[int, Field(ge=1)] = 1
    delay_ms: Milliseconds = 0
    close_code: Annotated[int, Field(ge=1000, le=4999)] | None = None
    """None: the connection is reset without a closing handshake (the client sees 1006)."""

    @field_validator("after")
    @classmethod
    def _is_a_server_event(cls, name: str) -> str:
        if name not in SERVER_EVENTS:
            near = difflib.get_close_matches(name, SERVER_EVENTS, n=1)
            raise ValueError(f"{name!r} is no server event" + (f"; did you mean {near[0]!r}?" if near else ""))
        return name


class Faults(Part):
    """What goes wrong, for the tests of clients."""

    reject_upgrade: Literal[400, 401, 403, 429, 500, 503] | None = None
    refuse_after_upgrade: str | None = None
    """The socket opens, then this error event comes instead of session.created, then the close."""
    stall_session_updated_ms: Milliseconds = 0
    late_deltas: Annotated[int, Field(ge=0, le=50)] = 2
    """So many audio deltas of a cancelled response still arrive."""
    drop_socket: SocketDrop | None = None


class Scenario(Part):
    """The whole file. Without any key it is an agent that repeats what it hears."""

    seed: int | None = 1
    """Identifiers and delta lengths repeat with it; null: different at each start."""
    greeting: Reaction = Reaction(say=("practice_greeting",))
    turns: tuple[Reaction, ...] = ()
    other_turns: Reaction = Reaction(echo=True)
    texts: tuple[TextReaction, ...] = ()
    other_texts: Reaction = Reaction(say=("all_right",))
    after_tools: Reaction = Reaction(say=("all_right",))
    transcripts: tuple[str, ...] = ()
    pace: Pace = Pace()
    listening: Listening = Listening()
    limits: Limits = Limits()
    faults: Faults = Faults()

    def reaction_to_turn(self, number: int) -> Reaction:
        """The answer to the nth spoken turn, counted from 1."""
        return self.turns[number - 1] if number <= len(self.turns) else self.other_turns

    def reaction_to_text(self, text: str) -> Reaction | None:
        """The first of ``texts`` that matches."""
        return next((reaction for reaction in self.texts if reaction.matches(text)), None)

    def transcript_of_turn(self, number: int) -> str | None:
        """The scripted words of the nth spoken turn; None when nothing is scripted."""
        return self.transcripts[number - 1] if number <= len(self.transcripts) else None


def keys_named_in(text: str) -> list[str]:
    """The telephone keys in a text item, in order: "pressed 1#" names 1 and #, and so does "1 pound"."""
    return [_KEYS_BY_WORD.get(found.lower(), found) for found in _KEYS.findall(text)]
