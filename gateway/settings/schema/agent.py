"""Voice agents: who answers, what is said first, how callers interrupt, and when a call ends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gateway.settings import templates
from gateway.settings.schema.section import (
    NONE_IS_A_WORD,
    Seconds,
    Section,
    WholeNumber,
    name_empty_entries,
    read_none,
)
from gateway.settings.values import wrong

VariableName: TypeAlias = Annotated[str, AfterValidator(templates.check_variable_name)]


def _refuse_duck(value: object) -> object:
    if value == "duck":
        raise wrong("is not in this version", "write server or off")
    return value


def _check_terminator(value: str) -> str:
    if value not in {"", *"0123456789*#ABCD"}:
        raise wrong("is not a key of a telephone", 'write "#" or another key; "" for none')
    return value


def _check_json(value: Mapping[str, Any]) -> Mapping[str, Any]:
    if not _is_json(value):
        raise wrong("holds a number that JSON cannot carry (.inf or .nan)", "write an ordinary number")
    return value


def _is_json(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(_is_json(item) for item in value.values())
    if isinstance(value, list):
        return all(_is_json(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)


class GreetingSettings(Section):
    """What the agent says first: exactly one of the two."""

    say: str | None = Field(None, min_length=1)
    """These words, as they stand."""
    instructions: str | None = Field(None, min_length=1)
    """What the greeting should be about; the agent finds the words."""


class InterruptionSettings(Section):
    """What happens when the caller speaks while the agent does."""

    mode: Annotated[Literal["off", "server"], BeforeValidator(_refuse_duck)] = "server"
    """server: the agent stops when the provider hears speech. off: it finishes."""
    protect_greeting: bool = False
    """true: the greeting is always finished."""


class DigitSettings(Section):
    """How keypad digits are gathered before the agent is told."""

    collect_ms: WholeNumber = Field(1500, ge=100, le=30_000)
    """The digits are told when no further one came for so long."""
    terminator: Annotated[str, AfterValidator(_check_terminator)] = "#"
    """A key that ends the entry at once and is not part of it; "" for none."""


class HangUpSettings(Section):
    """The agent may end the call, once its goodbye was heard. There is nothing to set yet."""


class ToolSettings(Section):
    """What the agent may do besides talking."""

    hang_up: HangUpSettings | None = None
    """End the call."""

    @model_validator(mode="before")
    @classmethod
    def _enable_named_tools(cls, value: Any) -> Any:
        return name_empty_entries(value)


class LimitSettings(Section):
    """When a call is ended by the gateway."""

    duration_s: Seconds = 3600
    """Longest duration of a call; 0 for no limit."""
    idle_s: Seconds = 0
    """Longest time in which neither side speaks; 0 for no limit."""


class AgentSettings(Section):
    """A voice agent: who answers. session.instructions and the greeting may have {{name}} places in them, for the
    variables of a call."""

    session: Annotated[Mapping[str, Any], AfterValidator(_check_json)] = Field(default_factory=dict)
    """An Inworld session object, passed through as it is: model, instructions, audio, providerData… The audio formats
    are set by the gateway."""
    variables: Mapping[VariableName, str] = Field(default_factory=dict)
    """Further call variables, {name: value}: the value that counts when the call brought none."""
    greeting: Annotated[GreetingSettings | None, BeforeValidator(read_none), NONE_IS_A_WORD] = None
    """What the agent says first; none lets it listen first."""
    interruption: InterruptionSettings = InterruptionSettings()
    """What happens when the caller speaks while the agent does."""
    digits: Annotated[DigitSettings | None, BeforeValidator(read_none), NONE_IS_A_WORD] = DigitSettings()
    """How keypad digits are gathered before the agent is told; none ignores them."""
    tools: ToolSettings = ToolSettings()
    """What the agent may do besides talking."""
    limits: LimitSettings = LimitSettings()
    """When a call is ended by the gateway."""
