"""What only the garbage collector would free: in a process that lets it come rarely, that is memory which grows."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[Counter[str]]:
    """The collector rests meanwhile. The counter is filled at the end: classes of ours, and how many waited for it."""
    left: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    try:
        yield left
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left.update(
            f"{kind.__module__}.{kind.__qualname__}"
            for kind in map(type, gc.garbage)
            if kind.__module__.startswith("gateway.")
        )
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
