"""References inside settings: ``${NAME}``, ``${NAME:-default}`` and ``${file:PATH}``; ``$${`` is a plain ``${``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from gateway.settings.faults import Fault, Path
from gateway.settings.lines import Document

MAX_FILE_BYTES = 65_536

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FORMS = "write ${NAME}, ${NAME:-default} or ${file:PATH}; for a plain ${ write $${"


class UnresolvedReferenceError(ValueError):
    """A reference that leads nowhere. The message is a fault's text and never holds the value."""


def expand_references(document: Document, environ: Mapping[str, str], folder: FilePath) -> tuple[Any, list[Fault]]:
    """The document's values with every reference replaced. Paths are taken from ``folder``, the settings file's.

    A value whose reference fails stays as written, and its fault says why.
    """
    faults: list[Fault] = []

    def walk(value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            return {key: walk(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value
        try:
            return expand_text(value, environ, folder)
        except UnresolvedReferenceError as error:
            faults.append(Fault(path, document.line_of(path), str(error)))
            return value

    return walk(document.data, ()), faults


def expand_text(text: str, environ: Mapping[str, str], folder: FilePath) -> str:
    """Replace the references in one string; raises :class:`UnresolvedReferenceError`."""
    parts: list[str] = []
    at = 0
    while (start := text.find("${", at)) >= 0:
        if text[start - 1 : start] == "$" and start > at:
            parts.append(text[at : start - 1] + "${")
            at = start + 2
            continue
        end = text.find("}", start)
        body = text[start + 2 : end]
        if end < 0:
            raise UnresolvedReferenceError(f"has a ${{ without }}; {_FORMS}")
        if "${" in body:
            raise UnresolvedReferenceError(
                "has a reference inside a reference; give the inner one a variable of its own"
            )
        parts += [text[at:start], _resolve(body, environ, folder)]
        at = end + 1
    return "".join([*parts, text[at:]])


def _resolve(body: str, environ: Mapping[str, str], folder: FilePath) -> str:
    if body.startswith("file:"):
        return _read_file(body.removeprefix("file:").strip(), folder)
    name, has_default, default = body.partition(":-")
    if not _NAME.fullmatch(name):
        raise UnresolvedReferenceError(f"has a ${{…}} that is no reference; {_FORMS}")
    value = environ.get(name, "")
    if value or has_default:
        return value or default
    state = "empty" if name in environ else "not set"
    raise UnresolvedReferenceError(
        f"needs the environment variable {name}, which is {state}; set it, or write ${{{name}:-}}"
    )


def _read_file(name: str, folder: FilePath) -> str:
    remedy = f"check the path; it is taken from {folder}"
    if not name:
        raise UnresolvedReferenceError(f"names no file; {_FORMS}")
    try:
        with (folder / FilePath(name).expanduser()).open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise UnresolvedReferenceError(f"needs the file {name}, which cannot be read ({reason}); {remedy}") from None
    if len(content) > MAX_FILE_BYTES:
        raise UnresolvedReferenceError(f"needs the file {name}, which is larger than {MAX_FILE_BYTES} bytes; {remedy}")
    try:
        # An editor ends the file with a line end that is not part of the secret.
        return content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise UnresolvedReferenceError(f"needs the file {name}, which is not UTF-8 text; {remedy}") from None
