"""A call's events as lines for people, and its end as an exit code for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

EXIT_CODES = {
    "caller_hung_up": 0,
    "agent_hung_up": 0,
    "api": 0,
    "max_duration": 0,
    "idle": 0,
    "transferred": 0,
    "busy": 10,
    "no_answer": 11,
    "rejected": 12,
    "cancelled": 13,
}
"""By end reason; everything else is 1. 0 needs an answer: a call that was ended before it is 13."""

PIPE_WIDTH = 400
"""Characters of a line where nobody looks at a screen: all columns of a table are whole."""

_STYLES = {"call": "bold", "transcript": "cyan", "turn": "dim", "tool": "magenta", "provider": "yellow"}


def exit_code(ended: Mapping[str, Any]) -> int:
    """Of a call that has ended, by the details of its ``call.ended``."""
    code = EXIT_CODES.get(str(ended.get("reason")), 1)
    return 13 if code == 0 and not ended.get("answered") else code


def line_of(event: Mapping[str, Any]) -> Text:
    """One event: seconds since the order, its name, and what it says."""
    name, details = str(event["event"]), event.get("details") or {}
    text = Text(f"{event['offset_s']:8.2f} s  ")
    text.append(f"{name:<24}", style=_STYLES.get(name.partition(".")[0], ""))
    text.append(" " + _words(name, details))
    return text


def _words(name: str, details: Mapping[str, Any]) -> str:
    if name.startswith("transcript."):
        return str(details.get("text", ""))
    if name == "call.ended":
        sip = " ".join(str(details[key]) for key in ("sip_status", "sip_reason") if details.get(key))
        q850 = f"Q.850 {details['q850_cause']}" if details.get("q850_cause") else ""
        own_rule = "" if sip else str(details.get("sip_cause") or "")
        said = "; ".join(part for part in (sip or own_rule, q850, str(details.get("q850_text") or "")) if part)
        return f"{details.get('reason')}" + (f" ({said})" if said else "")
    shown = {key: value for key, value in details.items() if value not in ("", None, [], {})}
    return " ".join(f"{key}={value}" for key, value in shown.items())


def table_of(calls: list[dict[str, Any]]) -> Table:
    """Calls as a table."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("call", "direction", "state", "from", "to", "trunk", "agent", "began", "end"):
        table.add_column(column, no_wrap=column in ("call", "began"))
    for call in calls:
        table.add_row(
            *(Text(str(call[key])) for key in ("id", "direction", "state", "from", "to", "trunk", "agent")),
            str(call["created_at"])[:19].replace("T", " "),
            Text(_end_of(call)),
        )
    return table


def _end_of(call: Mapping[str, Any]) -> str:
    sip = call.get("sip") or {}
    if not call.get("end_reason"):
        return ""
    is_refusal = (sip.get("status") or 0) >= 300  # the last word of an answered call may be that it rang
    status = f" ({sip['status']} {sip.get('reason') or ''})".replace(" )", ")") if is_refusal else ""
    return f"{call['end_reason']}{status}"


def console() -> Console:
    """Where progress goes: colours on a terminal, plain lines in a pipe, where nothing is cut to a screen's width."""
    out = Console(highlight=False, soft_wrap=True)
    return out if out.is_terminal else Console(highlight=False, soft_wrap=True, width=PIPE_WIDTH)
