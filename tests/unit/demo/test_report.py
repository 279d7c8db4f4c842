from __future__ import annotations

import io

from rich.console import Console

from gateway.demo.report import Report


def test_one_missing_step_fails_the_demo() -> None:
    report = Report()
    assert not report.is_complete
    report.add("greeting", True, "4.2 s")
    assert report.is_complete
    report.add("interruption", False, "the agent kept speaking")
    assert not report.is_complete


def test_every_step_is_shown_with_what_was_measured() -> None:
    report = Report()
    report.add("greeting", True, "4.2 s")
    report.add("goodbye", False, "not heard")
    out = io.StringIO()
    report.print(Console(file=out, width=100))
    assert "greeting" in out.getvalue()
    assert "4.2 s" in out.getvalue()
    assert "NO" in out.getvalue()
