"""Phones of the settings register, are told of, shown, and go when their account does."""

from __future__ import annotations

from gateway.observability.node_events import NodeEvent, NodeEvents
from gateway.settings.schema import AccountSettings
from gateway.sip.digest import DigestServer
from gateway.sip.events import CallCancelled
from gateway.trunks.accounts import AccountContact, Accounts
from tests.support.sip_peer import UDP
from tests.support.sip_registrar import PASSWORDS, RegisteringPhone


def account(**given: object) -> AccountSettings:
    return AccountSettings.model_validate({"password": "pw", **given})


class Desk:
    """Accounts with a clock and a sink."""

    def __init__(self) -> None:
        self.now = 100.0
        self.seen: list[NodeEvent] = []
        digest = DigestServer("gateway", b"key", PASSWORDS.get)
        settings = {"1001": account(max_contacts=1), "1002": account()}
        self.accounts = Accounts(settings, digest, NodeEvents([self.seen.append]), clock=lambda: self.now)

    def register(self, *contacts: str, **given: object) -> int:
        phone = RegisteringPhone(self.accounts.registrar)
        status = phone.register(*contacts, now=self.now, **given).status
        self.tell()
        return status

    def tell(self) -> None:
        while (event := self.accounts.registrar.next_event()) is not None:
            assert self.accounts.handle_sip_event(event)

    def names(self) -> list[str]:
        return [event.name.value for event in self.seen]


def test_a_phone_that_registers_is_told_of_and_shown() -> None:
    desk = Desk()
    assert desk.register("<sip:1001@198.51.100.7>;q=0.5", expires=600, headers=[("User-Agent", "Desk 1")]) == 200
    (event,) = desk.seen
    assert event.name.value == "account.registered"
    assert event.details == {
        "account": "1001",
        "contact": "sip:1001@198.51.100.7",
        "expires_s": 600,
        "refresh": False,
        "transport": "udp",
        "address": "198.51.100.7:5060",
    }
    desk.now += 100
    assert desk.accounts.status() == [
        AccountContact("1001", "sip:1001@198.51.100.7", "udp", "198.51.100.7:5060", 500.0, 0.5, (), "", "Desk 1")
    ]


def test_where_an_account_is_called() -> None:
    desk = Desk()
    assert desk.accounts.contacts("1001") == []
    assert desk.accounts.contacts("4711") is None
    desk.register("<sip:1001@198.51.100.7>")
    (binding,) = desk.accounts.contacts("1001") or ()
    assert (binding.uri, binding.flow) == ("sip:1001@198.51.100.7", UDP)


def test_the_settings_bound_the_devices() -> None:
    desk = Desk()
    desk.register("<sip:1001@198.51.100.7>")
    assert desk.register("<sip:1001@198.51.100.8>", call_id="other") == 403


def test_an_end_is_told_by_its_kind() -> None:
    desk = Desk()
    desk.register("<sip:1001@198.51.100.7>", expires=60)
    desk.now += 61
    desk.accounts.registrar.handle_timeout(desk.now)
    desk.tell()
    desk.register("<sip:1001@198.51.100.7>", cseq=2)
    desk.register("*", expires=0, cseq=3)
    desk.register("<sip:1001@198.51.100.7>", cseq=4)
    desk.accounts.apply({"1002": account()})
    desk.tell()
    assert desk.names() == [
        "account.registered",
        "account.expired",
        "account.registered",
        "account.unregistered",
        "account.registered",
        "account.unregistered",
    ]
    assert [desk.seen[at].details["cause"] for at in (1, 3, 5)] == ["expired", "removed", "account_gone"]
    assert desk.accounts.contacts("1001") is None


def test_a_new_password_ends_what_was_registered_with_the_old_one() -> None:
    desk = Desk()
    desk.register("<sip:1001@198.51.100.7>")
    desk.accounts.apply({"1001": account(), "1002": account()})
    desk.tell()
    assert desk.accounts.contacts("1001") != [], "the same password"
    desk.accounts.apply({"1001": account(password="changed"), "1002": account()})
    desk.tell()
    assert desk.accounts.contacts("1001") == []
    assert desk.seen[-1].details["cause"] == "account_gone"


def test_other_peoples_events_are_not_ours() -> None:
    assert not Desk().accounts.handle_sip_event(CallCancelled("call"))
