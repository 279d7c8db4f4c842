"""What the REST API takes and answers, as OpenAPI shows it."""

from __future__ import annotations

import datetime
import json
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gateway.settings import templates

MAX_PAIRS = 50
"""Variables, and headers, of one order."""
MAX_METADATA_BYTES = 8192
MAX_SESSION_BYTES = 32_768
"""Both as JSON: a thousand calls are remembered with them."""
MAX_DEPTH = 32
"""Levels of either: whoever writes JSON again calls itself for each."""


def _check_destination(value: str) -> str:
    if not value.isprintable() or any(one in '<>"' for one in value):
        raise ValueError("write a number, a user name or a sip: URI, without quotes and angle brackets")
    return value


def _check_user(value: str) -> str:
    if not value.isprintable() or any(one.isspace() or one in '<>"@\\' for one in value):
        raise ValueError("write a number or a user name: what stands before the @, without spaces and quotes")
    return value


def _check_variables(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        templates.check_variable_name(name)
    return {name: templates.clean_value(text) for name, text in value.items()}


def _check_headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        templates.check_own_header(name)
        templates.check_header_template(text)
    return value


def _is_flat_enough(value: object) -> bool:
    """Level by level: whoever writes it again, or lays it over other settings, calls itself for each."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        containers = [item for item in level if isinstance(item, dict | list)]
        if not containers:
            return True
        level = [inner for item in containers for inner in (item.values() if isinstance(item, dict) else item)]
    return False


def _bounded(limit: int) -> Any:
    def check(value: dict[str, Any]) -> dict[str, Any]:
        if not _is_flat_enough(value):
            raise ValueError(f"is nested more than {MAX_DEPTH} deep")
        # Neither .nan nor half a surrogate pair can be written as JSON again: both are ValueErrors here.
        if len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode()) > limit:
            raise ValueError(f"is longer than {limit} bytes of JSON")
        return value

    return AfterValidator(check)


def _refuse_webhook(value: object) -> object:
    if value is not None:
        raise ValueError("webhooks are not in this version; read GET /v1/calls/{id}/events instead")
    return value


class Shape(BaseModel):
    """What all shapes share."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class CallRequest(Shape):
    """An order to call somebody."""

    to: Annotated[str, AfterValidator(_check_destination)] = Field(
        min_length=1,
        max_length=256,
        examples=["+15550111"],
        description="A number, a registered account or a sip: URI.",
    )
    from_: Annotated[str, AfterValidator(_check_user)] | None = Field(
        None,
        alias="from",
        min_length=1,
        max_length=128,
        examples=["+15550100"],
        description="The caller's number; without it the trunk's from_user.",
    )
    trunk: str | None = Field(
        None, max_length=64, examples=["carrier"], description="Without it the first trunk that may call there."
    )
    agent: str | None = Field(
        None,
        max_length=64,
        examples=["receptionist"],
        description="Who speaks; may be left out where there is only one.",
    )
    session: Annotated[dict[str, Any], _bounded(MAX_SESSION_BYTES)] = Field(
        default_factory=dict,
        description="Laid over the agent's session settings, for this call only.",
        examples=[{"audio": {"output": {"voice": "Dennis"}}}],
    )
    variables: Annotated[dict[str, str], AfterValidator(_check_variables)] = Field(
        default_factory=dict,
        max_length=MAX_PAIRS,
        examples=[{"name": "Ada"}],
        description="For {{name}} in the agent's instructions, its greeting and the trunk's header templates.",
    )
    headers: Annotated[dict[str, str], AfterValidator(_check_headers)] = Field(
        default_factory=dict,
        max_length=MAX_PAIRS,
        examples=[{"X-Campaign": "spring"}],
        description="Further headers of the INVITE; {{name}} stands for a variable.",
    )
    ring_timeout_s: float | None = Field(None, ge=1, le=600, description="Without it the trunk's ring_timeout_s.")
    max_duration_s: float | None = Field(
        None, ge=1, le=86_400, description="From the answer on; it can only shorten what the agent's limits allow."
    )
    metadata: Annotated[dict[str, Any], _bounded(MAX_METADATA_BYTES)] = Field(
        default_factory=dict, examples=[{"order": 4711}], description="Comes back with the call; never interpreted."
    )
    webhook: Annotated[Any, BeforeValidator(_refuse_webhook)] = Field(None, description="Not in this version.")


class TransferRequest(Shape):
    """Whom the far end should call instead: exactly one of the two."""

    to: Annotated[str, AfterValidator(_check_destination)] | None = Field(
        None, min_length=1, max_length=256, examples=["+15550122"], description="Blind: a number or a sip: URI."
    )
    to_call: str | None = Field(
        None, max_length=64, examples=["c-abcdefghijkl"], description="Attended: another call of this gateway."
    )


class View(BaseModel):
    """What answers are made of. Octets of a peer's that are no UTF-8 live on as surrogates, which no answer can carry:
    one name with such in it would keep every other call out of a list."""

    @model_validator(mode="before")
    @classmethod
    def _as_text(cls, data: Any) -> Any:
        return _as_text(data)


def _as_text(data: Any) -> Any:
    match data:
        case str():
            return data.encode("utf-8", "replace").decode()
        case dict():
            return {_as_text(name): _as_text(value) for name, value in data.items()}
        case list() | tuple():
            return [_as_text(value) for value in data]
        case _:
            return data


class SipWord(View):
    """What the far end's SIP said at one point."""

    status: int | None = Field(None, examples=[486])
    reason: str | None = Field(None, examples=["Busy Here"])
    q850_cause: int | None = Field(None, examples=[17], description="Of a Reason header (RFC 3326).")
    q850_text: str | None = None
    cause: str | None = Field(None, description="How it ended where no answer did, such as ring_timeout.")


class CallView(View):
    """A call, live or ended lately."""

    model_config = ConfigDict(populate_by_name=True)

    id: str = Field(examples=["c-8s0zq1v7d2kf"])
    direction: str = Field(examples=["outbound"])
    state: str = Field(
        examples=["ringing"], description="queued, dialing, ringing, answering, talking, held, transferring or ended."
    )
    from_: str = Field(alias="from", examples=["+15550100"])
    to: str = Field(examples=["+15550111"])
    trunk: str
    agent: str
    rule: str = Field(description="The route that chose the agent; order in a call that was ordered.")
    sip_call_id: str = Field(description="The Call-ID header: what carriers ask for. Empty until the INVITE has left.")
    created_at: datetime.datetime
    times: dict[str, datetime.datetime] = Field(description="When each milestone was first reached.")
    setup_s: float | None = Field(description="From the order or the INVITE to the answer.")
    duration_s: float = Field(description="From the answer to the end; 0 while the call lasts.")
    end_reason: str | None = Field(examples=["busy"])
    sip: SipWord | None = Field(description="The last thing the far end's SIP said.")
    sip_replies: list[SipWord]
    codec: str | None
    media: dict[str, float] = Field(description="Figures of the line, after the end.")
    transfer: dict[str, Any] | None
    variables: dict[str, str]
    metadata: dict[str, Any]


class CallList(View):
    """Calls, the latest first."""

    calls: list[CallView]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")
