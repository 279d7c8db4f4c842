from __future__ import annotations

import pytest

from gateway.sip.transport import local_address
from gateway.sip.transport.local_address import LocalAddresses


def test_the_kernel_knows_the_address_toward_loopback() -> None:
    assert LocalAddresses().toward("127.0.0.1") == "127.0.0.1"


def test_no_route_is_no_address() -> None:
    assert LocalAddresses().toward("not an address") is None


def test_answers_are_kept_for_the_last_hosts_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(host: str) -> str:
        asked.append(host)
        return "192.0.2.1"

    monkeypatch.setattr(local_address, "_ask_kernel", ask)
    addresses = LocalAddresses(size=2)
    for host in ("a", "a", "b", "c", "c", "b", "a"):
        addresses.toward(host)
    assert asked == ["a", "b", "c", "a"]
    addresses.forget()
    addresses.toward("a")
    assert asked[-1] == "a"
    assert len(asked) == 5
