"""What is said about keys that the schema does not have."""

from __future__ import annotations

import pytest

from gateway.settings.faults import Path
from gateway.settings.keys import LATER_KEYS, explain_unknown, field_at, is_secret, known_keys


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (("media", "reorder"), "is unknown; did you mean reorder_ms?"),
        (("node", "max-calls"), "is unknown; did you mean max_calls?"),
        (("route",), "is unknown; did you mean routes?"),
        (("routes", 0, "agnet"), "is unknown; did you mean agent?"),
        (("agents", "a", "interruption", "protect"), "is unknown; known here: mode, protect_greeting"),
        (("sip", "reorder_ms"), "is unknown here; there is media.reorder_ms"),
        (("sip", "max_calls"), "is unknown here; there is node.max_calls and trunks.*.max_calls"),
        (("routes", 3, "greeting"), "is unknown here; there is agents.*.greeting"),
        (("control", "colour"), "is unknown; known here: keys, listen, metrics"),
        (("agents", "a", "tools", "hang_up", "reason"), "is unknown; remove it"),
        (("records",), "is not in this version; remove it"),
        (("trunks", "any", "srtp"), "is not in this version; remove it"),
        (("routes", 7, "webhook"), "is not in this version; remove it"),
        (("trunks", "any", "registers"), "is unknown; did you mean register?"),
        (("agents", "a", "tools", "transfer"), "is not in this version; remove it"),
        (("agents", "a", "greeting", "recording"), "is not in this version; remove it"),
    ],
)
def test_explain_unknown(path: Path, said: str) -> None:
    assert explain_unknown(path) == said


def test_no_later_key_exists_already() -> None:
    for pattern in LATER_KEYS:
        path: Path = tuple(0 if step == "*" and pattern[0] == "routes" else step for step in pattern)
        assert field_at(path) is None, path
        assert known_keys(path[:-1]), f"the parent of {path} exists"


def test_known_keys_use_the_files_names() -> None:
    assert known_keys(("routes", 0)) == ["trunk", "to", "from", "account", "headers", "agent"]
    assert known_keys(("agents", "a", "greeting")) == ["say", "instructions"]
    assert known_keys(("agents", "a", "session")) == []
    assert known_keys(("nowhere", "at", "all")) == []


def test_secrets_are_known_by_their_type() -> None:
    assert is_secret(("inworld", "api_key"))
    assert is_secret(("trunks", "any", "password"))
    assert is_secret(("accounts", "1001", "password"))
    assert is_secret(("control", "keys", 0, "token"))
    assert not is_secret(("inworld", "url"))
    assert not is_secret(("nowhere",))
