"""What all sections of the settings share: strictness, and the kinds of value that several of them use.

The models are frozen, refuse unknown keys, and treat a key without a value as absent: a section whose lines are all
commented out means its defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema

from gateway.base.redact import Secret
from gateway.settings import values
from gateway.settings.values import Network, parse_network, wrong

STRING = {"type": "string"}
"""The JSON Schema of a value that is written as text."""

SourceNetwork: TypeAlias = Annotated[
    Network, PlainValidator(parse_network), PlainSerializer(str), WithJsonSchema(STRING)
]
SecretText: TypeAlias = Annotated[
    Secret, PlainValidator(values.parse_secret), PlainSerializer(str), WithJsonSchema(STRING)
]
Password: TypeAlias = Annotated[
    Secret, PlainValidator(values.parse_password), PlainSerializer(str), WithJsonSchema(STRING)
]
AdvertisedHost: TypeAlias = Annotated[str, PlainValidator(values.parse_advertised_host), WithJsonSchema(STRING)]
Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


def _refuse_boolean(value: object) -> object:
    # Python takes True for 1; in a settings file that is always a slip.
    if isinstance(value, bool):
        raise wrong("is not a number", "write a number")
    return value


WholeNumber: TypeAlias = Annotated[int, BeforeValidator(_refuse_boolean)]
Number: TypeAlias = Annotated[float, BeforeValidator(_refuse_boolean), Field(allow_inf_nan=False)]
Seconds: TypeAlias = Annotated[float, BeforeValidator(_refuse_boolean), Field(ge=0, le=86_400, allow_inf_nan=False)]


def _check_pattern(value: str) -> str:
    if not value or any(character.isspace() for character in value):
        raise wrong("is not a number or user name", 'write it without spaces; "*" fits everything')
    return value


Pattern: TypeAlias = Annotated[str, AfterValidator(_check_pattern)]
"""``*`` stands for any characters or none."""


def refuse_repetition(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Nothing may be listed twice."""
    if len(set(value)) < len(value):
        raise wrong("names something twice", "remove one of the two")
    return value


def accept_number_403(value: object) -> object:
    """``403`` without quotes is a number to YAML."""
    return "403" if value == 403 else value


def read_none(value: object) -> object:
    """The word ``none``."""
    return None if value == "none" else value


class _NoneIsAWord:
    """Lets the JSON Schema say ``none`` where the model has None."""

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = dict(handler(core_schema))
        schema["anyOf"] = [{"const": "none"} if one == {"type": "null"} else one for one in schema["anyOf"]]
        return schema


NONE_IS_A_WORD = _NoneIsAWord()


def name_empty_entries(value: object) -> object:
    """``carrier:`` with nothing after it is an entry with its defaults, not the absence of one."""
    if isinstance(value, Mapping):
        return {key: {} if item is None else item for key, item in value.items()}
    return value


class Section(BaseModel):
    """What all sections share."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        validate_default=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_keys(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: item for key, item in value.items() if item is not None}
        return value
