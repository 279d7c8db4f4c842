"""URL and Authorization."""

from __future__ import annotations

import uuid

import pytest

from gateway.base.errors import SettingsError
from gateway.base.ids import IdSource
from gateway.base.redact import Secret
from gateway.inworld.endpoint import Endpoint, new_session_key

URL = "wss://api.inworld.ai/api/v1/realtime/session"


def at(url: str, key: str = "a2V5OnNlY3JldA==", **options: str) -> Endpoint:
    return Endpoint(url, Secret(key), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (URL, f"{URL}?key=k-1&protocol=realtime"),
        (f"{URL}?region=eu", f"{URL}?region=eu&key=k-1&protocol=realtime"),
        (f"{URL}?key=mine", f"{URL}?key=mine&protocol=realtime"),
        (f"{URL}?protocol=realtime", f"{URL}?protocol=realtime&key=k-1"),
        ("http://127.0.0.1:9/x", "ws://127.0.0.1:9/x?key=k-1&protocol=realtime"),
        ("https://h/x", "wss://h/x?key=k-1&protocol=realtime"),
    ],
)
def test_key_and_protocol_are_added_to_the_query_that_is_there(url: str, expected: str) -> None:
    assert at(url).session_url("k-1") == expected


def test_a_key_is_percent_encoded() -> None:
    assert at(URL).session_url("a b&c").endswith("?key=a%20b%26c&protocol=realtime")


def test_a_basic_key_is_sent_verbatim() -> None:
    authorization = at(URL).authorization()
    assert authorization is not None
    assert authorization.reveal() == "Basic a2V5OnNlY3JldA=="


def test_a_bearer_token_is_sent_as_such() -> None:
    authorization = at(URL, "jwt", auth="bearer").authorization()
    assert authorization is not None
    assert authorization.reveal() == "Bearer jwt"


def test_without_a_key_there_is_no_header() -> None:
    assert at(URL, "").authorization() is None


def test_nothing_prints_the_key() -> None:
    assert "a2V5" not in repr(at(URL))
    assert "a2V5" not in str(at(URL).authorization())


@pytest.mark.parametrize(
    ("url", "host", "port", "is_secure"),
    [
        (URL, "api.inworld.ai", 443, True),
        ("ws://127.0.0.1:8081/x", "127.0.0.1", 8081, False),
        ("ws://[::1]/x", "::1", 80, False),
    ],
)
def test_where_to_connect(url: str, host: str, port: int, is_secure: bool) -> None:
    endpoint = at(url)
    assert (endpoint.host, endpoint.port, endpoint.is_secure) == (host, port, is_secure)


@pytest.mark.parametrize("url", ["", "api.inworld.ai", "ftp://x", "wss://", "ws://h:99999", "ws://h:p", "ws://[::1"])
def test_a_url_that_is_none_is_a_fault_of_the_settings(url: str) -> None:
    with pytest.raises(SettingsError, match=r"inworld\.url"):
        at(url)


@pytest.mark.parametrize("key", ["se cret", "a\r\nX-Evil: 1", "ключ"])
def test_a_key_that_would_break_the_header_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(SettingsError, match=r"inworld\.api_key") as raised:
        at(URL, key)
    assert key not in str(raised.value)


def test_session_keys_are_distinct_uuids() -> None:
    ids = IdSource()
    keys = {new_session_key(ids) for _ in range(100)}
    assert len(keys) == 100
    assert all(uuid.UUID(key).version == 4 for key in keys)
