from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.settings.schema.protection import ProtectionSettings


def test_the_defaults() -> None:
    settings = ProtectionSettings()
    assert (settings.invites_per_second, settings.requests_per_second) == (20, 100)
    assert settings.unconfirmed_invites is None
    assert settings.scanners == "silence"
    assert settings.ban is not None
    assert (settings.ban.failures, settings.ban.within_s, settings.ban.for_s) == (5, 60, 600)


def test_words() -> None:
    settings = ProtectionSettings.model_validate({"ban": "none", "scanners": 403})
    assert (settings.ban, settings.scanners) == (None, "403")
    assert ProtectionSettings.model_validate({"scanners": "off"}).scanners == "off"


@pytest.mark.parametrize(
    "values",
    [
        {"invites_per_second": 0},
        {"requests_per_second": 0.5},
        {"unconfirmed_invites": 0},
        {"ban": {"failures": 0}},
        {"ban": {"for_s": 0}},
        {"scanners": "404"},
    ],
)
def test_others_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ProtectionSettings.model_validate(values)
