"""What only the garbage collector would free: in a process that lets it come rarely, that is memory which grows."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector(*made: type) -> Iterator[Counter[str]]:
    """The collector rests meanwhile. At the end the counter is filled: by class, how many objects are left over.

    That is every object of ours that only the collector can free, and of the classes ``made`` whatever more there is
    than before, reachable or not.
    """
    left: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    before = _there_are(made)
    try:
        yield left
        more = _there_are(made) - before
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left.update(name for name in map(_name, gc.garbage) if name.startswith("gateway."))
        left |= more
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def _there_are(kinds: tuple[type, ...]) -> Counter[str]:
    # By type, not by isinstance: a weak proxy would ask the object, which may be gone.
    return Counter(_name(item) for item in gc.get_objects() if issubclass(type(item), kinds))


def _name(item: object) -> str:
    return f"{type(item).__module__}.{type(item).__qualname__}"
