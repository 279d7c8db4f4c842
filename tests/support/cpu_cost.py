"""What a piece of work costs, so that a machine with other things to do comes to the same verdict."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

TRIES = 8


def yardsticks(action: Callable[[], object], at_most: float) -> float:
    """What ``action`` costs, as a multiple of ``yardstick``: some 10 ms on a machine of today.

    Processor time of this thread, the best of some tries; no more tries once one was within ``at_most``. The yardstick
    is measured beside each: a slow machine, or a slow moment, is slow for both.
    """
    best = float("inf")
    for _ in range(TRIES):
        cost = _cost_s(action)
        best = min(best, cost / max(_cost_s(yardstick), _cost_s(yardstick)))
        if best <= at_most:
            break
    return best


def yardstick() -> object:
    """Work of a known size: function calls, texts, a table."""
    found: dict[str, int] = {}
    for number in range(16_000):
        text = f"name-{number};{number}".partition(";")[2]
        found[text] = found.get(text, 0) + int(text)
    return found


def calls_of(action: Callable[[], object]) -> Counter[str]:
    """Every function that ``action`` calls, Python's own included, and how often: the same for each try."""
    counted: Counter[str] = Counter()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            counted[frame.f_code.co_qualname] += 1
        elif event == "c_call":
            counted[argument.__qualname__] += 1

    former = sys.getprofile()
    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(former)
    return counted


def _cost_s(action: Callable[[], object]) -> float:
    began = time.thread_time()
    action()
    return time.thread_time() - began
