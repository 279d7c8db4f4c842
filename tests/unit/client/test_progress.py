from __future__ import annotations

import pytest

from gateway.client.progress import console, exit_code, line_of, table_of


@pytest.mark.parametrize(
    ("reason", "answered", "code"),
    [
        ("caller_hung_up", True, 0),
        ("agent_hung_up", True, 0),
        ("api", False, 13),
        ("busy", False, 10),
        ("no_answer", False, 11),
        ("rejected", False, 12),
        ("provider_failed", True, 1),
        ("something_new", True, 1),
    ],
)
def test_the_exit_code_says_how_the_call_ended(reason: str, answered: bool, code: int) -> None:
    assert exit_code({"reason": reason, "answered": answered}) == code


def test_the_end_shows_what_the_far_ends_sip_said() -> None:
    details = {"reason": "busy", "sip_status": 486, "sip_reason": "Busy Here", "q850_cause": 17}
    line = line_of({"event": "call.ended", "offset_s": 1.234, "details": details}).plain
    assert line.split() == ["1.23", "s", "call.ended", "busy", "(486", "Busy", "Here;", "Q.850", "17)"]


def test_an_end_without_a_word_from_there_shows_the_rule_of_ours() -> None:
    details = {"reason": "error", "sip_status": None, "sip_cause": "transaction_timeout"}
    line = line_of({"event": "call.ended", "offset_s": 32.0, "details": details}).plain
    assert line.endswith(" error (transaction_timeout)")


def test_a_table_in_a_pipe_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    call = dict.fromkeys(("id", "state", "from", "trunk", "agent"), "x")
    wide = call | {"direction": "outbound", "to": "sip:" + "9" * 60 + "@carrier.example", "created_at": "2026-11-20T10"}
    console().print(table_of([wide]))
    assert wide["to"] in capsys.readouterr().out


def test_lines_show_words_and_fields_and_no_markup_of_a_stranger() -> None:
    said = line_of({"event": "transcript.user", "offset_s": 2, "details": {"item": "i", "text": "[red]hello[/red]"}})
    assert said.plain.endswith("[red]hello[/red]")
    assert "codec=PCMU" in line_of({"event": "call.answered", "offset_s": 2, "details": {"codec": "PCMU"}}).plain


def test_calls_are_one_row_each() -> None:
    call = dict.fromkeys(("id", "direction", "state", "from", "to", "trunk", "agent"), "x")
    ended = call | {
        "created_at": "2026-11-20T10:00:00Z",
        "end_reason": "busy",
        "sip": {"status": 486, "reason": "Busy"},
    }
    live = call | {"created_at": "2026-11-20T10:00:00Z", "end_reason": None, "sip": None}
    hung_up = ended | {"end_reason": "api", "sip": {"status": 180, "reason": "Ringing"}}
    table = table_of([ended, live, hung_up])
    assert table.row_count == 3
    assert [cell.plain for cell in table.columns[8].cells] == ["busy (486 Busy)", "", "api"]  # type: ignore[union-attr]
