"""The door: how much a source may ask for, and who is kept out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from gateway.settings.schema.section import (
    NONE_IS_A_WORD,
    Number,
    Seconds,
    Section,
    WholeNumber,
    accept_number_403,
    read_none,
)


class BanSettings(Section):
    """When a source gets silence for a while."""

    failures: WholeNumber = Field(5, ge=1, le=1000)
    """So many wrong passwords or unknown user names …"""
    within_s: Seconds = Field(60, ge=1, le=86_400)
    """… in so many seconds …"""
    for_s: Seconds = Field(600, ge=1, le=86_400)
    """… keep the source out for so long."""


class ProtectionSettings(Section):
    """How much a source may ask for, and who is kept out. Sources that a trunk lists in accept_from have the limits of
    their trunk instead, and are never banned."""

    invites_per_second: Number = Field(20, ge=0.1, le=100_000)
    """New calls of one source in a second; more get 503."""
    requests_per_second: Number = Field(100, ge=1, le=100_000)
    """Requests of one source in a second, new calls included; more get silence."""
    unconfirmed_invites: WholeNumber | None = Field(None, ge=1, le=30_000)
    """Calls of one source, a trunk's too, that ring or are answered without an ACK yet; more get 503. A forged source
    never confirms, and must not hold all sessions of the provider. Without it: half of inworld.max_sessions."""
    ban: Annotated[BanSettings | None, BeforeValidator(read_none), NONE_IS_A_WORD] = BanSettings()
    """When a source gets silence for a while; none never bans."""
    scanners: Annotated[
        Literal["silence", "403", "off"],
        BeforeValidator(accept_number_403),
        WithJsonSchema({"enum": ["silence", "403", "off", 403]}),
    ] = "silence"
    """What programs get that search the Internet for gateways to call through, known by their name or the number they
    dial: no answer, or 403. off: they are strangers like any other."""
