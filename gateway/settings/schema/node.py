"""This process, and the HTTP by which it is operated."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from gateway.base.redact import Secret
from gateway.settings import values
from gateway.settings.schema.section import STRING, Name, Section, WholeNumber
from gateway.settings.values import ListenAddress

ControlListen: TypeAlias = Annotated[
    ListenAddress, PlainValidator(values.parse_control_listen), PlainSerializer(str), WithJsonSchema(STRING)
]
Token: TypeAlias = Annotated[Secret, PlainValidator(values.parse_token), PlainSerializer(str), WithJsonSchema(STRING)]


class NodeSettings(Section):
    """This process."""

    name: Name = "gateway"
    """How this node calls itself in logs and metrics."""
    max_calls: WholeNumber = Field(200, ge=1, le=30_000)
    """Calls at the same time; the next one gets 503 with Retry-After."""


class KeySettings(Section):
    """Somebody who may use the REST API."""

    name: Name = Field(examples=["operations"])
    """How the log names whoever uses this key."""
    token: Token = Field(examples=["${GATEWAY_TOKEN}"])
    """What stands behind "Authorization: Bearer": at least 16 characters. Empty: this key is switched off."""
    role: Literal["viewer", "operator", "admin"] = "viewer"
    """viewer: sees calls. operator: places and ends them too. admin: everything."""


class ControlSettings(Section):
    """HTTP for operators: the REST API, /healthz, /readyz and /metrics."""

    listen: ControlListen = ListenAddress("http", "127.0.0.1", 8080)
    """ADDRESS:PORT. It is not encrypted: keep it private, or put a proxy with TLS before it."""
    metrics: bool = True
    """Whether /metrics is served."""
    keys: tuple[KeySettings, ...] = ()
    """Who may use the REST API; without a key nobody may."""
