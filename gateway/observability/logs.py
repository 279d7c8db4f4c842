"""Structured logs: one JSON object or one readable line per event, never one per packet.

INFO is for the life of a call and of the daemon, WARNING for what an operator should look at, DEBUG for protocol
events. A call's lines carry ``call``. Credentials are masked on the way out, whatever a caller of this module passes.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO, cast

import structlog

from gateway.base.redact import MASK, Secret, redact_text

NAMES_A_SECRET = re.compile(r"(?i)(key|token|password|secret|authorization)$")
"""Keys whose values are masked whatever they look like."""
_CHATTY = ("uvicorn", "websockets", "asyncio", "httpx")
"""Libraries that report their own ordinary comings and goings at INFO."""

Logger = structlog.typing.FilteringBoundLogger


def _mask_secrets(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {key: MASK if NAMES_A_SECRET.search(key) else _masked(value) for key, value in event.items()}


def _masked(value: Any) -> Any:
    """The same value with every credential in it masked, however deep."""
    if isinstance(value, str):
        return _printable(redact_text(value))
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, Mapping):
        return _mask_secrets(None, "", dict(value))
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return value


def _printable(text: str) -> str:
    """Peers choose their names: an escape sequence in one must not reach the operator's terminal."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in "\n\t" else one.encode("unicode_escape").decode() for one in text)


def configure_logs(*, level: str = "info", json_lines: bool | None = None, stream: TextIO | None = None) -> None:
    """Sets logging up for the process. JSON unless the stream is a terminal, or as told."""
    out = stream or sys.stderr
    as_json = not out.isatty() if json_lines is None else json_lines
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=out.isatty())
    )
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask_secrets,
    ]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    # Edges and libraries that know only the standard library's logging write the same lines.
    handler = logging.StreamHandler(out)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processor=renderer))
    logging.basicConfig(handlers=[handler], level=max(number, logging.INFO), force=True)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(max(number, logging.WARNING))


def get_logger(**context: Any) -> Logger:
    """A logger whose lines carry ``context``, for example ``call=...``."""
    return cast(Logger, structlog.get_logger(**context))
