"""Who is heard, who may enter and as whom, how often, and who is kept out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.base.ids import IdSource
from gateway.base.redact import Secret
from gateway.call.door.bans import BanChange, BanEvent
from gateway.call.door.door import Door
from gateway.call.door.rate_limits import MAX_SOURCES
from gateway.settings.schema import Settings
from gateway.sip.admission import Admission, Allow, Challenge, Refuse, Silence
from gateway.sip.digest import Credentials, DigestClient
from gateway.sip.events import CallCancelled, CallConfirmed, CallEnded, CallOffered, EndCause
from gateway.sip.flow import Flow
from gateway.sip.headers import Headers
from gateway.sip.message import Request
from tests.support.sip_peer import invite, request, respond

CARRIER, PBX, STRANGER, PHONE = "198.51.100.7", "10.0.0.5", "203.0.113.66", "192.0.2.77"

BASE: dict[str, Any] = {
    "inworld": {"api_key": "", "max_sessions": 20},
    "trunks": {"carrier": {"accept_from": ["198.51.100.0/24"]}, "pbx": {"accept_from": [PBX]}},
    "agents": {"desk": {}},
    "routes": [{"agent": "desk"}],
}
ACCOUNTS = {"1001": {"password": "right"}, "1002": {"password": "other"}}


def flow(host: str) -> Flow:
    return Flow("udp", ("192.0.2.1", 5060), (host, 5060))


class DoorBench:
    """A door, a clock that only moves when told, and what was told."""

    def __init__(self, **sections: Any) -> None:
        self.told: list[BanEvent] = []
        self.in_calls: set[str] = set()
        self.now = 1000.0
        self.door = Door(
            self.settings(**sections), key=b"k", is_in_call=self.in_calls.__contains__, tell=self.told.append
        )

    @staticmethod
    def settings(**sections: Any) -> Settings:
        return Settings.model_validate(BASE | sections)

    def hears(self, host: str) -> str | None:
        return self.door.hears(flow(host), self.now)

    def admit(self, sent: Request, host: str) -> Admission:
        return self.door.admit(sent, flow(host), self.now)

    def prove(
        self, host: str, username: str = "1001", password: str = "right", method: str = "INVITE", **changes: Any
    ) -> Admission:
        """The request, and once more with credentials for the challenge it met."""
        sent = request(method, **changes)
        asked = self.admit(sent, host)
        assert isinstance(asked, Challenge), asked
        digest = DigestClient(Credentials(username, Secret(password)), IdSource(1))
        headers = digest.answer(respond(sent, 401, headers=asked.headers), method, sent.uri, b"")
        assert headers is not None
        return self.admit(request(method, headers=headers, **changes), host)


def rules(admissions: Iterable[Admission]) -> list[str]:
    return [getattr(admission, "rule", "") for admission in admissions]


# By address


def test_a_trunk_is_known_by_its_network() -> None:
    bench = DoorBench()
    assert bench.hears(CARRIER) is None
    assert bench.admit(invite(), CARRIER) == Allow(trunk="carrier")
    assert bench.admit(request("BYE", to_tag="x"), PBX) == Allow(trunk="pbx")


def test_strangers_get_silence_before_a_byte_is_read_and_leave_nothing_behind() -> None:
    bench = DoorBench()
    assert bench.hears(STRANGER) == "unknown_callers"
    assert bench.admit(invite(), STRANGER) == Silence("unknown_callers")
    assert len(bench.door._requests) == 0


def test_strangers_may_get_403() -> None:
    bench = DoorBench(unknown_callers="403")
    assert bench.hears(STRANGER) is None
    assert bench.admit(invite(), STRANGER) == Refuse(403, "Forbidden", "unknown_callers")


def test_who_is_in_a_call_is_heard_to_its_end_whatever_a_reload_or_a_ban_does() -> None:
    bench = DoorBench(accounts=ACCOUNTS, protection={"ban": {"failures": 1}})
    bench.in_calls.add(PHONE)
    assert bench.prove(PHONE, password="guess") == Refuse(403, "Forbidden", "wrong_credentials")
    assert bench.hears(PHONE) is None
    assert bench.admit(invite(), PHONE) == Silence("protection.ban"), "but for nothing new"
    bench.in_calls.clear()
    assert bench.hears(PHONE) == "protection.ban"


def test_whoever_a_trunk_vouches_for_is_the_trunk_for_so_long() -> None:
    bench = DoorBench()
    bench.door.vouch("call-1", "carrier", [STRANGER, "203.0.113.67"])
    bench.door.vouch("call-2", "carrier", [STRANGER])
    assert bench.hears(STRANGER) is None
    assert bench.admit(request("BYE", to_tag="x"), STRANGER) == Allow(trunk="carrier")
    bench.door.withdraw("call-1")
    assert bench.hears(STRANGER) is None
    assert bench.hears("203.0.113.67") == "unknown_callers"
    bench.door.withdraw("call-2")
    bench.door.withdraw("call-2")
    assert bench.hears(STRANGER) == "unknown_callers"


def test_a_phone_that_is_called_is_heard_and_no_more() -> None:
    bench = DoorBench()
    bench.door.vouch("call-1", "", [PHONE])
    assert bench.hears(PHONE) is None
    assert bench.admit(invite(), PHONE) == Silence("unknown_callers")


def test_a_trunk_that_a_reload_drops_vouches_for_nobody() -> None:
    bench = DoorBench()
    bench.door.vouch("call-1", "pbx", [STRANGER])
    bench.door.apply(bench.settings(trunks={"carrier": {"accept_from": [CARRIER]}}))
    assert bench.hears(STRANGER) is None, "the call is still there"
    assert bench.admit(invite(), STRANGER) == Silence("unknown_callers")


# By proof


def test_an_account_proves_its_password_from_anywhere() -> None:
    bench = DoorBench(accounts=ACCOUNTS)
    assert bench.hears(STRANGER) is None
    assert bench.prove(STRANGER) == Allow(account="1001")
    assert bench.prove(STRANGER, method="REGISTER") == Allow(account="1001")


def test_a_phone_in_a_trunks_network_must_prove_itself_to_register() -> None:
    bench = DoorBench(accounts=ACCOUNTS)
    assert bench.prove(PBX, method="REGISTER") == Allow(account="1001")
    assert bench.admit(invite(), PBX) == Allow(trunk="pbx")


def test_a_replayed_invite_does_not_enter_again() -> None:
    bench = DoorBench(accounts=ACCOUNTS)
    sent = invite()
    asked = bench.admit(sent, STRANGER)
    assert isinstance(asked, Challenge)
    headers = DigestClient(Credentials("1001", Secret("right")), IdSource(1)).answer(
        respond(sent, 401, headers=asked.headers), "INVITE", sent.uri, b""
    )
    proved = invite(headers=headers)
    assert bench.admit(proved, STRANGER) == Allow(account="1001")
    assert isinstance(bench.admit(proved, STRANGER), Challenge)
    assert isinstance(bench.admit(proved, "203.0.113.99"), Challenge)


def test_a_trunk_with_challenge_proves_its_password_wherever_it_calls_from() -> None:
    trunks = {"itsp": {"accept_from": [CARRIER], "challenge": True, "username": "itsp", "password": "right"}}
    bench = DoorBench(trunks=trunks)
    for host in (CARRIER, STRANGER):
        assert bench.prove(host, "itsp") == Allow(trunk="itsp")
    assert isinstance(bench.admit(request("BYE", to_tag="x"), CARRIER), Challenge)
    assert bench.admit(request("ACK", to_tag="x"), CARRIER) == Allow(trunk="itsp")
    assert bench.admit(request("CANCEL"), CARRIER) == Allow(trunk="itsp")


def test_the_password_of_one_trunk_does_not_open_another() -> None:
    trunks = {
        "one": {"accept_from": [CARRIER], "challenge": True, "username": "one", "password": "right"},
        "two": {"accept_from": [PBX], "challenge": True, "username": "two", "password": "right"},
    }
    bench = DoorBench(trunks=trunks)
    assert bench.prove(CARRIER, "two") == Refuse(403, "Forbidden", "trunks.username")
    assert bench.prove(PBX, "two") == Allow(trunk="two")


def test_a_trunk_is_no_account_to_register() -> None:
    trunks = {"itsp": {"challenge": True, "username": "itsp", "password": "right"}}
    bench = DoorBench(trunks=trunks, accounts=ACCOUNTS)
    assert bench.prove(STRANGER, "itsp", method="REGISTER") == Refuse(403, "Forbidden", "unknown_account")


def test_a_trunk_may_have_a_realm_of_its_own() -> None:
    trunks = {"itsp": {"challenge": True, "username": "u", "password": "right", "realm": "example.com"}}
    bench = DoorBench(trunks=trunks, accounts=ACCOUNTS)
    asked = bench.admit(invite(), STRANGER)  # its From is at example.com
    assert isinstance(asked, Challenge)
    assert 'realm="example.com"' in asked.headers[0][1]
    assert bench.prove(STRANGER, "u") == Allow(trunk="itsp")
    sent = invite()
    sent.headers.set("From", "<sip:1001@elsewhere.example>;tag=x")
    asked = bench.admit(sent, STRANGER)
    assert isinstance(asked, Challenge)
    assert 'realm="gateway"' in asked.headers[0][1]


@pytest.mark.parametrize("method", ["ACK", "CANCEL"])
def test_what_cannot_be_sent_again_is_never_challenged(method: str) -> None:
    bench = DoorBench(accounts=ACCOUNTS)
    assert bench.admit(request(method), STRANGER) == Silence("unknown_callers")


def test_whoever_looks_for_gateways_with_options_finds_none_but_a_phone_that_is_known_may_ask() -> None:
    bench = DoorBench(accounts=ACCOUNTS)
    assert bench.admit(request("OPTIONS"), STRANGER) == Silence("unknown_callers")
    bench.prove(PHONE, method="REGISTER")
    assert bench.admit(request("OPTIONS"), PHONE) == Allow()


def test_broken_requests_are_judged_too() -> None:
    bench = DoorBench(accounts=ACCOUNTS)
    broken = request("INVITE", headers=[("Authorization", 'Digest realm="gateway, x')])
    for name in ("From", "To", "Call-ID", "CSeq", "Via"):
        broken.headers.set(name, "\0<")
    for host in (CARRIER, STRANGER):
        bench.admit(broken, host)
    bench.admit(Request("INVITE", "\0", broken.headers), STRANGER)


@given(st.sampled_from(["INVITE", "REGISTER", "OPTIONS", "BYE"]), st.text(max_size=200), st.text(max_size=80))
def test_whatever_a_stranger_writes_is_judged_and_lets_nobody_in(method: str, credentials: str, name: str) -> None:
    bench = DoorBench(accounts=ACCOUNTS)
    for value in (credentials, f"Digest {credentials}", f'Digest realm="gateway", username="{name}", {credentials}'):
        fields = Headers.from_wire(
            [("Authorization", value), ("From", name), ("User-Agent", name), ("To", credentials)]
        )
        admission = bench.admit(Request(method, "sip:x@y", fields), STRANGER)
        assert not isinstance(admission, Allow)


# How often


def test_a_source_that_sends_too_much_is_not_read() -> None:
    bench = DoorBench(accounts=ACCOUNTS, protection={"requests_per_second": 3})
    assert [bench.hears(STRANGER) for _ in range(5)] == [None] * 3 + ["protection.requests_per_second"] * 2
    assert bench.hears(PHONE) is None
    bench.now += 1
    assert bench.hears(STRANGER) is None


def test_a_flood_from_many_sources_leaves_time_for_who_is_known() -> None:
    bench = DoorBench(accounts=ACCOUNTS)
    bench.prove(PHONE, method="REGISTER")
    heard = [bench.hears(f"203.0.{number >> 8}.{number & 255}") for number in range(3000)]
    assert heard.count(None) == 1000
    assert heard.count("strangers") == 2000
    assert bench.hears(PHONE) is None
    assert bench.hears(CARRIER) is None
    bench.now += 1
    assert bench.hears(STRANGER) is None


def test_an_account_that_calls_too_often_is_told_to_wait() -> None:
    bench = DoorBench(accounts=ACCOUNTS, protection={"invites_per_second": 2})
    admissions = [bench.prove(STRANGER) for _ in range(4)]
    assert rules(admissions) == ["", "", "protection.invites_per_second", "protection.invites_per_second"]
    assert isinstance(admissions[-1], Refuse)
    assert admissions[-1].status == 503
    assert dict(admissions[-1].headers)["Retry-After"]


def test_a_trunk_has_its_own_rate_and_no_other() -> None:
    trunks = {"slow": {"accept_from": [CARRIER], "calls_per_second": 2}, "pbx": {"accept_from": [PBX]}}
    bench = DoorBench(trunks=trunks, protection={"invites_per_second": 1, "requests_per_second": 1})
    assert rules(bench.admit(invite(), CARRIER) for _ in range(4)) == ["", "", *["trunks.calls_per_second"] * 2]
    assert bench.admit(request("BYE", to_tag="x"), CARRIER) == Allow(trunk="slow")
    assert bench.admit(invite(to_tag="x"), CARRIER) == Allow(trunk="slow"), "a re-INVITE is no new call"
    assert rules(bench.admit(invite(), PBX) for _ in range(50)) == [""] * 50
    assert [bench.hears(PBX) for _ in range(50)] == [None] * 50
    bench.now += 0.5
    assert bench.admit(invite(), CARRIER) == Allow(trunk="slow")


def test_calls_that_are_placed_take_from_the_same_rate() -> None:
    bench = DoorBench(trunks={"slow": {"accept_from": [CARRIER], "calls_per_second": 2}})
    assert bench.door.takes_call("slow", bench.now)
    assert rules(bench.admit(invite(), CARRIER) for _ in range(2)) == ["", "trunks.calls_per_second"]
    assert not bench.door.takes_call("slow", bench.now)
    assert all(bench.door.takes_call("account:1001", bench.now) for _ in range(50)), "an account has no rate"


def test_a_trunks_credentials_are_for_its_own_hosts_and_not_for_who_proves_them_elsewhere() -> None:
    itsp = {"accept_from": [CARRIER], "username": "acme", "password": "right", "targets": ["sip:192.0.2.9"]}
    bench = DoorBench(trunks={"itsp": itsp, "pbx": {"accept_from": [PBX]}})
    door = bench.door
    assert door.credentials(Allow(trunk="itsp"), flow(CARRIER)) == Credentials("acme", Secret("right"))
    assert door.credentials(Allow(trunk="itsp"), flow(STRANGER)) is None
    assert door.credentials(Allow(trunk="itsp"), flow(PBX)) is None
    assert door.credentials(Allow(trunk="pbx"), flow(PBX)) is None
    assert door.credentials(Allow(account="1001"), flow(STRANGER)) is None


def test_a_reload_keeps_the_count_of_a_rate_that_stays() -> None:
    trunks = {"slow": {"accept_from": [CARRIER], "calls_per_second": 1}}
    bench = DoorBench(trunks=trunks)
    bench.admit(invite(), CARRIER)
    bench.door.apply(bench.settings(trunks=trunks))
    assert rules([bench.admit(invite(), CARRIER)]) == ["trunks.calls_per_second"]
    bench.door.apply(bench.settings(trunks={"slow": {"accept_from": [CARRIER], "calls_per_second": 5}}))
    assert bench.admit(invite(), CARRIER) == Allow(trunk="slow")


def test_a_forged_source_that_never_confirms_cannot_take_all_sessions() -> None:
    bench = DoorBench()
    for number in range(10):
        assert bench.admit(invite(), CARRIER) == Allow(trunk="carrier")
        bench.door.note(CallOffered(f"call-{number}", invite(), flow(CARRIER), None))
    refused = bench.admit(invite(), CARRIER)
    assert isinstance(refused, Refuse)
    assert (refused.status, refused.rule) == (503, "protection.unconfirmed_invites")
    assert bench.admit(invite(), PBX) == Allow(trunk="pbx")
    bench.door.note(CallConfirmed("call-0", None))
    assert bench.admit(invite(), CARRIER) == Allow(trunk="carrier")
    for number, over in ((1, CallCancelled("call-1")), (2, CallEnded("call-2", EndCause.ACK_TIMEOUT))):
        bench.door.note(over)
        bench.door.note(CallConfirmed(f"call-{number}", None))
    assert sum(bench.door._unconfirmed_of.values()) == len(bench.door._unconfirmed) == 7


@pytest.mark.parametrize(("sessions", "limit"), [(1, 10), (20, 10), (400, 200)])
def test_half_of_the_sessions_may_wait_for_one_source(sessions: int, limit: int) -> None:
    assert DoorBench(inworld={"api_key": "", "max_sessions": sessions}).door._unconfirmed_limit == limit


def test_who_is_no_stranger_has_room_where_strangers_have_taken_all() -> None:
    bench = DoorBench(accounts=ACCOUNTS)
    assert [bench.door.knows(flow(host), bench.now) for host in (CARRIER, PHONE, STRANGER)] == [True, False, False]
    bench.prove(PHONE, method="REGISTER")
    bench.in_calls.add(STRANGER)
    assert bench.door.knows(flow(PHONE), bench.now)
    assert bench.door.knows(flow(STRANGER), bench.now)
    assert not bench.door.knows(flow(PHONE), bench.now + 3601)


# Who is kept out


def test_wrong_passwords_ban_a_source_for_a_while() -> None:
    bench = DoorBench(accounts=ACCOUNTS)
    for _ in range(5):
        assert bench.prove(STRANGER, password="guess") == Refuse(403, "Forbidden", "wrong_credentials")
    assert bench.hears(STRANGER) == "protection.ban"
    assert bench.admit(invite(), STRANGER) == Silence("protection.ban")
    assert bench.told == [BanEvent(BanChange.BANNED, STRANGER, "", 600)]
    assert bench.door.banned == 1
    bench.now += 600
    assert bench.hears(STRANGER) is None
    assert bench.prove(STRANGER) == Allow(account="1001")
    assert bench.told[-1].change is BanChange.RELEASED


def test_unknown_names_count_like_wrong_passwords() -> None:
    bench = DoorBench(accounts=ACCOUNTS)
    for number in range(5):
        bench.prove(STRANGER, f"10{number:02}", "guess", method="REGISTER")
    assert bench.hears(STRANGER) == "protection.ban"


def test_nobody_is_banned_by_a_forger_who_has_not_seen_the_challenge_there() -> None:
    """A nonce that the forger got at home, sent in the victim's name."""
    bench = DoorBench(accounts=ACCOUNTS)
    sent = request("REGISTER")
    asked = bench.admit(sent, STRANGER)
    assert isinstance(asked, Challenge)
    for number in range(20):
        digest = DigestClient(Credentials("1001", Secret("guess")), IdSource(number))
        headers = digest.answer(respond(sent, 401, headers=asked.headers), "REGISTER", sent.uri, b"")
        assert headers is not None
        assert isinstance(bench.admit(request("REGISTER", headers=headers), PHONE), Challenge)
    assert bench.hears(PHONE) is None
    assert bench.told == []


