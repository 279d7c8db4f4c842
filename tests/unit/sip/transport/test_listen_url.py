from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.sip.transport.listen_url import ListenUrl


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("udp://0.0.0.0:5060", ListenUrl("udp", "0.0.0.0", 5060)),
        ("tcp://127.0.0.1:0", ListenUrl("tcp", "127.0.0.1", 0)),
        ("udp://192.0.2.1", ListenUrl("udp", "192.0.2.1", 5060)),
        ("tcp://[2001:db8::1]:5070", ListenUrl("tcp", "2001:db8::1", 5070)),
        ("tls://192.0.2.1", ListenUrl("tls", "192.0.2.1", 5061)),
        ("ws://192.0.2.1", ListenUrl("ws", "192.0.2.1", 80, "/")),
        ("wss://[::]:8443/sip", ListenUrl("wss", "::", 8443, "/sip")),
    ],
)
def test_urls_that_are_fine(text: str, url: ListenUrl) -> None:
    assert ListenUrl.parse(text) == url
    assert ListenUrl.parse(str(url)) == url


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0:5060",
        "udp://host.example:5060",
        "sctp://0.0.0.0:5061",
        "udp://0.0.0.0:99999",
        "udp://",
        "",
        "tcp://0.0.0.0/x",
    ],
)
def test_urls_that_are_not_are_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(LocalProtocolError, match="udp://"):
        ListenUrl.parse(text)


def test_wildcards_and_families() -> None:
    assert ListenUrl.parse("udp://0.0.0.0:1").is_wildcard
    assert ListenUrl.parse("udp://[::]:1").is_wildcard
    assert not ListenUrl.parse("udp://127.0.0.1:1").is_wildcard
    assert ListenUrl.parse("udp://[::]:1").is_ipv6
    assert not ListenUrl.parse("udp://0.0.0.0:1").is_ipv6
