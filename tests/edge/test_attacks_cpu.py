"""The dearest messages of 64 kB that anybody can send: none of them takes the loop away from the calls that are up."""

from __future__ import annotations

import itertools

import pytest

from tests.support.cpu_cost import yardsticks
from tests.support.open_door import CARRIER, STRANGER, OpenDoor

ROOM = 60_000
DEAREST = 15
"""Yardsticks, of some 10 ms. Most messages cost one; what grows with the square of its length costs hundreds."""


def fill(unit: str) -> str:
    return unit * (ROOM // len(unit))


def message(method: str = "INVITE", *, to: str = "<sip:a@b>", more: str = "", body: str = "") -> bytes:
    head = [
        f"{method} sip:1001@gw SIP/2.0",
        "Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKx1;rport",
        "From: <sip:a@b>;tag=1",
        f"To: {to}",
        "Call-ID: 1",
        f"CSeq: 1 {method}",
        "Contact: <sip:a@198.51.100.7>",
        "Max-Forwards: 70",
        *([more] if more else []),
        "Content-Type: multipart/mixed;boundary=b" if body else "Subject: x",
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


DIGEST = f'Digest username="1001", realm="gateway", nonce="{"0" * 60}", uri="sip:1001@gw", response="{"0" * 32}"'

DEAR = {
    "escapes in a display name": message(to=f'"{fill(chr(92) + chr(34))}" <sip:a@b>'),
    "an endless display name": message(to=f'"{fill(chr(92) + chr(34))} <sip:a@b>'),
    "words before a URI": message(to=f"{fill('a ')} <sip:a@b>"),
    "percent escapes": message(to=f"<sip:{fill('%61')}@b>"),
    "the same parameter": message(to=f"<sip:a@b{fill(';a=b')}>"),
    "parameters": message(to="<sip:a@b" + "".join(f";a{number}=b" for number in range(6000)) + ">"),
    "parameters of the header": message(to="<sip:a@b>" + "".join(f";a{number}=b" for number in range(6000))),
    "angles": message(to=f"{fill('<')}sip:a@b>"),
    "headers": message(more=fill("X: y\r\n") + "X: y"),
    "folded lines": message(more="Subject: a" + fill("\r\n b")),
    "hops": message(more="Via: " + fill("SIP/2.0/UDP a;branch=z9hG4bKq,") + "SIP/2.0/UDP a"),
    "routes": message(more="Record-Route: " + fill("<sip:a@b;lr>,") + "<sip:a@b;lr>"),
    "credentials": message("REGISTER", more="\r\n".join(["Authorization: " + DIGEST] * 200)),
    "credentials in one header": message("REGISTER", more="Authorization: " + fill(DIGEST + ", ") + "a=b"),
    "quotes in credentials": message("REGISTER", more="Authorization: Digest a=" + fill('"')),
    "blanks in credentials": message("REGISTER", more="Authorization: Digest" + fill(" ") + "a=b"),
    "option tags": message(more="Require: " + fill("a,") + "b"),
    "identities": message(more="P-Asserted-Identity: " + fill("<sip:a@b>,") + "<sip:a@b>"),
    "what it replaces": message(more="Replaces: a" + fill(";a=b")),
    "reasons": message("BYE", to="<sip:a@b>;tag=1", more="Reason: " + fill("Q.850;cause=16,") + "SIP"),
    "parts of a body": message(body=fill("--b\r\n\r\nx\r\n")),
    "bodies in bodies": message(body=fill("--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n")),
    "a number that scanners dial": message().replace(b"1001@gw", b"0" * ROOM + b"97259@gw"),
    "a sequence number": message().replace(b"CSeq: 1 ", b"CSeq: " + b"1" * ROOM + b" "),
    "no UTF-8": message(more="Subject: X").replace(b": X", b": " + b"\xff\xc3" * (ROOM // 2)),
    "blanks": b"INVITE" + b" " * ROOM + b"sip:a SIP/2.0\r\n\r\n",
    "one line": b"A" * ROOM,
    "empty lines": b"\r\n" * (ROOM // 2) + b"x",
}


@pytest.mark.parametrize("source", [STRANGER, CARRIER])
@pytest.mark.parametrize("data", DEAR.values(), ids=DEAR)
def test_no_message_of_64_kb_stops_the_loop(data: bytes, source: str) -> None:
    benches = (OpenDoor() for _ in itertools.count())
    assert yardsticks(lambda: next(benches).send(data[:65_507], source), DEAREST) <= DEAREST


def test_long_messages_take_more_of_what_a_stranger_may_send_in_a_second() -> None:
    """100 requests a second of 64 kB each would be a core for one source."""
    bench = OpenDoor()
    for _ in range(30):
        bench.send(DEAR["escapes in a display name"], STRANGER)
    assert bench.ua.stats.requests_received == 6
    assert bench.send(message("REGISTER"), "203.0.113.67"), "another source has its own"