def test_an_office_is_not_silenced_for_one_phone_with_a_wrong_password() -> None:
    bench = DoorBench(accounts=ACCOUNTS)
    bench.prove(PHONE, "1001", method="REGISTER")
    for _ in range(5):
        bench.prove(PHONE, "1002", "guess", method="REGISTER")
    assert bench.hears(PHONE) is None
    assert bench.prove(PHONE, "1001") == Allow(account="1001")
    assert bench.prove(PHONE, "1002", "other") == Refuse(403, "Forbidden", "protection.ban"), "not looked at meanwhile"
    assert bench.told == [BanEvent(BanChange.BANNED, PHONE, "1002", 600)]
    bench.now += 600
    assert bench.prove(PHONE, "1002", "other") == Allow(account="1002")


def test_a_trunk_is_never_silenced_for_what_it_passes_on() -> None:
    bench = DoorBench(accounts=ACCOUNTS)
    for _ in range(5):
        bench.prove(CARRIER, "1001", "guess", method="REGISTER")
    assert bench.hears(CARRIER) is None
    assert bench.admit(invite(), CARRIER) == Allow(trunk="carrier")
    assert [event.username for event in bench.told] == ["1001"]


def test_bans_may_be_off() -> None:
    bench = DoorBench(accounts=ACCOUNTS, protection={"ban": "none"})
    for _ in range(50):
        bench.prove(STRANGER, password="guess")
    assert bench.hears(STRANGER) is None


