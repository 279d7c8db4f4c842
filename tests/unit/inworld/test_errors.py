"""Refusals tell the operator what to do."""

from __future__ import annotations

from gateway.base.errors import RemoteProtocolError
from gateway.inworld.errors import ProviderRefused, ProviderUnreachable


def test_a_refusal_names_status_body_and_remedy() -> None:
    refused = ProviderRefused(401, "bad key")
    assert str(refused).startswith("the provider refused the connection with HTTP 401: bad key: check inworld.api_key")
    assert (refused.status, refused.http_status, refused.body) == (503, 401, "bad key")


def test_a_refusal_without_body_or_remedy_is_short() -> None:
    assert str(ProviderRefused(500, "")) == "the provider refused the connection with HTTP 500"


def test_a_redirect_is_not_followed_and_says_so() -> None:
    assert "inworld.url" in str(ProviderRefused(302, ""))


def test_unavailability_is_an_error_of_the_peer_with_a_retry_hint() -> None:
    assert issubclass(ProviderUnreachable, RemoteProtocolError)
    assert ProviderUnreachable("gone").retry_after_s == 5
    assert ProviderRefused(429, "", retry_after_s=30).retry_after_s == 30
