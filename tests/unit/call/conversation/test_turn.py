from __future__ import annotations

from gateway.call.conversation.turn import Floor, InterruptionPolicy, Reaction, TurnTaking


def test_the_caller_may_interrupt_an_audible_agent() -> None:
    turns = TurnTaking(InterruptionPolicy())
    assert turns.agent_audio_queued() is True
    assert turns.agent_audio_queued() is False
    assert turns.caller_started(agent_is_active=True) is Reaction.INTERRUPT
    assert turns.floor is Floor.CALLER


def test_speech_while_nothing_plays_stops_nothing() -> None:
    turns = TurnTaking(InterruptionPolicy())
    assert turns.caller_started(agent_is_active=False) is Reaction.NOTHING_TO_STOP
    assert turns.floor is Floor.CALLER
    turns.caller_stopped()
    assert turns.floor is Floor.NOBODY


def test_an_agent_that_may_not_be_interrupted_keeps_the_floor() -> None:
    turns = TurnTaking(InterruptionPolicy(is_allowed=False))
    turns.agent_audio_queued()
    assert turns.caller_started(agent_is_active=True) is Reaction.KEEP_SPEAKING
    turns.caller_stopped()
    assert turns.floor is Floor.AGENT


def test_a_protected_greeting_shields_the_callers_audio_until_it_was_played() -> None:
    turns = TurnTaking(InterruptionPolicy(protects_greeting=True))
    turns.greeting_requested()
    turns.agent_audio_queued()
    assert turns.shields_caller_audio
    assert turns.caller_started(agent_is_active=True) is Reaction.KEEP_SPEAKING
    assert turns.agent_audio_played() is True
    assert not turns.shields_caller_audio
    turns.agent_audio_queued()
    assert turns.caller_started(agent_is_active=True) is Reaction.INTERRUPT


def test_an_unprotected_greeting_is_interrupted_like_any_response() -> None:
    turns = TurnTaking(InterruptionPolicy())
    turns.greeting_requested()
    turns.agent_audio_queued()
    assert not turns.shields_caller_audio
    assert turns.caller_started(agent_is_active=True) is Reaction.INTERRUPT
    assert not turns.is_greeting


def test_an_agent_turn_ends_once() -> None:
    turns = TurnTaking(InterruptionPolicy())
    turns.agent_audio_queued()
    assert turns.agent_audio_played() is True
    assert turns.agent_audio_played() is False
    assert turns.floor is Floor.NOBODY


def test_a_greeting_that_never_came_shields_nobody() -> None:
    turns = TurnTaking(InterruptionPolicy(protects_greeting=True))
    turns.greeting_requested()
    assert turns.shields_caller_audio
    assert not turns.may_interrupt
    assert turns.agent_audio_played() is False
    assert not turns.shields_caller_audio
    assert turns.may_interrupt


def test_a_cut_on_our_own_account_leaves_the_floor_to_nobody() -> None:
    turns = TurnTaking(InterruptionPolicy())
    turns.agent_audio_queued()
    turns.agent_cut_off()
    assert turns.floor is Floor.NOBODY


def test_a_caller_who_is_speaking_is_known_to_be_until_he_stops() -> None:
    turns = TurnTaking(InterruptionPolicy(is_allowed=False))
    turns.agent_audio_queued()
    turns.caller_started(agent_is_active=True)
    assert turns.is_caller_speaking
    turns.caller_stopped()
    assert not turns.is_caller_speaking
