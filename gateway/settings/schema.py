"""The shape of the settings file. Every field says what it means; its unit is in its name.

The models are frozen, refuse unknown keys, and treat a key without a value as absent: a section whose lines are all
commented out means its defaults.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

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
from gateway.settings.values import ListenAddress, Network, PortRange, parse_network, wrong

INWORLD_URL = "wss://api.inworld.ai/api/v1/realtime/session"

_STRING = {"type": "string"}

SipListen: TypeAlias = Annotated[
    ListenAddress, PlainValidator(values.parse_sip_listen), PlainSerializer(str), WithJsonSchema(_STRING)
]
ControlListen: TypeAlias = Annotated[
    ListenAddress, PlainValidator(values.parse_control_listen), PlainSerializer(str), WithJsonSchema(_STRING)
]
MediaPorts: TypeAlias = Annotated[
    PortRange, PlainValidator(values.parse_port_range), PlainSerializer(str), WithJsonSchema(_STRING)
]
SourceNetwork: TypeAlias = Annotated[
    Network, PlainValidator(parse_network), PlainSerializer(str), WithJsonSchema(_STRING)
]
SecretText: TypeAlias = Annotated[
    Secret, PlainValidator(values.parse_secret), PlainSerializer(str), WithJsonSchema(_STRING)
]
MediaAddress: TypeAlias = Annotated[str, PlainValidator(values.parse_media_address), WithJsonSchema(_STRING)]
AdvertisedHost: TypeAlias = Annotated[str, PlainValidator(values.parse_advertised_host), WithJsonSchema(_STRING)]
ProviderUrl: TypeAlias = Annotated[str, PlainValidator(values.parse_provider_url), WithJsonSchema(_STRING)]
Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


def _refuse_boolean(value: object) -> object:
    # Python takes True for 1; in a settings file that is always a slip.
    if isinstance(value, bool):
        raise wrong("is not a number", "write a number")
    return value


WholeNumber: TypeAlias = Annotated[int, BeforeValidator(_refuse_boolean)]
Seconds: TypeAlias = Annotated[float, BeforeValidator(_refuse_boolean), Field(ge=0, le=86_400, allow_inf_nan=False)]


def _check_pattern(value: str) -> str:
    if not value or any(character.isspace() for character in value):
        raise wrong("is not a number or user name", 'write it without spaces; "*" fits everything')
    return value


Pattern: TypeAlias = Annotated[str, AfterValidator(_check_pattern)]


def _refuse_later_codec(value: object) -> object:
    if isinstance(value, str) and value.upper() in {"G722", "OPUS"}:
        raise wrong("is not in this version", "write PCMU or PCMA")
    return value


def _refuse_repetition(value: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(value)) < len(value):
        raise wrong("names something twice", "remove one of the two")
    return value


def _refuse_duck(value: object) -> object:
    if value == "duck":
        raise wrong("is not in this version", "write server or off")
    return value


def _accept_number_403(value: object) -> object:
    return "403" if value == 403 else value


def _read_none(value: object) -> object:
    return None if value == "none" else value


class _NoneIsAWord:
    """Lets the JSON Schema say ``none`` where the model has None."""

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = dict(handler(core_schema))
        schema["anyOf"] = [{"const": "none"} if one == {"type": "null"} else one for one in schema["anyOf"]]
        return schema


_NONE_IS_A_WORD = _NoneIsAWord()


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


def _name_empty_entries(value: object) -> object:
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


class NodeSettings(Section):
    """This process."""

    name: Name = "gateway"
    """How this node calls itself in logs and metrics."""
    max_calls: WholeNumber = Field(200, ge=1, le=30_000)
    """Calls at the same time; the next one gets 503 with Retry-After."""


class SipSettings(Section):
    """Signalling."""

    listen: Annotated[tuple[SipListen, ...], AfterValidator(_refuse_repetition)] = Field(
        (ListenAddress("udp", "0.0.0.0", 5060), ListenAddress("tcp", "0.0.0.0", 5060)), min_length=1
    )
    """Addresses to take SIP on: udp://ADDRESS:PORT and tcp://ADDRESS:PORT."""
    advertise: AdvertisedHost | None = None
    """Address or host name that goes into Via and Contact when the gateway stands behind a NAT. Without it: the local
    address that routes to the peer."""
    local_networks: tuple[SourceNetwork, ...] = tuple(
        parse_network(network)
        for network in (
            "127.0.0.0/8",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "::1/128",
            "fc00::/7",
            "fe80::/10",
        )
    )
    """Peers in these networks are told the local address instead of an advertised one, for SIP and for media."""


class MediaSettings(Section):
    """Audio of the telephone side."""

    ports: MediaPorts = PortRange(20_000, 29_999)
    """UDP ports for RTP and RTCP, two for each call."""
    advertise: MediaAddress | None = None
    """IP address that callers are told to send audio to when the gateway stands behind a NAT. Without it: the local
    address that routes to the peer."""
    codecs: Annotated[
        tuple[Annotated[Literal["PCMU", "PCMA"], BeforeValidator(_refuse_later_codec)], ...],
        AfterValidator(_refuse_repetition),
    ] = Field(("PCMU", "PCMA"), min_length=1)
    """Codecs to accept. Among them the caller's order of preference decides."""
    reorder_ms: WholeNumber = Field(40, ge=0, le=500)
    """How long a gap in the caller's audio waits for a late packet. Packets in order never wait."""
    silence_timeout_s: Seconds = 30
    """A call from which no RTP came for so long is ended; 0 switches this off."""


