from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.base.errors import SettingsError
from gateway.emulator.recordings import write_wav
from gateway.emulator.scenario import Scenario, SocketDrop, TextReaction, Tone, ToolCall
from gateway.emulator.scenario_file import SCENARIOS, load_scenario, packaged_scenario


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def faults_of(path: Path) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load_scenario(path)
    return [fault.removeprefix(f"{path}:") for fault in error.value.faults]


@pytest.mark.parametrize("name", sorted(path.stem for path in SCENARIOS.glob("*.yaml")))
def test_packaged_scenarios_are_valid(name: str) -> None:
    assert isinstance(packaged_scenario(name), Scenario)


def test_the_default_scenario_greets_echoes_and_names_keys() -> None:
    scenario = load_scenario()
    assert scenario.greeting.say == ("practice_greeting",)
    assert scenario.reaction_to_turn(1).echo
    pressed = scenario.reaction_to_text("The caller pressed 4")
    assert pressed is not None
    assert pressed.say_keys


def test_the_demo_scenario_leads_through_its_conversation() -> None:
    scenario = packaged_scenario("demo")
    assert [scenario.reaction_to_turn(number).say for number in (1, 2, 3)] == [
        ("demo_answer",),
        ("demo_long_answer",),
        ("demo_short_answer",),
    ]
    pressed = scenario.reaction_to_text("The caller pressed 5")
    assert pressed is not None
    assert [call.name for call in pressed.tool] == ["hang_up"]
    assert pressed.after_tool is not None
    assert pressed.after_tool.say == ("demo_goodbye",)


def test_an_empty_file_is_the_default_agent(tmp_path: Path) -> None:
    assert load_scenario(write(tmp_path / "empty.yaml", "# nothing\n")) == Scenario()


def test_wav_paths_start_at_the_file(tmp_path: Path) -> None:
    (tmp_path / "voices").mkdir()
    write_wav(tmp_path / "voices" / "own.wav", np.zeros(80, dtype=np.int16), 8000)
    path = write(tmp_path / "s.yaml", "turns:\n  - {say: [all_right, voices/own.wav]}\n")
    assert load_scenario(path).turns[0].say == ("all_right", str(tmp_path / "voices" / "own.wav"))


def test_every_fault_is_reported_at_once_with_its_line(tmp_path: Path) -> None:
    path = write(
        tmp_path / "bad.yaml",
        "greting: {say: demo_answer}\n"
        "turns:\n"
        "  - {say: demo_answr}\n"
        "  - say: missing.wav\n"
        "    echo: true\n"
        "  - {}\n"
        "pace: {speed: fast}\n"
        "faults:\n"
        "  drop_socket: {aftr: response.done}\n",
    )
    faults = faults_of(path)
    assert [fault.split(":")[0] for fault in faults] == ["1", "3", "4", "6", "7", "9", "9"]
    text = "\n".join(faults)
    assert "greting: no such key; did you mean greeting?" in text
    assert "turns.0.say: there is no voice named 'demo_answr'; did you mean 'demo_answer'?" in text
    assert "turns.1.say: there is no file" in text
    assert "turns.2: say what happens" in text
    assert "pace.speed" in text
    assert "drop_socket.aftr: no such key; did you mean after?" in text


def test_faults_are_in_plain_words_with_a_remedy_and_in_the_files_order(tmp_path: Path) -> None:
    text = """\
pace: {speed: fast, latency_ms: 1.5}
seed: []
turns:
  - {echo: perhaps}
  - tone: {hz: 5}
  - {tool: {name: "", arguments: 5}}
  - say: 5
  - word
texts: {contains: 5}
transcripts:
  - [5]
faults:
  reject_upgrade: 404
  late_deltas: 60
limits: 5
"""
    assert faults_of(write(tmp_path / "s.yaml", text)) == [
        "1: pace.latency_ms: not a whole number; write one, without quotes",
        "1: pace.speed: not a number; write one, without quotes",
        "2: seed: not a whole number; write one, without quotes",
        "4: turns.0.echo: neither true nor false; write one of them",
        "5: turns.1.tone.hz: too small; write 20 or more",
        "5: turns.1.tone.ms: missing; add it",
        "6: turns.2.tool.0.arguments: neither a mapping nor text; write {name: value}, or text in quotes",
        "6: turns.2.tool.0.name: empty; write some text",
        "7: turns.3.say.0: not text; put it in quotes",
        "8: turns.4: not a mapping; write {name: value}, or indented lines of name: value",
        '9: texts: not a list; write [ … ], or lines that begin with "- "',
        "11: transcripts.0: not text; put it in quotes",
        "13: faults.reject_upgrade: not a choice here; write 400, 401, 403, 429, 500 or 503",
        "14: faults.late_deltas: too large; write 50 or less",
        "15: limits: not a mapping; write {name: value}, or indented lines of name: value",
    ]


KEYS = sorted({name for part in (Scenario, TextReaction, Tone, ToolCall, SocketDrop) for name in part.model_fields})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(Scenario.model_fields)), JSON, max_size=5))
def test_no_fault_is_left_in_the_validators_own_words(scenario: dict[str, Any]) -> None:
    said: list[str] = []
    with tempfile.TemporaryDirectory() as directory:
        path = write(Path(directory) / "s.yaml", json.dumps(scenario))
        try:
            load_scenario(path)
        except SettingsError as error:
            said = error.faults
    assert not [fault for fault in said if "Input should" in fault or "refused; docs" in fault]


def test_an_unknown_key_far_from_any_other_lists_the_known_ones(tmp_path: Path) -> None:
    (fault,) = faults_of(write(tmp_path / "s.yaml", "limits: {zzz: 1}\n"))
    assert "known here: max_messages_per_second, max_sessions" in fault


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("turns: []\nturns: []\n", "2", "duplicate key"),
        ("turns: [\n", "2", ""),
        ("- a\n- b\n", "1", "a scenario is a mapping"),
        ("seed: &a [*a]\n", "1", ""),
    ],
)
def test_files_that_are_no_scenario_say_where(tmp_path: Path, text: str, line: str, words: str) -> None:
    (fault,) = faults_of(write(tmp_path / "s.yaml", text))
    assert fault.startswith(f"{line}:")
    assert words in fault


def test_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    assert "No such file" in faults_of(tmp_path / "none.yaml")[0]
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in faults_of(tmp_path / "binary.yaml")[0]
    (tmp_path / "huge.yaml").write_bytes(b"#" * (1 << 21))
    assert "1 MiB" in faults_of(tmp_path / "huge.yaml")[0]


def test_the_scenarios_in_the_documentation_are_valid(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "emulator.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        load_scenario(write(tmp_path / "s.yaml", block.replace("my/own.wav", "all_right")))
    keys = set(Scenario.model_fields) | {
        name for part in ("pace", "listening", "limits", "faults") for name in part_of(part)
    }
    assert {key for key in keys if not re.search(rf"\b{key}\b", page)} == set()


def part_of(name: str) -> list[str]:
    return list(type(getattr(Scenario(), name)).model_fields)
