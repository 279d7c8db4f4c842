"""The JSON Schema of the settings file, for editors and validators. ``python -m gateway.settings.json_schema``."""

from __future__ import annotations

import ipaddress
import json
import sys
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from gateway.settings.schema import Section, Settings
from gateway.settings.values import ListenAddress, PortRange

_REFERENCE = {"type": "string", "pattern": r"\$\{.+\}"}
"""Numbers and switches may come from a reference, which is a string in the file."""


class _SettingsJsonSchema(GenerateJsonSchema):
    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        return {"anyOf": [super().int_schema(schema), _REFERENCE]}

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return {"anyOf": [super().float_schema(schema), _REFERENCE]}

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        return {"anyOf": [super().bool_schema(schema), _REFERENCE]}

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, tuple):
            return [self.encode_default(item) for item in dft]
        if isinstance(dft, ListenAddress | PortRange | ipaddress.IPv4Network | ipaddress.IPv6Network):
            return str(dft)
        if isinstance(dft, Section):
            return self.encode_default(dft.model_dump(by_alias=True, exclude_defaults=True))
        return super().encode_default(dft)


def build_json_schema() -> dict[str, Any]:
    """The schema as a plain value."""
    schema = Settings.model_json_schema(by_alias=True, schema_generator=_SettingsJsonSchema)
    tidied: dict[str, Any] = _tidy(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Gateway settings"} | tidied


def _tidy(schema: Any) -> Any:
    """Leave out what says nothing (generated titles, defaults of null) and join the lines of descriptions."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return " ".join(schema.split()) if isinstance(schema, str) and "\n" in schema else schema
    return {
        key: _tidy(item)
        for key, item in schema.items()
        if not (key == "title" and isinstance(item, str)) and not (key == "default" and item is None)
    }


def write_json_schema() -> str:
    """The text of ``config/gateway.schema.json``."""
    return json.dumps(build_json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(write_json_schema())
