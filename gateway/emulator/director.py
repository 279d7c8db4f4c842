"""Which reaction of the scenario comes next: the latest thing the agent was given decides."""

from __future__ import annotations

import enum

from gateway.emulator.scenario import Reaction, Scenario
from gateway.emulator.speech import CallerTurn


class _Stimulus(enum.Enum):
    NOTHING = "nothing"
    TURN = "turn"
    TEXT = "text"
    TOOL_OUTPUTS = "tool_outputs"


class Director:
    """Told of turns, texts and tool outputs as they come; asked for a reaction when a response starts."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._stimulus = _Stimulus.NOTHING
        self._after_tool: Reaction | None = None
        self._has_responded = False
        self.turns_heard = 0
        self.last_turn: CallerTurn | None = None
        self.last_text = ""

    def hear_turn(self, turn: CallerTurn) -> None:
        """The caller finished a spoken turn."""
        self.turns_heard += 1
        self.last_turn = turn
        self._stimulus = _Stimulus.TURN

    def read_text(self, text: str) -> None:
        """A user or system text item came in."""
        self.last_text = text
        self._stimulus = _Stimulus.TEXT

    def take_tool_output(self) -> None:
        """A function call was answered."""
        self._stimulus = _Stimulus.TOOL_OUTPUTS

    def next_transcript(self) -> str | None:
        """The scripted words of the turn that is being spoken now."""
        return self._scenario.transcript_of_turn(self.turns_heard + 1)

    def choose(self, instructions: str = "") -> Reaction:
        """The reaction of the response that starts now; ``instructions`` are those of its response.create."""
        reaction = self._react(instructions)
        self._stimulus = _Stimulus.NOTHING
        self._has_responded = True
        if reaction.tool:
            self._after_tool = reaction.after_tool
        return reaction

    def _react(self, instructions: str) -> Reaction:
        if self._stimulus is _Stimulus.TURN:
            return self._scenario.reaction_to_turn(self.turns_heard)
        if self._stimulus is _Stimulus.TOOL_OUTPUTS:
            return self._after_tool or self._scenario.after_tools
        if self._stimulus is _Stimulus.NOTHING:
            self.last_text = instructions
        matching = self._scenario.reaction_to_text(self.last_text)
        return matching or (self._scenario.other_texts if self._has_responded else self._scenario.greeting)
