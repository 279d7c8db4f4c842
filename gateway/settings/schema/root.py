"""The settings as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from gateway.settings.schema.agent import AgentSettings
from gateway.settings.schema.inworld import InworldSettings
from gateway.settings.schema.media import MediaSettings
from gateway.settings.schema.node import ControlSettings, NodeSettings
from gateway.settings.schema.protection import ProtectionSettings
from gateway.settings.schema.route import RouteSettings
from gateway.settings.schema.section import Name, Section, accept_number_403, name_empty_entries
from gateway.settings.schema.sip import SipSettings
from gateway.settings.schema.trunk import AccountName, AccountSettings, TrunkSettings


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
    trunks: Annotated[Mapping[Name, TrunkSettings], BeforeValidator(name_empty_entries)] = Field(
        default_factory=dict, examples=["{carrier: {accept_from: [198.51.100.0/24]}}"]
    )
    """Carriers and PBXs, by name: where calls come from and go to. Without any there must be accounts."""
    agents: Annotated[Mapping[Name, AgentSettings], BeforeValidator(name_empty_entries)] = Field(
        min_length=1, examples=["{receptionist: {session: {instructions: …}}}"]
    )
    """Who answers, by name."""
    routes: tuple[RouteSettings, ...] = Field(min_length=1, examples=["[{agent: receptionist}]"])
    """Which agent answers which calls: the first route that fits wins; a call that fits none gets 404."""
    accounts: Annotated[Mapping[AccountName, AccountSettings], BeforeValidator(name_empty_entries)] = Field(
        default_factory=dict, examples=["{'1001': {password: '${PHONE_1001}'}}"]
    )
    """Phones that register here, by user name."""
    protection: ProtectionSettings = ProtectionSettings()
    """How much a source may ask for, and who is kept out."""
    control: ControlSettings = ControlSettings()
    """HTTP for operators."""
    unknown_callers: Annotated[
        Literal["silence", "403"],
        BeforeValidator(accept_number_403),
        WithJsonSchema({"enum": ["silence", "403", 403]}),
    ] = "silence"
    """What a source that belongs to no trunk gets: no answer at all, or 403."""
