"""Reads an object that strict decoding refused: fields that fit are kept, all others are left at their default."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

AnyStruct = TypeVar("AnyStruct", bound=msgspec.Struct)


class _Misfit(Exception):
    """The value has no place in the field."""


def convert_leniently(fields: Mapping[str, Any], struct: type[AnyStruct]) -> AnyStruct:
    """Builds ``struct`` from the fields that fit. Every field of ``struct`` must have a default."""
    kept: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        if field.encode_name in fields:
            try:
                kept[field.name] = _fit(fields[field.encode_name], field.type)
            except _Misfit:
                continue
    return struct(**kept)


def _fit(value: object, annotation: Any) -> object:
    try:
        return msgspec.convert(value, annotation)
    except (msgspec.ValidationError, ValueError):
        return _fit_nested(value, annotation)


def _fit_nested(value: object, annotation: Any) -> object:
    for candidate in _alternatives(annotation):
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct) and isinstance(value, dict):
            return convert_leniently(value, candidate)
        if typing.get_origin(candidate) is list and isinstance(value, list):
            (element,) = typing.get_args(candidate)
            return list(_fitting(value, element))
    raise _Misfit


def _fitting(values: list[object], annotation: Any) -> Iterator[object]:
    for value in values:
        try:
            yield _fit(value, annotation)
        except _Misfit:
            continue


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return typing.get_args(annotation)
    return (annotation,)
