"""RFC 5923: whose connection is believed to lead to whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.sip.flow import Flow
from gateway.sip.transport.aliases import MAX_ALIASES, Aliases, asks_for_alias
from tests.support.sip_peer import request

HOST = "198.51.100.7"


@dataclass
class Connection:
    transport: Any = "tls"
    number: int = 4
    certificate: dict[str, Any] = field(default_factory=lambda: {"subjectAltName": (("DNS", "sbc.example"),)})

    @property
    def flow(self) -> Flow:
        return Flow(self.transport, ("192.0.2.1", 5061), (HOST, 40001), self.number)


def sent(sent_by: str, transport: str = "TLS", alias: str = ";alias") -> bytes:
    return request("OPTIONS", via=f"SIP/2.0/{transport} {sent_by};branch=z9hG4bKx{alias}").to_bytes()


@pytest.mark.parametrize(
    ("connection", "data", "key"),
    [
        (Connection(), sent("SBC.example:5081"), ("tls", (HOST, 5081), "sbc.example")),
        (Connection(), sent("sbc.example"), ("tls", (HOST, 5061), "sbc.example")),
        (
            Connection(certificate={"subjectAltName": (("IP Address", HOST),)}),
            sent(HOST),
            ("tls", (HOST, 5061), ""),
        ),
        (Connection("tcp", certificate={}), sent(HOST, "TCP"), ("tcp", (HOST, 5060), "")),
    ],
)
def test_who_is_believed(connection: Connection, data: bytes, key: tuple[str, tuple[str, int], str]) -> None:
    aliases = Aliases()
    assert asks_for_alias(data)
    aliases.learn(data, connection)
    assert aliases.find(*key) == 4
    aliases.forget(4)
    assert aliases.find(*key) == len(aliases) == 0


@pytest.mark.parametrize(
    ("connection", "data"),
    [
        (Connection(), sent("sbc.example", alias="")),
        (Connection(), sent("other.example")),
        (Connection(certificate={}), sent("sbc.example")),
        (Connection("tcp", certificate={}), sent("sbc.example", "TCP")),
        (Connection("tcp", certificate={}), sent("10.0.0.1", "TCP")),
        (Connection("wss"), sent("sbc.example", "WSS")),
        (Connection(), b"alias"),
        (Connection(), b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS sbc.example;alias\r\n\r\n"),
    ],
)
def test_an_alias_that_nothing_proves_is_not_believed(connection: Connection, data: bytes) -> None:
    aliases = Aliases()
    aliases.learn(data, connection)
    assert len(aliases) == 0


def test_the_first_keeps_what_it_has_and_nobody_has_too_many() -> None:
    aliases = Aliases()
    aliases.learn(sent("sbc.example"), Connection())
    aliases.learn(sent("sbc.example"), Connection(number=5))
    assert aliases.find("tls", (HOST, 5061), "sbc.example") == 4
    for port in range(1, 50):
        aliases.learn(sent(f"sbc.example:{port}"), Connection())
    assert len(aliases) == MAX_ALIASES


def test_an_ordinary_message_is_not_looked_into() -> None:
    assert not asks_for_alias(request("OPTIONS").to_bytes())
