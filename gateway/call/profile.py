"""Which agent answers: the settings' agents as profiles, and the decision for one INVITE with the rule that made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.base.errors import SettingsError
from gateway.call.actions import TOOL_DECLARATIONS
from gateway.call.conversation import AgentProfile
from gateway.call.turn import InterruptionPolicy
from gateway.inworld.session import TelephoneFormat, build_session
from gateway.settings.match import choose_route
from gateway.settings.schema import AgentSettings, GreetingSettings, Settings


@dataclass(frozen=True, slots=True)
class RouteDecision:
    """Who answers, and the rule that said so; ``agent`` is None when no route fits."""

    agent: str | None
    trunk: str
    rule: str


def route_call(settings: Settings, *, trunk: str, to: str, from_: str) -> RouteDecision:
    """The first route that fits. ``to`` and ``from_`` are the user parts of the called and the calling URI."""
    match = choose_route(settings.routes, trunk=trunk, to=to, from_=from_)
    if match is None:
        return RouteDecision(None, trunk, "no route fits")
    return RouteDecision(match.route.agent, trunk, match.rule)


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
