"""Reads a scenario file (YAML 1.2). All faults of a file are reported at once, each with its line and a remedy."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from gateway.base.errors import SettingsError
from gateway.emulator.recordings import is_file_name
from gateway.emulator.scenario import Scenario

SCENARIOS = Path(__file__).parent / "scenarios"
"""The packaged scenarios: default.yaml and demo.yaml."""
LARGEST_FILE_BYTES = 1 << 20

Place = tuple[str | int, ...]


def load_scenario(path: Path | str | None = None) -> Scenario:
    """The scenario of a file, or the default one. Raises :class:`SettingsError` with every fault."""
    file = SCENARIOS / "default.yaml" if path is None else Path(path)
    document = _read(file)
    try:
        return Scenario.model_validate(_with_absolute_paths(document or {}, file.parent.resolve()))
    except ValidationError as error:
        raise SettingsError(_describe_all(file, document, error)) from error


def packaged_scenario(name: str) -> Scenario:
    """The packaged scenario ``default`` or ``demo``."""
    return load_scenario(SCENARIOS / f"{name}.yaml")


def _read(file: Path) -> Any:
    try:
        if file.stat().st_size > LARGEST_FILE_BYTES:
            raise SettingsError([f"{file}: larger than 1 MiB: this is not a scenario"])
        document = YAML(typ="rt").load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"{file}: {error.strerror}; name a scenario file that can be read"]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([f"{file}: not UTF-8 text"]) from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SettingsError([f"{file}:{line}: {error.problem or 'not valid YAML'}"]) from error
    except YAMLError as error:
        raise SettingsError([f"{file}: not valid YAML"]) from error
    if document is not None and not isinstance(document, Mapping):
        raise SettingsError([f"{file}:1: a scenario is a mapping such as 'greeting: {{say: practice_greeting}}'"])
    return document


def _with_absolute_paths(value: Any, base: Path) -> Any:
    """A plain copy in which every WAV path under a ``say`` starts at the file's own directory."""
    if isinstance(value, Mapping):
        plain = {key: _with_absolute_paths(child, base) for key, child in value.items()}
        if "say" in plain:
            plain["say"] = _absolute(plain["say"], base)
        return plain
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_with_absolute_paths(child, base) for child in value]
    return value


def _absolute(said: Any, base: Path) -> Any:
    if isinstance(said, list):
        return [_absolute(name, base) for name in said]
    return str(base / said) if isinstance(said, str) and is_file_name(said) else said


def _describe_all(file: Path, document: Any, error: ValidationError) -> list[str]:
    """One text for each fault, in the order of the file."""
    found = {_locate(document, fault) for fault in error.errors(include_url=False)}
    return [
        f"{file}:{line}: {dotted}: {reason}" if dotted else f"{file}:{line}: {reason}"
        for line, dotted, reason in sorted(found)
    ]


def _locate(document: Any, fault: Any) -> tuple[int, str, str]:
    """Line, dotted key and what is wrong there."""
    place, kind = _place(tuple(fault["loc"])), fault["type"]
    if kind == "extra_forbidden":
        reason = "no such key" + _nearest(str(place[-1]), _keys_at(place[:-1]))
    elif place[-1:] == _EITHER_WAY:
        reason = "neither a mapping nor text; write {name: value}, or text in quotes"
    elif kind == "value_error":
        reason = str(fault["ctx"]["error"])
    else:
        reason = _WORDS.get(kind, "refused; docs/emulator.md says what may stand here").format_map(
            _plain(fault.get("ctx", {}))
        )
    return _line_number(document, place), ".".join(str(part) for part in place), reason


def _plain(context: Mapping[str, Any]) -> dict[str, Any]:
    """Bounds as somebody would write them: 20 and not 20.0."""
    return {key: f"{value:g}" if isinstance(value, float) else value for key, value in context.items()}


def _place(location: Place) -> Place:
    """Where the fault is in the file: pydantic's location goes on with the name of the type it tried."""
    cut = location.index(_EITHER_WAY[0]) + 1 if _EITHER_WAY[0] in location else len(location)
    return location[:cut]


_EITHER_WAY = ("arguments",)
"""The one key that takes values of two shapes; each is tried, and each refuses."""

_LIST = 'not a list; write [ … ], or lines that begin with "- "'
_TEXT = "not text; put it in quotes"
_WHOLE = "not a whole number; write one, without quotes"
_NUMBER = "not a number; write one, without quotes"
_SWITCH = "neither true nor false; write one of them"
_MAPPING = "not a mapping; write {{name: value}}, or indented lines of name: value"

_WORDS = {
    "tuple_type": _LIST,
    "list_type": _LIST,
    "string_type": _TEXT,
    "string_unicode": "text with half a character in it; write the whole one",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _SWITCH,
    "bool_parsing": _SWITCH,
    "literal_error": "not a choice here; write {expected}",
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dict_type": _MAPPING,
    "greater_than_equal": "too small; write {ge} or more",
    "less_than_equal": "too large; write {le} or less",
    "string_too_short": "empty; write some text",
    "missing": "missing; add it",
}
"""What each of pydantic's findings means to somebody who edits the file."""


def _line_number(document: Any, place: Place) -> int:
    """The line of the deepest part of ``place`` that stands in the file."""
    line, node = 1, document
    for part in place:
        if not isinstance(node, CommentedBase):
            break
        try:
            line = (node.lc.key(part) if isinstance(node, Mapping) else node.lc.item(part))[0] + 1
            node = typing.cast(Any, node)[part]
        except (KeyError, IndexError, TypeError):
            break
    return line


def _nearest(key: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(key, names, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known here: {', '.join(names)}" if names else ""


def _keys_at(place: Place) -> list[str]:
    """The keys that the model knows at a place of the file."""
    model: type[BaseModel] | None = Scenario
    for part in place:
        if model is not None and isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation)
    return list(model.model_fields) if model else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (tuple, types.UnionType, typing.Union):
        return next(filter(None, map(_model_in, typing.get_args(annotation))), None)
    return None
