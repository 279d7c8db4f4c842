from __future__ import annotations

import json

from gateway.bench.provider_log import read_provider_log


def line(at_ns: int, session: str, kind: str, marker: list[int] | None = None) -> str:
    return json.dumps({"at_ns": at_ns, "session": session, "kind": kind, "marker": marker})


def test_a_session_belongs_to_the_call_whose_marks_it_heard() -> None:
    record = read_provider_log(
        [
            line(1, "b", "speech_started"),
            line(2, "a", "append", [0, 3]),
            line(3, "b", "append", [1, 3]),
            line(4, "b", "append", [1, 6]),
            line(5, "b", "speech_started"),
            line(6, "lost", "speech_started"),
        ]
    )
    assert record.append_ns == {(0, 3): 2, (1, 3): 3, (1, 6): 4}
    assert record.speech_started_ns == {1: [1, 5]}


def test_the_first_receipt_of_a_mark_counts() -> None:
    record = read_provider_log([line(2, "a", "append", [0, 3]), line(9, "a", "append", [0, 3])])
    assert record.append_ns == {(0, 3): 2}
