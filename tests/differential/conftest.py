"""The oracles: asked once, for the whole corpus, in a process and an environment of their own."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.corpus import Specimen, read_corpus

ROOT = Path(__file__).parents[2]
ORACLES = Path(__file__).parent / "oracles.py"
INDEX_UNREACHABLE = 69

Answers = dict[str, dict[str, dict[str, Any]]]


@pytest.fixture(scope="session")
def corpus() -> dict[str, Specimen]:
    return read_corpus()


@pytest.fixture(scope="session")
def answers(corpus: dict[str, Specimen]) -> Answers:
    """message -> oracle -> view -> value."""
    made = subprocess.run([ROOT / "tests" / "oracles_env.sh"], capture_output=True, text=True, check=False)
    if made.returncode == INDEX_UNREACHABLE and os.environ.get("CI") != "true":
        pytest.skip("tests/oracles_env.sh could not install the other parsers: " + made.stderr.strip()[-200:])
    assert made.returncode == 0, made.stdout + made.stderr
    python = ROOT / ".venv-oracles" / "bin" / "python"
    questions = "".join(base64.b64encode(one.data).decode() + "\n" for one in corpus.values())
    asked = subprocess.run(
        [python, ORACLES], input=questions, capture_output=True, text=True, check=False, timeout=60, cwd="/"
    )
    assert asked.returncode == 0, asked.stderr[-2000:]
    return dict(zip(corpus, map(json.loads, asked.stdout.splitlines()), strict=True))
