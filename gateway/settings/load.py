"""A settings file to frozen settings, or to every fault in it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, TypeAlias

from pydantic import ValidationError

from gateway.base.errors import SettingsError
from gateway.settings.checks import Finding, check_together
from gateway.settings.faults import Fault, Path, print_faults
from gateway.settings.lines import Document, read_document
from gateway.settings.schema import Settings
from gateway.settings.secrets import expand_references
from gateway.settings.wording import describe, is_consequence, value_at

MAX_FILE_BYTES = 1 << 20

FurtherCheck: TypeAlias = Callable[[Settings], list[Finding]]
"""What only a higher floor can know: (path, words) for each fault, in the terms of the file."""


def load_settings(
    path: str | FilePath, environ: Mapping[str, str], *, further_checks: Sequence[FurtherCheck] = ()
) -> Settings:
    """Read, expand and check a settings file.

    ``further_checks`` report beside everything else, as long as what is not refused still makes settings.

    Raises :class:`SettingsError` with one line for each fault: ``FILE:LINE: key.path: what is wrong; what to do``.
    """
    file = FilePath(path)
    return parse_settings(_read_text(file), environ, name=str(path), folder=file.parent, further_checks=further_checks)


def parse_settings(
    text: str,
    environ: Mapping[str, str],
    *,
    name: str,
    folder: FilePath,
    further_checks: Sequence[FurtherCheck] = (),
) -> Settings:
    """The same for text that is in memory: ``name`` stands in the faults, ``folder`` resolves ``${file:…}``."""
    document, faults = read_document(text)
    if faults and not document.data:
        raise SettingsError(print_faults(name, faults))
    if not isinstance(document.data, dict):
        fault = Fault((), 1, "the file is not a mapping; write sections such as sip: and trunks:")
        raise SettingsError(print_faults(name, [fault]))
    data, unresolved = expand_references(document, environ, folder)
    settings, refused = _validate(data, document, folder)
    remainder = settings or _without(data, refused, folder)
    findings = check_together(data) + _check_further(remainder, refused, further_checks)
    contradictions = [Fault(place, document.line_of(place), words) for place, words in findings]
    known = [*faults, *unresolved]
    # A value that could not be resolved is refused for that and for nothing else.
    known += [fault for fault in [*refused, *contradictions] if not _is_within(fault.path, unresolved)]
    if known or settings is None:
        raise SettingsError(print_faults(name, known))
    return settings


def _validate(data: object, document: Document, folder: FilePath) -> tuple[Settings | None, list[Fault]]:
    try:
        return Settings.model_validate(data, context={"folder": folder}), []
    except ValidationError as error:
        # Only paths and kinds are taken from pydantic: its own texts quote values, which may be secrets.
        details = error.errors(include_url=False, include_input=False)
    return None, [describe(detail, document) for detail in details if not is_consequence(detail, document)]


def _check_further(settings: Settings | None, refused: list[Fault], checks: Sequence[FurtherCheck]) -> list[Finding]:
    if settings is None:
        return []
    # In a list that lost an entry the positions are no longer those of the file.
    shortened = [fault.path[:-1] for fault in refused if isinstance(fault.path[-1], int)]
    findings = [finding for check in checks for finding in check(settings)]
    return [(path, words) for path, words in findings if not any(path[: len(one)] == one for one in shortened)]


def _without(data: Any, refused: list[Fault], folder: FilePath) -> Settings | None:
    """The settings that are left when what is refused is taken out; None when they do not stand without it."""
    remainder = copy.deepcopy(data)
    order = sorted((fault.path for fault in refused), key=lambda path: [(isinstance(step, str), step) for step in path])
    for path in reversed(order):
        holder = value_at(remainder, path[:-1])
        if isinstance(holder, dict):
            holder.pop(path[-1], None)
        elif isinstance(holder, list):
            del holder[int(path[-1])]
    try:
        return Settings.model_validate(remainder, context={"folder": folder})
    except ValidationError:
        return None


def _is_within(path: Path, faults: list[Fault]) -> bool:
    return any(path[: len(fault.path)] == fault.path for fault in faults)


def _read_text(file: FilePath) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise SettingsError([f"{file}: cannot be read ({reason}); check --config"]) from None
    if len(content) > MAX_FILE_BYTES:
        raise SettingsError([f"{file}: is larger than {MAX_FILE_BYTES} bytes; is it a settings file?"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError([f"{file}:{line}: is not UTF-8 text; save it as UTF-8"]) from None
