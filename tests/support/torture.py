"""Where the torture messages of RFC 4475 lie: ours, written anew, and the originals, which are not in this tree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MESSAGES = ROOT / "tests" / "data" / "torture"


def _find_originals() -> Path | None:
    """The folder that RFC4475_MESSAGES names; else, a folder `shared` beside the checkout may hold the messages."""
    named = os.environ.get("RFC4475_MESSAGES")
    folder = Path(named) if named else ROOT.parent / "shared" / "data" / "rfc4475"
    if named and not (folder / "VERDICTS.tsv").exists():
        raise FileNotFoundError(f"RFC4475_MESSAGES={named}: the folder has no VERDICTS.tsv")
    return folder if (folder / "VERDICTS.tsv").exists() else None


ORIGINALS = _find_originals()


def originals() -> Path:
    """The folder of the originals, for the one test over all of them; skips that test when there is none."""
    if ORIGINALS is None:
        pytest.skip("set RFC4475_MESSAGES to a folder with the original messages of RFC 4475 and their VERDICTS.tsv")
    return ORIGINALS