@pytest.mark.parametrize(
    ("policy", "said"),
    [("silence", Silence("protection.scanners")), ("403", Refuse(403, "Forbidden", "protection.scanners"))],
)
def test_scanners_are_recognised_among_strangers(policy: str, said: Admission) -> None:
    bench = DoorBench(accounts=ACCOUNTS, protection={"scanners": policy})
    scan = [("User-Agent", "friendly-scanner")]
    assert bench.admit(request("OPTIONS", headers=scan), STRANGER) == said
    assert bench.admit(invite(uri="sip:00972592277524@gw"), STRANGER) == said
    assert bench.admit(invite(headers=scan), CARRIER) == Allow(trunk="carrier"), "a trunk answers for what it brings"


def test_scanners_need_not_be_looked_for() -> None:
    bench = DoorBench(accounts=ACCOUNTS, protection={"scanners": "off"})
    assert isinstance(bench.admit(invite(headers=[("User-Agent", "friendly-scanner")]), STRANGER), Challenge)


def test_a_phone_that_is_known_may_call_where_scanners_do() -> None:
    bench = DoorBench(accounts=ACCOUNTS)
    bench.prove(PHONE, method="REGISTER")
    assert bench.prove(PHONE, uri="sip:00972592277524@gw") == Allow(account="1001")


