"""The messages of tests/data/corpus: written for the tests in the shape of real equipment, and the index of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

CORPUS = Path(__file__).parents[1] / "data" / "corpus"


@dataclass(frozen=True, slots=True)
class Specimen:
    """One message. ``answer`` is what a user agent owes it: see the head of index.yaml."""

    name: str
    equipment: str
    shows: str
    answer: str

    @property
    def data(self) -> bytes:
        """The message as it would come from the network."""
        return (CORPUS / f"{self.name}.sip").read_bytes()


def read_corpus() -> dict[str, Specimen]:
    """Every message that the index names, in its order."""
    index: dict[str, dict[str, Any]] = YAML(typ="safe", pure=True).load(CORPUS / "index.yaml")
    return {
        name: Specimen(name, entry["equipment"], entry["shows"], str(entry["answer"])) for name, entry in index.items()
    }
