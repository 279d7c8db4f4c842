from __future__ import annotations

import ast
import io
import json
import logging
from pathlib import Path

from gateway.base.redact import Secret
from gateway.observability.logs import NAMES_A_SECRET, configure_logs, get_logger


def written(level: str = "info") -> tuple[io.StringIO, None]:
    stream = io.StringIO()
    return stream, configure_logs(level=level, json_lines=True, stream=stream)


def test_a_calls_lines_carry_its_id() -> None:
    stream, _ = written()
    get_logger(call="c-1").info("call answered", setup_ms=12)
    line = json.loads(stream.getvalue())
    assert line["call"] == "c-1"
    assert line["event"] == "call answered"
    assert line["setup_ms"] == 12
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")


def test_credentials_are_masked_whoever_logs_them() -> None:
    stream, _ = written()
    get_logger().warning("refused", header="Authorization: Basic c2VjcmV0", api_key=Secret("c2VjcmV0"))
    assert "c2VjcmV0" not in stream.getvalue()


def test_lines_below_the_level_are_not_written() -> None:
    stream, _ = written("warning")
    get_logger().info("ordinary")
    assert stream.getvalue() == ""


def test_a_terminal_gets_readable_lines() -> None:
    stream = io.StringIO()
    configure_logs(json_lines=False, stream=stream)
    get_logger(call="c-2").info("call ended", reason="api")
    assert "call ended" in stream.getvalue()
    assert "reason=api" in stream.getvalue().replace("'", "")


def test_libraries_that_use_the_standard_logging_write_the_same_masked_lines() -> None:
    stream, _ = written()
    logging.getLogger("a.library").warning("refused with Authorization: Basic %s", "c2VjcmV0")
    line = json.loads(stream.getvalue())
    assert line["level"] == "warning"
    assert "c2VjcmV0" not in stream.getvalue()


def test_secrets_are_masked_however_deep_they_lie_and_whatever_their_key_is_called() -> None:
    stream, _ = written()
    get_logger().info(
        "odd",
        faults=["Authorization: Basic c2VjcmV0"],
        nested={"deeper": [{"note": "token=c2VjcmV0"}]},
        api_key="c2VjcmV0",
        headers={"Authorization": "c2VjcmV0"},
    )
    assert "c2VjcmV0" not in stream.getvalue()
    assert '"event": "odd"' in stream.getvalue()


def test_escape_sequences_of_a_peer_do_not_reach_the_operators_terminal() -> None:
    stream = io.StringIO()
    configure_logs(json_lines=False, stream=stream)
    get_logger().warning("refused", caller="a\x1b[2J\x1b]0;pwn\x07")
    assert "\x1b[2J" not in stream.getvalue()
    assert "x1b[2J" in stream.getvalue()


def test_no_field_that_operators_read_has_a_name_that_is_masked() -> None:
    calls = (
        (path, node)
        for path in Path("gateway").rglob("*.py")
        if "emulator" not in path.parts  # its keys are keys
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    )
    names = {"debug", "info", "warning", "error", "exception"}
    logged = [(path, node) for path, node in calls if isinstance(node.func, ast.Attribute) and node.func.attr in names]
    masked = [
        f"{path}:{node.lineno} {field.arg}"
        for path, node in logged
        for field in node.keywords
        if field.arg is not None and NAMES_A_SECRET.search(field.arg)
    ]
    assert len(logged) > 10
    assert masked == [], "these lines would tell an operator ***"
