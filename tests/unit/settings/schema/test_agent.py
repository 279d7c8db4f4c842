from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.settings.schema.agent import AgentSettings


def test_variables_of_an_agent() -> None:
    assert AgentSettings.model_validate({}).variables == {}
    assert AgentSettings.model_validate({"variables": {"office": "Springfield"}}).variables == {"office": "Springfield"}
    with pytest.raises(ValidationError):
        AgentSettings.model_validate({"variables": {"the office": "Springfield"}})


def test_limits_are_bounded_by_a_day() -> None:
    with pytest.raises(ValidationError):
        AgentSettings.model_validate({"limits": {"duration_s": 86_401}})


def test_a_greeting_says_something() -> None:
    with pytest.raises(ValidationError):
        AgentSettings.model_validate({"greeting": {"instructions": ""}})
