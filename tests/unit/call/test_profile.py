from __future__ import annotations

from typing import Any

import pytest

from gateway.base.errors import SettingsError
from gateway.call.profile import check_agents, personalise, profile_of, route_call, session_for
from gateway.settings.match import CallFacts
from gateway.settings.schema import AgentSettings, Settings


def settings(**changes: Any) -> Settings:
    base: dict[str, Any] = {
        "inworld": {"api_key": ""},
        "trunks": {"carrier": {"accept_from": ["198.51.100.0/24"]}},
        "agents": {"desk": {}, "sales": {}},
        "routes": [
            {"trunk": "carrier", "to": "+15550100", "agent": "sales"},
            {"trunk": "carrier", "from": "+44*", "agent": "desk"},
        ],
    }
    return Settings.model_validate(base | changes)


def agent(**fields: Any) -> AgentSettings:
    return AgentSettings.model_validate(fields)


def test_the_first_route_that_fits_decides_and_is_named() -> None:
    decision = route_call(settings(), CallFacts("+15550100", "+441", "carrier"))
    assert (decision.agent, decision.rule) == ("sales", "routes[0]")
    decision = route_call(settings(), CallFacts("+15550199", "+441", "carrier"))
    assert (decision.agent, decision.rule) == ("desk", "routes[1]")


def test_a_call_that_fits_no_route_has_no_agent() -> None:
    decision = route_call(settings(), CallFacts("+1", "+1", "carrier"))
    assert decision.agent is None
    assert decision.rule == "no_route"
    assert decision.tried[0].startswith("routes[0]: ")


def test_a_greeting_is_verbatim_or_free_or_absent() -> None:
    verbatim = profile_of(agent(greeting={"say": "Good day."})).greeting_instructions
    assert verbatim is not None
    assert verbatim.endswith("Good day.")
    assert profile_of(agent(greeting={"instructions": "Greet."})).greeting_instructions == "Greet."
    assert profile_of(agent(greeting="none")).greeting_instructions is None


def test_digits_interruption_and_tools_come_from_the_settings() -> None:
    profile = profile_of(
        agent(
            digits={"collect_ms": 900, "terminator": ""},
            interruption={"mode": "off", "protect_greeting": True},
            tools={"hang_up": {}},
        )
    )
    assert profile.digit_pause_s == 0.9
    assert profile.digit_terminator is None
    assert not profile.interruption.is_allowed
    assert profile.interruption.protects_greeting
    assert profile.tools == ("hang_up",)
    assert profile_of(agent(digits="none")).digit_pause_s is None


def test_the_session_carries_the_calls_codec_and_the_declared_tools() -> None:
    settings_of_agent = agent(session={"instructions": "Be kind."}, tools={"hang_up": {}})
    session = session_for(settings_of_agent, profile_of(settings_of_agent), audio_format="audio/pcma", call_id="c-1")
    assert session["instructions"] == "Be kind."
    assert session["audio"]["input"]["format"] == {"type": "audio/pcma"}
    assert [tool["name"] for tool in session["tools"]] == ["hang_up"]
    assert session["audio"]["input"]["turn_detection"]["interrupt_response"] is True


def test_an_agent_that_is_never_interrupted_tells_the_provider_so() -> None:
    quiet = agent(interruption={"mode": "off"})
    session = session_for(quiet, profile_of(quiet), audio_format="audio/pcmu", call_id="c-1")
    assert session["audio"]["input"]["turn_detection"]["interrupt_response"] is False


def test_agents_whose_session_cannot_be_built_are_all_named_before_any_call_comes() -> None:
    check_agents(settings())
    broken = {"desk": {"session": {"audio": "loud"}}, "sales": {"session": {"providerData": 3}}}
    with pytest.raises(SettingsError) as refused:
        check_agents(settings(agents=broken))
    assert len(refused.value.faults) == 2
    assert refused.value.faults[1].startswith("agents.sales.session.providerData must be a mapping")
    assert refused.value.faults[0].startswith("agents.desk.session.audio must be a mapping")


@pytest.mark.parametrize("detection", [None, {"type": "semantic_vad", "create_response": False}])
def test_a_session_in_which_nobody_would_ever_answer_is_refused(detection: object) -> None:
    mute = {"desk": {"session": {"audio": {"input": {"turn_detection": detection}}}}, "sales": {}}
    with pytest.raises(SettingsError, match="not in this version"):
        check_agents(settings(agents=mute))


def test_an_agents_texts_are_filled_with_the_calls_variables() -> None:
    agent = AgentSettings.model_validate(
        {
            "session": {"instructions": "Greet {{caller_name}} of {{office}}.", "model": "m {{caller}}"},
            "greeting": {"say": "Hello {{ caller_name }}!"},
        }
    )
    called = personalise(agent, {"caller_name": "Ann", "caller": "1001"})
    assert called.session == {"instructions": "Greet Ann of .", "model": "m {{caller}}"}
    assert called.greeting is not None
    assert called.greeting.say == "Hello Ann!"
    assert agent.session["instructions"] == "Greet {{caller_name}} of {{office}}.", "the settings stay"


def test_an_agent_without_texts_is_filled_too() -> None:
    assert personalise(AgentSettings(), {"caller": "1001"}) == AgentSettings()
