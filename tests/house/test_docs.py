"""The pages say what is: settings in them load, links lead somewhere, decisions are numbered and listed once."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.call.journal import EventName
from gateway.call.profile import agent_faults
from gateway.call.states import TRANSITIONS
from gateway.emulator.scenario_file import load_scenario
from gateway.observability.node_events import NodeEventName
from gateway.settings.load import parse_settings
from tests.support.certificates import Authority

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "gateway").rglob("*.md"),
        *(ROOT / "deploy").rglob("*.md"),
    ]
)
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))

SCENARIOS = ROOT / "docs" / "emulator.md"
"""Its blocks are scenarios of the emulator, not settings."""

REST_OF_A_FILE = {
    "inworld": 'inworld: {api_key: ""}\n',
    "trunks": "trunks: {carrier: {accept_from: [198.51.100.0/24]}}\n",
    "accounts": 'accounts: {"1001": {password: secret-of-1001}, front-desk: {password: secret-of-the-desk}}\n',
    "agents": "agents: {receptionist: {}, night_shift: {}, internal: {}}\n",
    "routes": "routes: [{agent: receptionist}]\n",
}
"""What an example that shows one section is completed with."""

CERTIFICATES = {"cert.pem": "key.pem", "us.pem": "us-key.pem"}
"""Files that examples name, each with its key."""


def blocks(page: Path) -> Iterator[tuple[int, str]]:
    """The YAML blocks of a page with the line that each begins at."""
    text = page.read_text()
    for match in re.finditer(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, match.start(1)) + 1, match[1]


EXAMPLES = [
    pytest.param(page, line, text, id=f"{page.relative_to(ROOT)}:{line}")
    for page in [*PAGES, ROOT / "config" / "local.yaml", ROOT / "config" / "gateway.yaml"]
    for line, text in (blocks(page) if page.suffix == ".md" else [(1, page.read_text())])
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files are that examples name."""
    folder = tmp_path_factory.mktemp("examples")
    authority = Authority(folder)
    for certificate, key in CERTIFICATES.items():
        pair = authority.issue("DNS:gw.example.net", file=certificate.removesuffix(".pem"))
        shutil.move(pair.key, folder / key)
    shutil.copy(folder / "us.pem", folder / "carrier-ca.pem")
    return folder


@pytest.mark.parametrize(("page", "line", "text"), EXAMPLES)
def test_an_example_loads(page: Path, line: int, text: str, folder: Path) -> None:
    """As ``gateway check`` reads it; faults name the page and the line in it."""
    if page == SCENARIOS:
        scenario = folder / "scenario.yaml"
        scenario.write_text(text.replace("my/own.wav", str(next((ROOT / "gateway/emulator/voices").glob("*.wav")))))
        load_scenario(scenario)
        return
    missing = [rest for section, rest in REST_OF_A_FILE.items() if not re.search(rf"^{section}:", text, re.MULTILINE)]
    environ = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "example-of-sixteen-characters")
    whole = "\n" * (line - 1) + text + "".join(missing)
    parse_settings(whole, environ, name=page.name, folder=folder, further_checks=(agent_faults,))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|mailto:)([^)#]+)(?:#[^)]*)?\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", sorted((ROOT / "gateway").glob("*/README.md")), ids=lambda page: page.parent.name)
def test_the_readme_of_a_package_names_everything_in_it(page: Path) -> None:
    inside = {path.stem for path in page.parent.glob("*.py")}
    inside |= {path.name for path in page.parent.iterdir() if path.is_dir()}
    inside = {name for name in inside if not name.startswith("__")}
    assert inside - set(re.findall(r"\w+", page.read_text())) == set()


def test_the_table_of_states_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| (\w+)(?: \([^|]*\))? \| ([\w, ]+) \|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    drawn = {state: set(after.split(", ")) for state, after in rows if state != "state"}
    assert drawn == {state.value: {after.value for after in move} for state, move in TRANSITIONS.items() if move}


def test_decisions_are_numbered_without_gaps_and_say_their_number() -> None:
    assert [path.name[:4] for path in DECISIONS] == [f"{number:04}" for number in range(1, len(DECISIONS) + 1)]
    for path in DECISIONS:
        assert path.read_text().startswith(f"# {path.name[:4]} "), path.name


def test_every_decision_is_in_the_index_once() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    assert sorted(re.findall(r"\]\((\d{4}-[^)]+)\)", index)) == [path.name for path in DECISIONS]


def test_every_event_and_metric_is_on_the_page_that_operators_read() -> None:
    page = (ROOT / "docs" / "observing.md").read_text()
    code = "\n".join(path.read_text() for path in (ROOT / "gateway").rglob("*.py"))
    names = {event.value for event in (*EventName, *NodeEventName)} | set(re.findall(r'"(gateway_[a-z_]+)"', code))
    assert len(names) > 40
    assert sorted(name for name in names if f"`{name}" not in page) == []


def test_every_page_of_docs_is_in_the_readme_or_in_the_index_of_docs() -> None:
    listed = (ROOT / "docs" / "README.md").read_text()
    assert [
        page.name
        for page in (ROOT / "docs").glob("*.md")
        if page.name not in ("README.md",) and f"({page.name})" not in listed
    ] == []
