"""What the schema knows about a path: which keys exist there, which come later, which one was probably meant."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.base.redact import Secret
from gateway.settings.faults import Path, write_path
from gateway.settings.schema import Settings

LATER_KEYS = frozenset(
    tuple(pattern.split("."))
    for pattern in (
        "scenario",
        "records",
        "webhooks",
        "cluster",
        "inworld.max_messages_per_second",
        "trunks.*.srtp",
        "trunks.*.dtmf",
        "agents.*.fallback",
        "agents.*.greeting.recording",
        "agents.*.tools.transfer",
        "agents.*.tools.send_digits",
        "agents.*.tools.hold",
        "agents.*.tools.voicemail",
        "agents.*.tools.lookup",
        "routes.*.webhook",
    )
)
"""Keys of the full design that this version does not have yet. ``*`` stands for any name or position."""

_LISTED_KEYS = 12


def explain_unknown(path: Path) -> str:
    """What to say about a key that the schema refuses."""
    key = str(path[-1])
    if any(_fits(pattern, path) for pattern in LATER_KEYS):
        return "is not in this version; remove it"
    known = sorted(known_keys(path[:-1]))
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.7)
    if close:
        return f"is unknown; did you mean {close[0]}?"
    elsewhere = [write_path(place) for place, name in _all_keys(Settings) if name == key]
    if elsewhere:
        return f"is unknown here; there is {' and '.join(elsewhere)}"
    return f"is unknown; known here: {', '.join(known[:_LISTED_KEYS])}" if known else "is unknown; remove it"


def known_keys(path: Path) -> list[str]:
    """The keys that a mapping at ``path`` may have; empty when any or none may be there."""
    model = _model(_annotation_at(path))
    return [_name(name, field) for name, field in model.model_fields.items()] if model else []


def field_at(path: Path) -> FieldInfo | None:
    """The schema's field at ``path``."""
    model = _model(_annotation_at(path[:-1])) if path else None
    return _find_field(model, path[-1]) if model else None


def is_secret(path: Path) -> bool:
    """True when the value at ``path`` must never be shown."""
    return _strip(_annotation_at(path)) is Secret


def _fits(pattern: tuple[str, ...], path: Path) -> bool:
    return len(pattern) == len(path) and all(one in {"*", str(step)} for one, step in zip(pattern, path, strict=True))


def _annotation_at(path: Path) -> Any:
    annotation: Any = Settings
    for step in path:
        annotation = _descend(annotation, step)
    return annotation


def _descend(annotation: Any, step: str | int) -> Any:
    model = _model(annotation)
    if model is not None:
        field = _find_field(model, step)
        return field.annotation if field else None
    stripped = _strip(annotation)
    origin, arguments = get_origin(stripped), get_args(stripped)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return arguments[1]
    return arguments[0] if origin is tuple else None


def _find_field(model: type[BaseModel], key: str | int) -> FieldInfo | None:
    return next((field for name, field in model.model_fields.items() if _name(name, field) == key), None)


def _name(name: str, field: FieldInfo) -> str:
    return field.alias or name


def _model(annotation: Any) -> type[BaseModel] | None:
    stripped = _strip(annotation)
    return stripped if isinstance(stripped, type) and issubclass(stripped, BaseModel) else None


def _strip(annotation: Any) -> Any:
    """The type inside Annotated and Optional."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _strip(get_args(annotation)[0])
    if origin is Union or origin is types.UnionType:
        return _strip(next(one for one in get_args(annotation) if one is not types.NoneType))
    return annotation


def _all_keys(annotation: Any, place: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every path of the schema with its last key; names and positions that are free are written as ``*``."""
    model = _model(annotation)
    if model is None:
        stripped = _strip(annotation)
        inner = _descend(stripped, 0) if get_args(stripped) else None
        if _model(inner) is not None:
            yield from _all_keys(inner, (*place, "*"))
        return
    for name, field in model.model_fields.items():
        key = _name(name, field)
        yield (*place, key), key
        yield from _all_keys(field.annotation, (*place, key))