def test_more_sources_than_are_remembered_cost_no_more_memory() -> None:
    bench = DoorBench(accounts=ACCOUNTS)
    for number in range(MAX_SOURCES + 2_000):
        host = f"203.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        bench.hears(host)
        if number % 50 == 0:
            bench.admit(invite(), host)
    assert len(bench.door._requests) == MAX_SOURCES
    assert len(bench.door._invites) <= MAX_SOURCES
    assert bench.door._bans.entries == 0


def test_nonces_survive_a_reload() -> None:
    bench = DoorBench(accounts=ACCOUNTS)
    sent = invite()
    asked = bench.admit(sent, STRANGER)
    assert isinstance(asked, Challenge)
    bench.door.apply(bench.settings(accounts=ACCOUNTS | {"1003": {"password": "third"}}))
    headers = DigestClient(Credentials("1003", Secret("third")), IdSource(1)).answer(
        respond(sent, 401, headers=asked.headers), "INVITE", sent.uri, b""
    )
    assert bench.admit(invite(headers=headers), STRANGER) == Allow(account="1003")
    bench.door.apply(bench.settings())
    assert bench.hears(STRANGER) == "unknown_callers"


def test_the_registrar_shares_the_nonces() -> None:
    bench = DoorBench(accounts=ACCOUNTS)
    assert bench.door.digest is bench.door.digest
    assert bench.prove(STRANGER) == Allow(account="1001")
    assert bench.door.digest.nonces == 1
