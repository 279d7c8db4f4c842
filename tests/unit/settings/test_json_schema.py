"""The JSON Schema is current, and the commented example names every key with its default."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gateway.base.redact import Secret
from gateway.settings.json_schema import build_json_schema, write_json_schema
from gateway.settings.keys import known_keys
from gateway.settings.lines import read_document
from gateway.settings.load import load_settings, parse_settings
from gateway.settings.schema import Settings
from tests.support.certificates import Authority

CONFIG = Path(__file__).parents[3] / "config"

ENVIRONMENT = {"INWORLD_API_KEY": "example", "PHONE_1001": "example", "TRUNK_PASSWORD": "example"}

WITHOUT_COMMENT = {"interruption", "digits", "tools", "limits", "password", "from_domain", "certificate", "key", "ca"}
"""Keys whose comment stands with their section or the key before."""

SITE = {
    "node.name",
    "inworld.api_key",
    "trunks.carrier.targets",
    "trunks.carrier.accept_from",
    "trunks.carrier.max_calls",
    "trunks.carrier.calls_per_second",
    "trunks.carrier.allow_destinations",
    "trunks.carrier.headers.invite",
    "trunks.carrier.headers.answer",
    "trunks.carrier.variables",
    "accounts.1001.password",
    "agents.receptionist.variables",
    "protection.unconfirmed_invites",
    "agents.receptionist.session",
    "agents.receptionist.greeting",
    "agents.receptionist.tools",
    "routes.trunk",
    "routes.to",
    "routes.agent",
}
"""What is an example in the commented file and not a default."""


def test_the_file_is_what_the_models_say() -> None:
    assert (CONFIG / "gateway.schema.json").read_text() == write_json_schema(), (
        "run: python -m gateway.settings.json_schema >config/gateway.schema.json"
    )


def test_the_module_prints_it() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "gateway.settings.json_schema"],
        capture_output=True,
        check=True,
        cwd=CONFIG.parent,
        encoding="utf-8",
    )
    assert printed.stdout == write_json_schema()
    assert printed.stderr == ""


def test_the_schema_refuses_unknown_keys_and_takes_references() -> None:
    schema = build_json_schema()
    sections = [schema, *schema["$defs"].values()]
    assert [section["additionalProperties"] for section in sections] == [False] * len(sections)
    max_calls = schema["$defs"]["NodeSettings"]["properties"]["max_calls"]
    assert max_calls["default"] == 200
    assert {option["type"] for option in max_calls["anyOf"]} == {"integer", "string"}
    assert "from" in schema["$defs"]["RouteSettings"]["properties"]
    assert schema["$defs"]["SipSettings"]["properties"]["listen"]["default"][0] == "udp://0.0.0.0:5060"


def sections(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], set[str]]]:
    known = known_keys(path)
    if isinstance(data, dict) and known:
        yield path, set(known) - set(data)
    for key, item in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield from sections(item, (*path, key))


def commented(text: str) -> str:
    """The file with its keys that are commented out, ``# advertise: …``, put in force."""
    keys = "advertise|tls|username|password|realm|from_user|from_domain|outbound_proxy"
    return re.sub(rf"^( +)# ((?:{keys}): )", r"\1\2", text, flags=re.MULTILINE)


def test_keys_that_are_commented_out_are_examples_that_load(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("DNS:gw.example.net", file="cert")
    certificate, key = pair.certificate, pair.key
    shutil.copy(key, tmp_path / "key.pem")
    shutil.copy(certificate, tmp_path / "ca.pem")
    text = commented((CONFIG / "gateway.yaml").read_text())
    settings = parse_settings(text, ENVIRONMENT, name="gateway.yaml", folder=tmp_path)
    assert (str(settings.sip.advertise), settings.media.advertise) == ("203.0.113.10", "203.0.113.10")
    assert settings.sip.tls is not None
    assert settings.sip.tls.ca == tmp_path / "ca.pem"
    carrier = settings.trunks["carrier"]
    assert (carrier.username, carrier.password, carrier.tls.server_name) == (
        "alice",
        Secret("example"),
        "sip.example.net",
    )


def test_every_key_is_in_the_commented_file_with_a_comment_before_it() -> None:
    text = commented((CONFIG / "gateway.yaml").read_text())
    document, _ = read_document(text)
    lines = text.split("\n")
    shortened = {("agents", "night_shift"), ("routes", 1), ("routes", 2), ("routes", 3)}
    for path, missing in sections(document.data):
        if path[:2] in shortened:
            continue
        # A greeting is one of two; the comment beside it shows both.
        left_out = {("agents", "receptionist", "greeting"): {"instructions"}, ("routes", 0): {"account"}}
        assert missing <= left_out.get(path, set()), path
        for key in known_keys(path):
            if key in missing or path == () or path[-1:] in {("greeting",), ("tls",)}:
                continue
            at = document.line_of((*path, key))
            assert lines[at - 2].strip().startswith("#") or key in WITHOUT_COMMENT, key


def leaves(model: BaseModel, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        place = f"{path}{field.alias or name}"
        if isinstance(value, BaseModel) and place not in SITE:
            yield from leaves(value, f"{place}.")
        elif isinstance(value, dict) and isinstance(next(iter(value.values()), None), BaseModel):
            first = next(iter(value))
            yield from leaves(value[first], f"{place}.{first}.")
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            yield from leaves(value[0], f"{place}.")
        else:
            yield place, value, field.get_default(call_default_factory=True)


def test_what_the_commented_file_calls_a_default_is_one() -> None:
    settings = load_settings(CONFIG / "gateway.yaml", ENVIRONMENT)
    found = list(leaves(settings))
    assert {place for place, value, default in found if value != default} == SITE
    assert isinstance(settings, Settings)


def test_the_comments_state_the_defaults() -> None:
    document, _ = read_document((CONFIG / "gateway.yaml").read_text())
    lines = (CONFIG / "gateway.yaml").read_text().split("\n")
    settings = load_settings(CONFIG / "gateway.yaml", ENVIRONMENT)
    for place, _, default in leaves(settings):
        path: list[str | int] = list(place.split("."))
        if path[0] == "routes":
            path.insert(1, 0)
        at = document.line_of(tuple(path)) - 2
        comment = []
        while lines[at].strip().startswith("#"):
            comment.insert(0, lines[at].strip("# "))
            at -= 1
        words = " ".join(comment)
        if isinstance(default, int | float | str) and not isinstance(default, bool) and "as here" not in words:
            assert f"Default: {default}" in words or f'Default: "{default}"' in words, place
