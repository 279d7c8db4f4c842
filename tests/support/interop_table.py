"""A pytest plug-in: the table of what was tried with which peer, made from the tests that ran.

A test says its row with ``@pytest.mark.peer(NAME, TRANSPORT, WHAT)``; ``{parameter}`` in the texts is replaced by the
value of a parametrised test. Rows that differ in their transport alone are printed as one. With
``--interop-table FILE`` the table is also written into that file, between the lines BEGIN and END.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

BEGIN = "<!-- interop table: written by `make interop-table` -->"
END = "<!-- end of the interop table -->"
HEADINGS = ("peer", "version", "transport", "what was done", "result")
TESTS = Path(__file__).parents[1]
_PROPERTY = "interop_row"
_TRANSPORTS = ("UDP", "TCP", "TLS")
_ROWS = pytest.StashKey[list["Row"]]()


@dataclass(frozen=True, slots=True)
class Row:
    """One test of one peer. ``result`` is "passed", or why not."""

    peer: str
    transport: str
    what: str
    result: str
    place: tuple[str, int] = ("", 0)
    """File and line of the test: tests may run in any order, the table is in theirs."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--interop-table", type=Path, metavar="FILE", help="write the table of the peers into FILE")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_ROWS] = []
    config.pluginmanager.register(_Collector(config.stash[_ROWS]))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Puts the row's texts where the report of the test carries them."""
    marker = item.get_closest_marker("peer")
    if marker is not None:
        item.user_properties.append((_PROPERTY, _row_texts(marker.args, getattr(item, "callspec", None))))


def _row_texts(texts: Sequence[str], callspec: object) -> tuple[str, ...]:
    parameters: Mapping[str, object] = getattr(callspec, "params", {})
    assert len(texts) == 3, "peer(name, transport, what)"
    return tuple(text.format(**parameters) for text in texts)


class _Collector:
    """Turns reports into rows."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        texts = next((value for name, value in report.user_properties if name == _PROPERTY), None)
        if texts is not None and (report.when == "call" or not report.passed):
            peer, transport, what = texts
            file, line, _ = report.location
            self._rows.append(Row(peer, transport, what, _result(report), (file, line or 0)))


def _result(report: pytest.TestReport) -> str:
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        return "not run: " + reason.removeprefix("Skipped: ")
    if report.passed:
        return "passed"
    crash = getattr(report.longrepr, "reprcrash", None)
    message = crash.message if crash is not None else report.longreprtext
    return "failed: " + message.strip().split("\n", 1)[0][:160]


def merged(rows: Iterable[Row]) -> list[Row]:
    """Rows of the same peer, action and result as one, with their transports; by peer, in the order of the files."""
    transports: dict[tuple[str, str, str], list[str]] = {}
    for row in sorted(rows, key=lambda row: (row.place, _by_transport(row.transport))):
        found = transports.setdefault((row.peer, row.what, row.result), [])
        if row.transport not in found:
            found.append(row.transport)
    joined = [Row(peer, ", ".join(found), what, result) for (peer, what, result), found in transports.items()]
    peers = list(dict.fromkeys(row.peer for row in joined))
    return sorted(joined, key=lambda row: peers.index(row.peer))


def _by_transport(text: str) -> list[int]:
    """UDP before TCP before TLS, as everybody reads them."""
    return [_TRANSPORTS.index(word) if word in _TRANSPORTS else len(_TRANSPORTS) for word in text.upper().split()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = merged(config.stash[_ROWS])
    if not rows:
        return
    versions = {row.peer: version_of(row.peer) for row in rows}
    terminalreporter.section("interoperability")
    for line in as_columns(rows, versions):
        terminalreporter.write_line(line)
    path: Path | None = config.getoption("--interop-table")
    if path is not None:
        path.write_text(with_table(path.read_text(), as_markdown(rows, versions)))
        terminalreporter.write_line(f"written into {path}")


def as_columns(rows: Sequence[Row], versions: Mapping[str, str]) -> list[str]:
    """The table for a terminal."""
    cells = [HEADINGS, *((row.peer, versions[row.peer], row.transport, row.what, row.result) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def as_markdown(rows: Sequence[Row], versions: Mapping[str, str]) -> str:
    """The table for the document: a peer is named in its first row only."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---" * len(HEADINGS) + "|"]
    before = ""
    for row in rows:
        peer, version = ("", "") if row.peer == before else (row.peer, versions[row.peer])
        before = row.peer
        cells = (peer, version, row.transport, row.what, row.result)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def with_table(document: str, table: str) -> str:
    """The document with the table in its place."""
    assert BEGIN in document, f"the file has no line {BEGIN}"
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table}{END}{after}"


def version_of(peer: str) -> str:
    """The version of a peer, by what it says itself or by the script that installs it."""
    words = peer.split()
    tell = _VERSIONS.get(words[0] if words else "")
    return tell() if tell is not None else ""


def _said_by(*command: str) -> Callable[[], str]:
    def ask() -> str:
        if shutil.which(command[0]) is None:
            return "not installed"
        said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
        found = re.search(r"\d+\.\d+(\.\d+)*", said.stdout + said.stderr)
        return found[0] if found else ""

    return ask


def _pinned_in(script: str) -> Callable[[], str]:
    def read() -> str:
        found = re.search(r"==([\w.]+)", (TESTS / script).read_text())
        return found[1] if found else ""

    return read


_VERSIONS: dict[str, Callable[[], str]] = {
    "SIPp": _said_by("sipp", "-v"),
    "baresip": _said_by("baresip", "-h"),
    "Kamailio": _said_by("kamailio", "-V"),
    "Pipecat": _pinned_in("pipecat_env.sh"),
    "pyVoIP": _pinned_in("pyvoip_env.sh"),
}