class InworldSettings(Section):
    """The voice agent's provider."""

    url: ProviderUrl = INWORLD_URL
    """Realtime endpoint: wss://…, or ws://… on this machine."""
    api_key: SecretText = Field(examples=["${INWORLD_API_KEY}"])
    """The key as the provider shows it (already base64 for basic). Empty: the embedded emulator answers calls."""
    auth: Literal["basic", "bearer"] = "basic"
    """How the key is sent."""
    max_sessions: WholeNumber = Field(20, ge=1, le=100_000)
    """Sessions the account may have open at once; one call needs one."""
    chunk_ms: WholeNumber = Field(60, ge=20, le=200, multiple_of=20)
    """Caller's audio per message to the provider: 20, 40, 60 … 200."""
    answer_after_s: Seconds = Field(10, ge=1, le=120)
    """How long a call rings for its session to become ready, before it is refused with 503."""

    @property
    def uses_embedded_emulator(self) -> bool:
        """True when no key is set, so that calls are answered by the emulator inside this process."""
        return not self.api_key


class TrunkSettings(Section):
    """A carrier, PBX or group of phones."""

    accept_from: tuple[SourceNetwork, ...] = Field(min_length=1, examples=["[198.51.100.0/24]"])
    """Addresses and networks whose calls belong to this trunk. The most specific network of all trunks wins."""
    max_calls: WholeNumber | None = Field(None, ge=1, le=30_000)
    """Calls at the same time on this trunk; the next one gets 486. Without it only node.max_calls counts."""


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
        return _name_empty_entries(value)


class LimitSettings(Section):
    """When a call is ended by the gateway."""

    duration_s: Seconds = 3600
    """Longest duration of a call; 0 for no limit."""
    idle_s: Seconds = 0
    """Longest time in which neither side speaks; 0 for no limit."""


class AgentSettings(Section):
    """A voice agent: who answers."""

    session: Annotated[Mapping[str, Any], AfterValidator(_check_json)] = Field(default_factory=dict)
    """An Inworld session object, passed through as it is: model, instructions, audio, providerData… The audio formats
    are set by the gateway."""
    greeting: Annotated[GreetingSettings | None, BeforeValidator(_read_none), _NONE_IS_A_WORD] = None
    """What the agent says first; none lets it listen first."""
    interruption: InterruptionSettings = InterruptionSettings()
    """What happens when the caller speaks while the agent does."""
    digits: Annotated[DigitSettings | None, BeforeValidator(_read_none), _NONE_IS_A_WORD] = DigitSettings()
    """How keypad digits are gathered before the agent is told; none ignores them."""
    tools: ToolSettings = ToolSettings()
    """What the agent may do besides talking."""
    limits: LimitSettings = LimitSettings()
    """When a call is ended by the gateway."""


class RouteSettings(Section):
    """Which agent answers which calls. In every pattern ``*`` stands for any characters or none."""

    trunk: Pattern = "*"
    """Name of the trunk the call came from."""
    to: Pattern = "*"
    """Number or user that was called."""
    from_: Pattern = Field("*", alias="from")
    """Number or user that calls."""
    agent: str = Field(examples=["receptionist"])
    """Name of the agent that answers."""


class ControlSettings(Section):
    """HTTP for operators: /healthz, /readyz and /metrics."""

    listen: ControlListen = ListenAddress("http", "127.0.0.1", 8080)
    """ADDRESS:PORT. There is no login in this version: keep it private."""
    metrics: bool = True
    """Whether /metrics is served."""


class Settings(Section):
    """Everything the gateway is told."""

    node: NodeSettings = NodeSettings()
    """This process."""
    sip: SipSettings = SipSettings()
    """Signalling."""
    media: MediaSettings = MediaSettings()
    """Audio of the telephone side."""
    inworld: InworldSettings = Field(examples=["{api_key: '${INWORLD_API_KEY}'}"])
    """The voice agent's provider."""
    trunks: Annotated[Mapping[Name, TrunkSettings], BeforeValidator(_name_empty_entries)] = Field(
        min_length=1, examples=["{carrier: {accept_from: [198.51.100.0/24]}}"]
    )
    """Where calls come from, by name."""
    agents: Annotated[Mapping[Name, AgentSettings], BeforeValidator(_name_empty_entries)] = Field(
        min_length=1, examples=["{receptionist: {session: {instructions: …}}}"]
    )
    """Who answers, by name."""
    routes: tuple[RouteSettings, ...] = Field(min_length=1, examples=["[{agent: receptionist}]"])
    """Which agent answers which calls: the first route that fits wins; a call that fits none gets 404."""
    control: ControlSettings = ControlSettings()
    """HTTP for operators."""
    unknown_callers: Annotated[
        Literal["silence", "403"],
        BeforeValidator(_accept_number_403),
        WithJsonSchema({"enum": ["silence", "403", 403]}),
    ] = "silence"
    """What a source that belongs to no trunk gets: no answer at all, or 403."""
