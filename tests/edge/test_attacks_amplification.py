"""Octets out for each octet in, of every kind of datagram that anybody can send under a forged source address."""

from __future__ import annotations

import pytest

from gateway.sip.events import CallOffered
from tests.support.open_door import CARRIER, STRANGER, OpenDoor
from tests.support.sip_peer import invite, request

METHODS = "REGISTER INVITE OPTIONS SUBSCRIBE PUBLISH MESSAGE BYE CANCEL ACK UPDATE PRACK INFO REFER NOTIFY NONSENSE"

SETTINGS = {
    "accounts": {},
    "three algorithms": {"sip": {"digest": ["SHA-512-256", "SHA-256", "MD5"]}},
    "no accounts": {"accounts": {}},
    "strangers get 403": {"accounts": {}, "unknown_callers": "403"},
}


def small(method: str, to: str = "<sip:a>", more: str = "") -> bytes:
    """As short as a request can be: compact names, no optional header."""
    return (
        f"{method} sip:a SIP/2.0\r\nv:SIP/2.0/UDP a\r\n"
        f"f:<sip:a>;tag=1\r\nt:{to}\r\ni:1\r\nCSeq:1 {method}\r\n{more}\r\n"
    ).encode()


def datagrams() -> dict[str, bytes]:
    wrong = 'username="1001",realm="gateway",nonce="x",uri="sip:a",response="0"'
    kinds = {method: small(method) for method in METHODS.split()}
    kinds |= {f"{method} in a dialog": small(method, "<sip:a>;tag=x") for method in ("INVITE", "BYE", "NOTIFY")}
    kinds |= {
        "REGISTER, forged credentials": small("REGISTER", more=f"Authorization: Digest {wrong}\r\n"),
        "OPTIONS, forged credentials": small("OPTIONS", more="Authorization:Digest a=b\r\n"),
        "REGISTER of a Via alone": b"REGISTER sip:a SIP/2.0\r\nv:SIP/2.0/UDP a\r\n\r\n",
        "REGISTER, bare line feeds": small("REGISTER").replace(b"\r\n", b"\n"),
        "REGISTER, another version": small("REGISTER").replace(b" SIP/2.0\r", b" SIP/9.0\r", 1),
        "INVITE without To": small("INVITE").replace(b"t:<sip:a>\r\n", b""),
        "INVITE without CSeq": small("INVITE").replace(b"CSeq:1 INVITE\r\n", b""),
        "INVITE, no body for its length": small("INVITE", more="l:9\r\n"),
        "a response": b"SIP/2.0 200 OK\r\nv:SIP/2.0/UDP a;branch=z9hG4bK1\r\nCSeq:1 INVITE\r\n\r\n",
        "one octet": b"x",
        "keep-alive": b"\r\n\r\n",
    }
    return kinds


def factors(host: str, settings: dict[str, object], *, lasts_s: float = 70.0) -> dict[str, float]:
    """By kind: everything that ever leaves, in octets of UDP payload, for one datagram."""
    found = {}
    for kind, data in datagrams().items():
        bench = OpenDoor(**settings)
        sent = bench.send(data, host) + bench.pass_time(lasts_s)
        found[kind] = sum(map(len, sent)) / len(data)
        if sent:
            print(
                f"{host:15} {kind:32} {len(data):4} in, {sum(map(len, sent)):5} out in {len(sent)}: {found[kind]:.2f}"
            )
    return found


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_no_stranger_draws_more_than_three_times_what_he_sends(settings: dict[str, object]) -> None:
    assert max(factors(STRANGER, settings).values()) <= 3


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_forged_trunk_draws_few_octets_unless_it_opens_a_call(settings: dict[str, object]) -> None:
    """What is not a call is answered once: nothing is repeated, whatever never comes back. A call's bound is the door's
    ``unconfirmed_invites``."""
    assert max(factors(CARRIER, settings).values()) <= 5


def test_a_flood_of_calls_that_are_refused_is_not_repeated_to_whoever_is_forged() -> None:
    """488, 404 or 486 without an ACK are repeated ten times (timer G), and no session limits them."""
    bench = OpenDoor()
    octets_in = octets_out = 0
    for number in range(1000):
        data = invite(call_id=f"forged-{number}", from_tag=f"t{number}").to_bytes()
        octets_in += len(data)
        octets_out += sum(map(len, bench.send(data, CARRIER)))
        (offered,) = [event for event in bench.events if isinstance(event, CallOffered)]
        bench.events.clear()
        bench.ua.reject(offered.call, 488, bench.now)
        octets_out += sum(map(len, bench.take()))
    octets_out += sum(map(len, bench.pass_time(70)))
    print(f"{octets_out / octets_in:.2f}")
    assert octets_out <= 2 * octets_in
    assert bench.ua.transactions == 0


def test_what_real_equipment_sends_is_challenged_with_every_algorithm() -> None:
    bench = OpenDoor(sip={"digest": ["SHA-512-256", "SHA-256", "MD5"]})
    phones = [
        ("User-Agent", "baresip v3.6.0 (x86_64/Linux)"),
        ("Contact", "<sip:1001-0x55@203.0.113.66:5060>;expires=60"),
    ]
    (answer,) = bench.send(request("REGISTER", uri="sip:gw", headers=phones).to_bytes(), STRANGER)
    assert answer.startswith(b"SIP/2.0 401 ")
    assert answer.count(b"WWW-Authenticate") == 3


def test_a_connection_proves_its_source_so_the_shortest_request_is_answered_there() -> None:
    bench = OpenDoor()
    assert bench.send(small("REGISTER"), STRANGER) == []
    assert bench.send(small("REGISTER"), STRANGER, "tcp")[0].startswith(b"SIP/2.0 401 ")
    assert [event.rule for event in bench.events if hasattr(event, "rule")] == ["amplification"]
