from __future__ import annotations

import io
import json
from typing import Any

from gateway.call.door.refusal_log import RefusalLog
from gateway.observability.logs import configure_logs, get_logger


def lines(*refusals: tuple[str, str, float]) -> list[dict[str, Any]]:
    stream = io.StringIO()
    configure_logs(json_lines=True, stream=stream)
    log = RefusalLog(get_logger())
    for source, rule, at in refusals:
        log.note(source, rule, at, method="OPTIONS", status=None)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_the_first_refusal_is_written_at_once_with_its_rule() -> None:
    (line,) = lines(("198.51.100.1", "unknown_callers", 5.0))
    assert (line["source"], line["rule"], line["method"]) == ("198.51.100.1", "unknown_callers", "OPTIONS")


def test_a_scanner_gets_one_line_a_minute_that_says_how_often() -> None:
    written = lines(*[("198.51.100.1", "unknown_callers", number * 0.1) for number in range(700)])
    assert [line["since_last_line"] for line in written] == [0, 599]


def test_other_sources_and_other_rules_have_lines_of_their_own() -> None:
    assert len(lines(("a", "x", 0.0), ("b", "x", 0.1), ("a", "y", 0.2), ("a", "x", 0.3))) == 3


def test_memory_is_bounded_however_many_sources_there_are() -> None:
    log = RefusalLog(get_logger())
    for number in range(5000):
        log.note(f"2001:db8::{number:x}", "unknown_callers", float(number), status=None)
    assert len(log._seen) <= 1024


def test_forged_sources_share_twenty_lines_a_minute() -> None:
    written = lines(
        *[(f"198.51.100.{number % 250}.{number}", "unknown_callers", number * 0.01) for number in range(7000)]
    )
    assert len(written) == 40
    assert written[20]["other_sources_unwritten"] == 5980
