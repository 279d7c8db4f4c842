"""Pydantic's findings in the words of somebody who edits a settings file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from pydantic_core import ErrorDetails

from gateway.base.redact import MASK, redact_text
from gateway.settings.faults import Fault, Path
from gateway.settings.keys import explain_unknown, field_at, is_secret
from gateway.settings.lines import Document
from gateway.settings.values import FAULT_TYPE

_LONGEST_SHOWN = 60
_USER_INFO = re.compile(r"//[^/@\s]*@")
_PHONE_KEYS = frozenset({"to", "from", "from_user", "account", "username"})

_Context: TypeAlias = Mapping[str, Any]


def describe(error: ErrorDetails, document: Document) -> Fault:
    """The fault that ``error`` is. Values are shown as the file has them, before references are replaced."""
    location = tuple(error["loc"])
    is_key = location[-1:] == ("[key]",)
    path = location[:-1] if is_key else location
    return Fault(path, document.line_of(path), _write(error, path, document, is_key=is_key))


def is_consequence(error: ErrorDetails, document: Document) -> bool:
    """True for "too few" about a list or mapping that has entries: they are refused one by one already."""
    return error["type"] == "too_short" and bool(value_at(document.data, tuple(error["loc"])))


def _write(error: ErrorDetails, path: Path, document: Document, *, is_key: bool) -> str:
    kind = error["type"]
    context = error.get("ctx", {})
    if kind == "extra_forbidden":
        return explain_unknown(path)
    if kind == "missing":
        return _write_missing(path)
    if kind == "string_type":
        return _write_not_text(path, document)
    shown = json.dumps(str(path[-1])) if is_key else show_value(path, document)
    if kind == FAULT_TYPE:
        return f"{shown} {context['problem']}; {context['remedy']}"
    if kind in _NOT_A_MAPPING:
        # Not shown: "api_key:secret" without a space after the colon is one of the ways to get here.
        return "is not a mapping; write <key>: <value> lines under it, with a space after each colon"
    words = _WORDS.get(kind)
    return f"{shown} {words(context)}" if words else f"{shown} is refused; {error['msg']}"


def show_value(path: Path, document: Document) -> str:
    """The value at ``path`` as the file has it; masked when it is a secret, short when it is long."""
    if is_secret(path):
        return MASK
    value = value_at(document.data, path)
    text = document.text_of(path)
    if isinstance(value, dict | list) or text is None:
        return "this mapping" if isinstance(value, dict) else "this list" if isinstance(value, list) else "this"
    text = _USER_INFO.sub(f"//{MASK}@", redact_text(text))
    text = text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
    return json.dumps(text, ensure_ascii=False) if isinstance(value, str) else text


def value_at(data: Any, path: Path) -> Any:
    """What stands at ``path``; None when nothing does."""
    for step in path:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def _write_missing(path: Path) -> str:
    field = field_at(path)
    examples = (field.examples if field else None) or ["…"]
    return f"is missing; add it, for example {path[-1]}: {examples[0]}"


def _write_not_text(path: Path, document: Document) -> str:
    shown = show_value(path, document)
    if isinstance(value_at(document.data, path), dict | list):
        return f"{shown} stands where text is wanted; write text, in quotes if in doubt"
    if path[-1] in _PHONE_KEYS:
        return f'{shown} is a number to YAML, and a phone number is text; put it in quotes: "{shown}"'
    return f'{shown} is not text to YAML; put it in quotes: "{shown}"'


def _words(text: str) -> Callable[[_Context], str]:
    return text.format_map


_NOT_A_MAPPING = frozenset({"model_type", "model_attributes_type", "dict_type", "mapping_type"})

_WHOLE = _words("is not a whole number; write one, without quotes")
_NUMBER = _words("is not a number; write one, without quotes")
_SWITCH = _words("is neither true nor false; write one of them")

_WORDS: dict[str, Callable[[_Context], str]] = {
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _SWITCH,
    "bool_parsing": _SWITCH,
    "greater_than_equal": _words("is too small; write {ge} or more"),
    "less_than_equal": _words("is too large; write {le} or less"),
    "multiple_of": _words("is not a multiple of {multiple_of}; write one"),
    "too_short": _words("is empty; name at least {min_length}"),
    "string_too_short": _words("is empty; write some text, or leave the key out"),
    "tuple_type": _words('is not a list; write [ … ], or lines that begin with "- "'),
    "literal_error": _words("is not a choice here; write {expected}"),
    "string_pattern_mismatch": _words('is not a name; use letters, digits, ".", "_" and "-"'),
}
