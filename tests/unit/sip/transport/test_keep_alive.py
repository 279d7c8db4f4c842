"""Pings and pongs on literal times."""

from __future__ import annotations

from typing import Any

from gateway.sip.flow import Flow
from gateway.sip.transport.keep_alive import PONG_S, KeepAlive

LOCAL, REMOTE = ("192.0.2.1", 5060), ("198.51.100.7", 5060)
UDP = Flow("udp", LOCAL, REMOTE)
TCP = Flow("tcp", LOCAL, REMOTE, 4)


class Connection:
    def __init__(self) -> None:
        self.pings: list[float] = []
        self.is_silent = False
        self.is_aborted = False

    def ping(self, now: float) -> None:
        self.pings.append(now)

    def is_ping_unanswered(self) -> bool:
        return self.is_silent

    def abort(self) -> None:
        self.is_aborted = True


class Bench:
    def __init__(self) -> None:
        self.connection: Any = Connection()
        self.sent: list[bytes] = []
        self.failed: list[Flow] = []
        self.is_reachable = True
        self.keep_alive = KeepAlive(
            connection_of=lambda flow: self.connection,
            send=lambda flow, data: self.sent.append(data) is None and self.is_reachable,
            on_failed=self.failed.append,
            spread=lambda least, most: least,
        )

    def run(self, until: float) -> None:
        while (due := self.keep_alive.next_deadline()) is not None and due <= until:
            self.keep_alive.handle_timeout(due)


def test_a_connection_is_pinged_every_95_seconds_at_least() -> None:
    bench = Bench()
    bench.keep_alive.keep({TCP: None}, 0)
    bench.run(300)
    assert bench.connection.pings == [95, 190, 285]
    assert bench.failed == []


def test_a_missing_pong_ends_the_connection_ten_seconds_later() -> None:
    bench = Bench()
    bench.keep_alive.keep({TCP: None}, 0)
    bench.run(95)
    bench.connection.is_silent = True
    bench.run(95 + PONG_S - 0.1)
    assert bench.failed == []
    bench.run(95 + PONG_S)
    assert (bench.failed, bench.connection.is_aborted) == ([TCP], True)
    assert bench.keep_alive.next_deadline() is None


def test_a_connection_that_is_gone_has_failed_and_begins_anew_when_named_again() -> None:
    bench = Bench()
    bench.keep_alive.keep({TCP: None}, 0)
    bench.connection = None
    bench.run(1000)
    assert bench.failed == [TCP]
    bench.connection = Connection()
    bench.keep_alive.keep({TCP: None}, 1000)
    bench.run(1095)
    assert bench.connection.pings == [1095]


def test_udp_is_pinged_more_often_and_not_answered() -> None:
    bench = Bench()
    bench.keep_alive.keep({UDP: None}, 0)
    bench.run(72)
    assert bench.sent == [b"\r\n\r\n"] * 3
    bench.is_reachable = False
    bench.run(1000)
    assert bench.failed == [UDP]


def test_what_is_named_again_keeps_its_rhythm_and_what_is_not_is_let_go() -> None:
    bench = Bench()
    bench.keep_alive.keep({TCP: None, UDP: None}, 0)
    bench.keep_alive.keep({TCP: None}, 50)
    assert bench.keep_alive.flows == {TCP}
    bench.run(100)
    assert (bench.connection.pings, bench.sent) == ([95], [])
    bench.keep_alive.keep({TCP: None}, 100)
    bench.run(189)
    assert bench.connection.pings == [95], "waiting for a pong is part of the rhythm"
    bench.keep_alive.keep([], 189)
    assert bench.keep_alive.next_deadline() is None


def test_a_registrar_that_wants_pings_sooner_gets_them_within_its_flow_timer() -> None:
    bench = Bench()
    bench.keep_alive.keep({TCP: 60, UDP: 100}, 0)
    bench.run(150)
    assert bench.connection.pings == [48, 96, 144], "80 % of 60 s"
    assert len(bench.sent) == 150 // 24, "UDP is pinged sooner than that anyway"


def test_a_flow_timer_of_a_second_does_not_make_us_flood() -> None:
    bench = Bench()
    bench.keep_alive.keep({UDP: 1}, 0)
    bench.run(40)
    assert len(bench.sent) == 10
