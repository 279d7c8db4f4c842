"""One thing that is wrong with a settings file: where it is, what it is, and what to do about it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list positions from the top of the file: ``("trunks", "carrier", "accept_from", 0)``."""

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+|\*")


@dataclass(frozen=True, slots=True)
class Fault:
    """``text`` continues the sentence that the path begins, or stands alone when the whole file is meant."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{write_path(self.path)}: {self.text}" if self.path else self.text


def write_path(path: Path) -> str:
    """``trunks.carrier.accept_from[0]``; keys with other characters are quoted."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        else:
            parts.append("." + (step if _PLAIN_KEY.fullmatch(step) else json.dumps(step, ensure_ascii=False)))
    return "".join(parts).removeprefix(".")


def print_faults(file: str, faults: Iterable[Fault]) -> list[str]:
    """``FILE:LINE: path: what is wrong; what to do``, in the file's order, each once."""
    ordered = sorted(set(faults), key=lambda fault: (fault.line, write_path(fault.path), fault.text))
    return [f"{file}:{fault.line}: {fault}" for fault in ordered]
