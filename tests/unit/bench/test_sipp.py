from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from gateway.bench import sipp

TRACE = """\
2026-11-20\t12:51:29.599014\t100.599014\tS\t1-77@127.0.0.2\tCSeq:1 INVITE\tINVITE sip:bench@127.0.0.1:5060 SIP/2.0
2026-11-20\t12:51:29.599333\t100.599333\tR\t1-77@127.0.0.2\tCSeq:1 INVITE\tSIP/2.0 180 Ringing
2026-11-20\t12:51:29.618483\t100.618483\tS\t2-77@127.0.0.2\tCSeq:1 INVITE\tINVITE sip:bench@127.0.0.1:5060 SIP/2.0
2026-11-20\t12:51:29.700511\t100.700511\tR\t1-77@127.0.0.2\tCSeq:1 INVITE\tSIP/2.0 200 OK
2026-11-20\t12:51:29.700711\t100.700711\tR\t1-77@127.0.0.2\tCSeq:1 INVITE\tSIP/2.0 200 OK
2026-11-20\t12:51:29.700911\t100.700911\tR\t2-77@127.0.0.2\tCSeq:1 INVITE\tSIP/2.0 503 Service Unavailable
2026-11-20\t12:51:39.600709\t110.600709\tS\t1-77@127.0.0.2\tCSeq:2 BYE\tBYE sip:gateway@127.0.0.1:5060 SIP/2.0
2026-11-20\t12:51:39.600909\t110.600909\tR\t1-77@127.0.0.2\tCSeq:2 BYE\tSIP/2.0 200 OK
half a line
"""


def test_the_trace_shows_when_each_call_was_asked_answered_and_ended() -> None:
    first, second = sipp.read_set_ups(TRACE)
    assert (first.call, first.invited_at, first.answered_at, first.ended_at) == (0, 100.599014, 100.700511, 110.600709)
    assert (second.call, second.answered_at, second.ended_at) == (1, None, None)


def test_every_call_finds_its_own_port(tmp_path: Path) -> None:
    sipp.write_ports(tmp_path / "ports.csv", "127.0.0.9", [4000, 4002])
    assert (tmp_path / "ports.csv").read_text() == "SEQUENTIAL\n4000;127.0.0.9;\n4002;127.0.0.9;\n"


def test_the_command_ends_by_itself_and_names_its_files(tmp_path: Path) -> None:
    command = sipp.sipp_command(
        "sipp",
        target=("127.0.0.1", 5060),
        local_address="127.0.0.2",
        calls=50,
        calls_per_second=25,
        hold_s=30,
        ports_file=tmp_path / "ports.csv",
    )
    assert command[1] == "127.0.0.1:5060"
    assert command[command.index("-timeout") + 1] == "72s"
    assert command[command.index("-d") + 1] == "30000"
    assert "-timeout_error" in command


def test_the_scenario_is_well_formed_and_speaks_of_the_meter() -> None:
    text = sipp.SCENARIO.read_text()
    assert ElementTree.fromstring(text.partition("?>")[2]).tag == "scenario"
    assert "m=audio [field0]" in text
    assert "c=IN IP4 [field1]" in text


def test_without_sipp_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(sipp.SippMissingError, match="sip-tester"):
        sipp.require_sipp()
