"""The voice agent's provider."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema

from gateway.settings import values
from gateway.settings.schema.section import STRING, Seconds, SecretText, Section, WholeNumber

INWORLD_URL = "wss://api.inworld.ai/api/v1/realtime/session"

ProviderUrl: TypeAlias = Annotated[str, PlainValidator(values.parse_provider_url), WithJsonSchema(STRING)]


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
