from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.base.redact import Secret
from gateway.settings.schema.node import ControlSettings, NodeSettings


def test_keys_of_the_rest_api() -> None:
    token = "0123456789abcdef0123456789abcdef"
    settings = ControlSettings.model_validate({"keys": [{"name": "ops", "token": token, "role": "operator"}]})
    assert (settings.keys[0].name, settings.keys[0].token, settings.keys[0].role) == ("ops", Secret(token), "operator")
    assert token not in repr(settings)
    assert token not in settings.model_dump_json()


def test_a_key_may_only_look_by_default() -> None:
    assert ControlSettings.model_validate({"keys": [{"name": "a", "token": "x" * 16}]}).keys[0].role == "viewer"


@pytest.mark.parametrize(
    "key",
    [{"name": "a"}, {"token": "x" * 16}, {"name": "a", "token": "x"}, {"name": "a", "token": "x" * 16, "role": "x"}],
)
def test_other_keys_are_refused(key: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        ControlSettings.model_validate({"keys": [key]})
    assert "xxxx" not in str(caught.value)


def test_a_node_has_room_for_calls() -> None:
    assert NodeSettings().max_calls == 200
    with pytest.raises(ValidationError):
        NodeSettings.model_validate({"max_calls": 0})
