"""The shape of the settings file, by subject. Every field says what it means; its unit is in its name."""

from gateway.settings.schema.agent import (
    AgentSettings,
    DigitSettings,
    GreetingSettings,
    HangUpSettings,
    InterruptionSettings,
    LimitSettings,
    ToolSettings,
)
from gateway.settings.schema.inworld import INWORLD_URL, InworldSettings
from gateway.settings.schema.media import MediaSettings
from gateway.settings.schema.node import ControlSettings, KeySettings, NodeSettings
from gateway.settings.schema.protection import BanSettings, ProtectionSettings
from gateway.settings.schema.root import Settings
from gateway.settings.schema.route import RouteSettings
from gateway.settings.schema.section import Section
from gateway.settings.schema.sip import DnsSettings, SessionTimerSettings, SipSettings, SipTlsSettings
from gateway.settings.schema.trunk import AccountSettings, TrunkHeaderSettings, TrunkSettings, TrunkTlsSettings

__all__ = [
    "INWORLD_URL",
    "AccountSettings",
    "AgentSettings",
    "BanSettings",
    "ControlSettings",
    "DigitSettings",
    "DnsSettings",
    "GreetingSettings",
    "HangUpSettings",
    "InterruptionSettings",
    "InworldSettings",
    "KeySettings",
    "LimitSettings",
    "MediaSettings",
    "NodeSettings",
    "ProtectionSettings",
    "RouteSettings",
    "Section",
    "SessionTimerSettings",
    "Settings",
    "SipSettings",
    "SipTlsSettings",
    "ToolSettings",
    "TrunkHeaderSettings",
    "TrunkSettings",
    "TrunkTlsSettings",
]
