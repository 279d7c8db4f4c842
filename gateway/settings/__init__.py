"""Settings: one YAML file to frozen values, every fault reported at once with its line and remedy."""

from gateway.settings.load import FurtherCheck, load_settings, parse_settings
from gateway.settings.match import (
    CallFacts,
    NetworkTable,
    RouteChoice,
    RouteTrial,
    choose_route,
    matches_pattern,
    trunk_table,
)
from gateway.settings.schema import (
    AgentSettings,
    ControlSettings,
    DigitSettings,
    GreetingSettings,
    InterruptionSettings,
    InworldSettings,
    LimitSettings,
    MediaSettings,
    NodeSettings,
    RouteSettings,
    Settings,
    SipSettings,
    ToolSettings,
    TrunkSettings,
)
from gateway.settings.values import ListenAddress, PortRange

__all__ = [
    "AgentSettings",
    "CallFacts",
    "ControlSettings",
    "DigitSettings",
    "FurtherCheck",
    "GreetingSettings",
    "InterruptionSettings",
    "InworldSettings",
    "LimitSettings",
    "ListenAddress",
    "MediaSettings",
    "NetworkTable",
    "NodeSettings",
    "PortRange",
    "RouteChoice",
    "RouteSettings",
    "RouteTrial",
    "Settings",
    "SipSettings",
    "ToolSettings",
    "TrunkSettings",
    "choose_route",
    "load_settings",
    "matches_pattern",
    "parse_settings",
    "trunk_table",
]
