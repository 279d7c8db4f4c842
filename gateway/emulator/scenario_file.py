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
        raise SettingsError([_describe(file, document, fault) for fault in error.errors()]) from error


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


def _describe(file: Path, document: Any, fault: Any) -> str:
    place: Place = tuple(fault["loc"])
    if fault["type"] == "extra_forbidden":
        reason = "no such key" + _nearest(str(place[-1]), _keys_at(place[:-1]))
    else:
        reason = str(fault["msg"]).removeprefix("Value error, ")
    return _line(file, document, place, reason)


def _line(file: Path, document: Any, place: Place, reason: str) -> str:
    dotted = ".".join(str(part) for part in place)
    return f"{file}:{_line_number(document, place)}: {dotted}: {reason}" if dotted else f"{file}:1: {reason}"


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
