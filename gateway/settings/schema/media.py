"""Audio of the telephone side."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from gateway.settings import values
from gateway.settings.schema.section import STRING, Seconds, Section, WholeNumber, refuse_repetition
from gateway.settings.values import PortRange, wrong

MediaPorts: TypeAlias = Annotated[
    PortRange, PlainValidator(values.parse_port_range), PlainSerializer(str), WithJsonSchema(STRING)
]
MediaAddress: TypeAlias = Annotated[str, PlainValidator(values.parse_media_address), WithJsonSchema(STRING)]


def _refuse_later_codec(value: object) -> object:
    if isinstance(value, str) and value.upper() in {"G722", "OPUS"}:
        raise wrong("is not in this version", "write PCMU or PCMA")
    return value


class MediaSettings(Section):
    """Audio of the telephone side."""

    ports: MediaPorts = PortRange(20_000, 29_999)
    """UDP ports for RTP and RTCP, two for each call."""
    advertise: MediaAddress | None = None
    """IP address that callers are told to send audio to when the gateway stands behind a NAT. Without it: the local
    address that routes to the peer."""
    codecs: Annotated[
        tuple[Annotated[Literal["PCMU", "PCMA"], BeforeValidator(_refuse_later_codec)], ...],
        AfterValidator(refuse_repetition),
    ] = Field(("PCMU", "PCMA"), min_length=1)
    """Codecs to accept. Among them the caller's order of preference decides."""
    reorder_ms: WholeNumber = Field(40, ge=0, le=500)
    """How long a gap in the caller's audio waits for a late packet. Packets in order never wait."""
    silence_timeout_s: Seconds = 30
    """A call from which no RTP came for so long is ended; 0 switches this off."""
