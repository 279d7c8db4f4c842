"""What the demo found out, step by step, as a table for people. A step that did not happen fails the demo."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that should happen in the conversation, whether it did, and what was measured."""

    name: str
    has_happened: bool
    measured: str


@dataclass(slots=True)
class Report:
    """The steps in the order of the conversation."""

    steps: list[Step] = field(default_factory=list)

    def add(self, name: str, has_happened: bool, measured: str) -> None:
        """Notes one step."""
        self.steps.append(Step(name, has_happened, measured))

    @property
    def is_complete(self) -> bool:
        """Every step happened."""
        return bool(self.steps) and all(step.has_happened for step in self.steps)

    def print(self, console: Console) -> None:
        """Shows the table."""
        table = Table(title="One telephone call, on loopback, over real UDP sockets", title_justify="left")
        table.add_column("step")
        table.add_column("happened")
        table.add_column("measured")
        for step in self.steps:
            mark = "[green]yes[/green]" if step.has_happened else "[bold red]NO[/bold red]"
            table.add_row(step.name, mark, step.measured)
        console.print(table)
