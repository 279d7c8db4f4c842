from __future__ import annotations

import pytest

from gateway.base.redact import MASK, Secret, redact_text


def test_a_secret_prints_as_a_mask_everywhere() -> None:
    secret = Secret("c2VjcmV0")
    assert f"{secret} {secret!r} {[secret]}" == f"{MASK} {MASK} [{MASK}]"
    assert secret.reveal() == "c2VjcmV0"


def test_secrets_compare_by_value_and_know_when_they_are_empty() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert not Secret("")
    assert Secret("x")


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Basic topsecret",
        "proxy-authorization: Digest username=x, response=topsecret",
        "wss://host/path?key=topsecret&protocol=realtime",
        "token=topsecret",
    ],
)
def test_credentials_in_text_are_masked(text: str) -> None:
    assert "topsecret" not in redact_text(text)
    assert MASK in redact_text(text)


def test_ordinary_text_is_left_alone() -> None:
    assert redact_text("Via: SIP/2.0/UDP 192.0.2.1") == "Via: SIP/2.0/UDP 192.0.2.1"
