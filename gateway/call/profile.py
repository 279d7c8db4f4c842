"""Which agent answers: the settings' agents as profiles, and the decision for one INVITE with the rule that made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.base.errors import SettingsError
from gateway.call.conversation.actions import TOOL_DECLARATIONS
from gateway.call.conversation.conversation import AgentProfile
from gateway.call.conversation.turn import InterruptionPolicy
from gateway.inworld.session import TelephoneFormat, build_session
from gateway.settings.match import CallFacts, choose_route
from gateway.settings.schema import AgentSettings, GreetingSettings, Settings
from gateway.settings.templates import render

MAX_TRIED = 20
"""Routes that a decision tells of."""


@dataclass(frozen=True, slots=True)
class RouteDecision:
    """Who answers, and the rule that said so; ``agent`` is None when no route fits."""

    agent: str | None
    trunk: str
    rule: str
    account: str = ""
    tried: tuple[str, ...] = ()
    """Each route that was looked at, with why it did not fit, the last ones where there are many."""


def route_call(settings: Settings, facts: CallFacts) -> RouteDecision:
    """The first route that fits."""
    choice = choose_route(settings.routes, facts)
    agent = None if choice.route is None else choice.route.agent
    tried = tuple(map(str, choice.trials[-MAX_TRIED:]))
    return RouteDecision(agent, facts.trunk, choice.rule, facts.account, tried)


def personalise(agent: AgentSettings, variables: Mapping[str, str]) -> AgentSettings:
    """The agent of one call: ``{{name}}`` in its instructions and greeting replaced; unknown ones are empty."""
    session, greeting = agent.session, agent.greeting
    instructions = session.get("instructions")
    if isinstance(instructions, str):
        session = {**session, "instructions": render(instructions, variables)}
    if greeting is not None:
        texts = {key: render(text, variables) for key, text in greeting if isinstance(text, str)}
        greeting = greeting.model_copy(update=texts)
    return agent.model_copy(update={"session": session, "greeting": greeting})


def profile_of(agent: AgentSettings) -> AgentProfile:
    """What a conversation needs of an agent's settings."""
    digits = agent.digits
    return AgentProfile(
        greeting_instructions=_greeting_instructions(agent.greeting),
        interruption=InterruptionPolicy(
            is_allowed=agent.interruption.mode != "off",
            protects_greeting=agent.interruption.protect_greeting,
        ),
        tools=tuple(name for name in TOOL_DECLARATIONS if getattr(agent.tools, name) is not None),
        digit_pause_s=digits.collect_ms / 1000 if digits else None,
        digit_terminator=(digits.terminator or None) if digits else None,
    )


def session_for(
    agent: AgentSettings, profile: AgentProfile, *, audio_format: TelephoneFormat, call_id: str
) -> dict[str, Any]:
    """The complete session of one call: the agent's own settings, our formats and tools, and who interrupts."""
    session = build_session(
        agent.session,
        audio_format=audio_format,
        tools=[TOOL_DECLARATIONS[name] for name in profile.tools],
        call_id=call_id,
    )
    if not profile.interruption.is_allowed:
        # The provider would otherwise cancel by itself what the caller is meant to hear to its end.
        detection = session["audio"]["input"].get("turn_detection")
        if isinstance(detection, Mapping):
            session["audio"]["input"]["turn_detection"] = {**detection, "interrupt_response": False}
    return session


def agent_faults(settings: Settings) -> list[tuple[tuple[str | int, ...], str]]:
    """Builds every agent's session once, so that a wrong one is a fault of the settings and not of the first call.

    Answers with (path in the settings, what is wrong and what to do) for each fault.
    """
    found: list[tuple[tuple[str | int, ...], str]] = []
    for name, agent in settings.agents.items():
        try:
            session = session_for(agent, profile_of(agent), audio_format="audio/pcmu", call_id="check")
        except SettingsError as error:
            for fault in error.faults:
                key, _, words = fault.partition(" ")
                found.append((("agents", name, *key.split(".")), words))
        else:
            found += [
                (("agents", name, "session", "audio", "input", *key), words) for key, words in _turn_faults(session)
            ]
    return found


def check_agents(settings: Settings) -> None:
    """The same for settings that were not read from a file. Raises SettingsError with all faults."""
    faults = [f"{'.'.join(map(str, path))} {words}" for path, words in agent_faults(settings)]
    if faults:
        raise SettingsError(faults)


def _turn_faults(session: Mapping[str, Any]) -> list[tuple[tuple[str, ...], str]]:
    """The gateway relies on the provider to notice a turn's end and to answer it: without either nobody would."""
    detection = session["audio"]["input"].get("turn_detection")
    if not isinstance(detection, Mapping):
        remedy = "write {type: semantic_vad, eagerness: medium}"
        return [(("turn_detection",), f"is off, and manual turn taking is not in this version; {remedy}")]
    if detection.get("create_response") is not True:
        where = ("turn_detection", "create_response")
        return [(where, "is false, which is not in this version: nobody would answer the caller; remove it")]
    return []


def _greeting_instructions(greeting: GreetingSettings | None) -> str | None:
    if greeting is None:
        return None
    if greeting.say is not None:
        return f"Say exactly the following words and nothing else: {greeting.say}"
    return greeting.instructions
