"""Where the time of each turn went, from the caller's last voiced frame to the agent's first, and a picture of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_VISIBLE_MS = 1.0
"""A stage shorter than this has no width in the picture, and so no place in its legend."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer. Times are monotonic seconds, in the order in which they happened."""

    name: str
    last_voiced_frame: float
    """The caller's last frame that was no silence left the telephone."""
    speech_stopped: float
    """The provider decided that the caller had finished."""
    response_created: float
    first_audio: float
    """The provider sent the first of its voice."""
    first_rtp: float
    """The caller's telephone received the first of it."""

    STAGES = (
        "provider waits for the end of the turn",
        "provider begins an answer",
        "provider's first voice",
        "gateway, to the caller's ear",
    )

    def stages_ms(self) -> list[float]:
        """How long each of STAGES took; they add up to ``total_ms``."""
        times = (
            self.last_voiced_frame,
            self.speech_stopped,
            self.response_created,
            self.first_audio,
            self.first_rtp,
        )
        return [(after - before) * 1000 for before, after in itertools.pairwise(times)]

    @property
    def total_ms(self) -> float:
        """What the caller perceives as the agent's reaction time."""
        return (self.first_rtp - self.last_voiced_frame) * 1000

    @property
    def return_ms(self) -> float:
        """The way back alone: provider's first audio to the first RTP packet at the caller.

        The way there, up to one uplink chunk, is within the first stage, which only the provider can see the end of.
        """
        return (self.first_rtp - self.first_audio) * 1000


def draw_waterfall(turns: Sequence[Turn], path: Path) -> bool:
    """Draws the turns as stacked bars. False when matplotlib (the ``pictures`` extra) is not installed."""
    try:
        import matplotlib  # noqa: PLC0415

        matplotlib.use("Agg")
        from matplotlib import pyplot  # noqa: PLC0415
    except ImportError:
        return False
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.7 * len(turns)))
    names = [turn.name for turn in turns]
    left = [0.0] * len(turns)
    for index, stage in enumerate(Turn.STAGES):
        widths = [turn.stages_ms()[index] for turn in turns]
        axes.barh(names, widths, left=left, label=stage if max(widths, default=0) >= _VISIBLE_MS else None)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for row, (turn, end) in enumerate(zip(turns, left, strict=True)):
        axes.text(end + 10, row, f"{turn.total_ms:.0f} ms", va="center")
    axes.set_xlim(0, max(left, default=1) * 1.12)
    axes.set_title("Where the reaction time goes (emulated provider)")
    axes.set_xlabel("milliseconds after the caller's last voiced frame")
    axes.invert_yaxis()
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), ncol=2, frameon=False)
    figure.savefig(path, dpi=120, bbox_inches="tight")
    pyplot.close(figure)
    return True
