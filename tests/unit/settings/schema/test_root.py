"""The shape of the settings: defaults, strictness, and the words that are not quite YAML's."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.base.redact import Secret
from gateway.settings import schema
from gateway.settings.schema import (
    AgentSettings,
    DigitSettings,
    InworldSettings,
    MediaSettings,
    RouteSettings,
    Settings,
    ToolSettings,
)

SMALLEST: dict[str, Any] = {
    "inworld": {"api_key": "k"},
    "trunks": {"carrier": {"accept_from": ["198.51.100.0/24"]}},
    "agents": {"receptionist": {}},
    "routes": [{"agent": "receptionist"}],
}


def test_the_defaults_of_the_smallest_settings() -> None:
    settings = Settings.model_validate(SMALLEST)
    assert (settings.node.name, settings.node.max_calls) == ("gateway", 200)
    assert [str(address) for address in settings.sip.listen] == ["udp://0.0.0.0:5060", "tcp://0.0.0.0:5060"]
    assert settings.sip.advertise is None
    assert (str(settings.media.ports), settings.media.codecs) == ("20000-29999", ("PCMU", "PCMA"))
    assert (settings.media.reorder_ms, settings.media.silence_timeout_s) == (40, 30)
    assert settings.inworld.url == "wss://api.inworld.ai/api/v1/realtime/session"
    assert (settings.inworld.auth, settings.inworld.max_sessions) == ("basic", 20)
    assert (settings.inworld.chunk_ms, settings.inworld.answer_after_s) == (60, 10)
    assert settings.trunks["carrier"].max_calls is None
    agent = settings.agents["receptionist"]
    assert (agent.session, agent.greeting, agent.tools.hang_up) == ({}, None, None)
    assert (agent.interruption.mode, agent.interruption.protect_greeting) == ("server", False)
    assert agent.digits == DigitSettings(collect_ms=1500, terminator="#")
    assert (agent.limits.duration_s, agent.limits.idle_s) == (3600, 0)
    assert [(route.trunk, route.to, route.from_) for route in settings.routes] == [("*", "*", "*")]
    assert (str(settings.control.listen), settings.control.metrics) == ("127.0.0.1:8080", True)
    assert settings.unknown_callers == "silence"
    assert settings.accounts == {}
    assert settings.control.keys == ()


def test_accounts_alone_will_do() -> None:
    settings = Settings.model_validate(
        {key: value for key, value in SMALLEST.items() if key != "trunks"} | {"accounts": {"1001": {"password": "p"}}}
    )
    assert settings.trunks == {}
    assert settings.accounts["1001"].password == Secret("p")


@pytest.mark.parametrize("missing", ["inworld", "agents", "routes"])
def test_what_has_no_default_is_required(missing: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({key: value for key, value in SMALLEST.items() if key != missing})
    assert [(error["type"], error["loc"]) for error in caught.value.errors()] == [("missing", (missing,))]


def test_settings_cannot_be_changed() -> None:
    settings = Settings.model_validate(SMALLEST)
    with pytest.raises(ValidationError):
        settings.node.max_calls = 1  # type: ignore[misc]


def test_keys_without_a_value_are_absent() -> None:
    settings = Settings.model_validate(SMALLEST | {"sip": None, "media": {"ports": None}, "agents": {"a": None}})
    assert settings.sip.listen
    assert str(settings.media.ports) == "20000-29999"
    assert settings.agents["a"].limits.duration_s == 3600


def test_null_inside_a_session_is_a_value() -> None:
    agent = AgentSettings.model_validate({"session": {"audio": {"input": {"turn_detection": None}}}})
    assert agent.session == {"audio": {"input": {"turn_detection": None}}}


def test_a_tool_that_is_only_named_is_enabled() -> None:
    assert ToolSettings.model_validate({"hang_up": None}).hang_up is not None
    assert ToolSettings.model_validate({"hang_up": {}}).hang_up is not None
    assert ToolSettings.model_validate({}).hang_up is None


def test_none_is_a_word() -> None:
    agent = AgentSettings.model_validate({"greeting": "none", "digits": "none"})
    assert agent.greeting is None
    assert agent.digits is None


def test_off_is_a_word() -> None:
    assert AgentSettings.model_validate({"interruption": {"mode": "off"}}).interruption.mode == "off"


@pytest.mark.parametrize("said", ["403", 403])
def test_403_may_be_a_number(said: object) -> None:
    assert Settings.model_validate(SMALLEST | {"unknown_callers": said}).unknown_callers == "403"


def test_numbers_may_be_text_because_references_are() -> None:
    media = MediaSettings.model_validate({"reorder_ms": "60", "silence_timeout_s": "2.5"})
    assert (media.reorder_ms, media.silence_timeout_s) == (60, 2.5)


@pytest.mark.parametrize(
    ("section", "values"),
    [
        (MediaSettings, {"reorder_ms": True}),
        (MediaSettings, {"reorder_ms": -1}),
        (MediaSettings, {"reorder_ms": 1.5}),
        (MediaSettings, {"silence_timeout_s": float("nan")}),
        (MediaSettings, {"codecs": []}),
        (MediaSettings, {"codecs": ["PCMU", "PCMU"]}),
        (MediaSettings, {"codecs": ["opus"]}),
        (MediaSettings, {"unheard": 1}),
        (InworldSettings, {"api_key": "k", "chunk_ms": 50}),
        (InworldSettings, {"api_key": "k", "chunk_ms": 220}),
        (InworldSettings, {"api_key": "k", "answer_after_s": 0}),
        (InworldSettings, {"api_key": "k", "auth": "digest"}),
        (DigitSettings, {"terminator": "##"}),
        (DigitSettings, {"collect_ms": 99}),
        (RouteSettings, {"agent": "a", "to": 15550100}),
        (RouteSettings, {"agent": "a", "to": ""}),
        (RouteSettings, {"agent": "a", "from_": "x"}),
        (AgentSettings, {"session": {"temperature": float("inf")}}),
        (AgentSettings, {"session": {"list": [{"x": float("nan")}]}}),
        (AgentSettings, {"interruption": {"mode": "duck"}}),
        (AgentSettings, {"greeting": {"say": ""}}),
        (Settings, SMALLEST | {"trunks": {"a b": {"accept_from": ["::1"]}}}),
        (Settings, SMALLEST | {"unknown_callers": 404}),
    ],
)
def test_values_out_of_shape_are_refused(section: type, values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        section.model_validate(values)  # type: ignore[attr-defined]


def test_secrets_never_show() -> None:
    settings = Settings.model_validate(SMALLEST | {"inworld": {"api_key": "c2VjcmV0"}})
    assert settings.inworld.api_key == Secret("c2VjcmV0")
    for shown in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert "c2VjcmV0" not in shown


def test_an_empty_key_means_the_embedded_emulator() -> None:
    assert InworldSettings(api_key=Secret("")).uses_embedded_emulator
    assert not InworldSettings(api_key=Secret("k")).uses_embedded_emulator


def test_every_setting_is_described() -> None:
    def undescribed(model: type) -> list[str]:
        return [name for name, field in model.model_fields.items() if not field.description]  # type: ignore[attr-defined]

    sections = [one for one in vars(schema).values() if isinstance(one, type) and issubclass(one, schema.Section)]
    assert len(sections) > 20
    assert [(section, undescribed(section)) for section in sections if undescribed(section)] == []
