from __future__ import annotations

from typing import Any

import pytest

from gateway.settings.hints import hints
from gateway.settings.schema import Settings

BASE: dict[str, Any] = {
    "inworld": {"api_key": ""},
    "trunks": {"carrier": {"accept_from": ["198.51.100.0/24"]}},
    "agents": {"desk": {}},
    "routes": [{"agent": "desk"}],
}
TARGETS = {"targets": ["sip:b.example"]}


def test_ordinary_settings_surprise_nobody() -> None:
    assert hints(Settings.model_validate(BASE)) == []
    fine = {"carrier": TARGETS | {"allow_destinations": ["+1*"]}}
    assert hints(Settings.model_validate(BASE | {"trunks": fine})) == []


@pytest.mark.parametrize(
    ("trunk", "words"),
    [
        (TARGETS, "trunks.carrier.allow_destinations: is empty"),
        ({"allow_destinations": ["+1*"]}, "trunks.carrier.targets: is empty"),
        (TARGETS | {"allow_destinations": ["*"]}, 'trunks.carrier.allow_destinations: "*" lets every number be called'),
        ({"tls": {"verify": False}}, "trunks.carrier.tls.verify: is false"),
    ],
)
def test_trunks_that_may_surprise(trunk: dict[str, Any], words: str) -> None:
    (hint,) = hints(Settings.model_validate(BASE | {"trunks": {"carrier": trunk}}))
    assert hint.startswith(words)


def test_tokens_on_a_network_without_tls() -> None:
    control: dict[str, Any] = {"keys": [{"name": "ops", "token": "0123456789abcdef"}]}
    assert hints(Settings.model_validate(BASE | {"control": control})) == []
    (hint,) = hints(Settings.model_validate(BASE | {"control": control | {"listen": "0.0.0.0:8080"}}))
    assert hint.startswith("control.listen: 0.0.0.0:8080 is open to more than this machine")


def test_an_account_that_nobody_answers() -> None:
    settings = BASE | {"accounts": {"1001": {"password": "p"}, "2001": {"password": "p"}}}
    assert hints(Settings.model_validate(settings)) == []
    routes = [{"trunk": "c*", "agent": "desk"}, {"account": "1*", "agent": "desk"}]
    (hint,) = hints(Settings.model_validate(settings | {"routes": routes}))
    assert hint.startswith("accounts.2001: no route answers its calls")
