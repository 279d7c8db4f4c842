"""RFC 3261 §10.3 rule by rule; who may register what; and that nothing a phone says grows without bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.events import AccountRegistered, AccountUnregistered, UnregisterCause
from gateway.sip.flow import Flow
from gateway.sip.registrar import Binding, Registrar, RegistrarConfig
from gateway.sip.registrar.registrar import sip_date
from tests.support.sip_peer import TCP, UDP
from tests.support.sip_registrar import (
    WALL,
    RegisteringPhone,
    contacts_of,
    header_of,
    make_registrar,
    register,
)

PHONE = "<sip:1001@198.51.100.7:5060>"
OTHER = "<sip:1001@198.51.100.8:5060>"
INSTANCE = '"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>"'
OUTBOUND = [("Supported", "path, outbound")]


def uris(registrar: Registrar, now: float = 0.0, account: str = "1001") -> list[str]:
    return [binding.uri for binding in registrar.contacts(account, now)]


def events(registrar: Registrar) -> list[object]:
    found = []
    while (event := registrar.next_event()) is not None:
        found.append(event)
    return found


def test_a_phone_registers_and_can_be_found() -> None:
    registrar = make_registrar()
    answer = RegisteringPhone(registrar).register(PHONE, expires=600, headers=[("User-Agent", "Desk 1")], now=50.0)
    assert (answer.status, answer.account, answer.rule) == (200, "1001", "")
    assert contacts_of(answer) == ["<sip:1001@198.51.100.7:5060>;expires=600"]
    assert header_of(answer, "Date") == "Tue, 03 Feb 2026 04:05:06 GMT"
    (binding,) = registrar.contacts("1001", 50.0)
    assert binding == Binding(
        "1001", "sip:1001@198.51.100.7:5060", UDP, 650.0, call_id="phone-1", cseq=1, registered_at=50.0,
        user_agent="Desk 1",
    )  # fmt: skip
    assert registrar.bindings(50.0) == [binding]
    assert events(registrar) == [AccountRegistered("1001", binding.uri, UDP, 600, is_refresh=False)]
    assert (len(registrar), registrar.accounts_registered) == (1, 1)


def test_nobody_registers_without_a_password() -> None:
    registrar = make_registrar()
    answer = registrar.receive(register(PHONE), UDP, 0.0)
    assert answer.status == 401
    assert answer.account is None
    assert len(registrar) == 0


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer() -> None:
    registrar = make_registrar()
    wrong = RegisteringPhone(registrar, password="guess").register(PHONE)
    unknown = RegisteringPhone(registrar, "4711").register(PHONE, user="4711")
    assert (wrong.status, wrong.rule, wrong.headers) == (unknown.status, unknown.rule, unknown.headers)
    assert wrong.status == 403
    assert wrong.account is unknown.account is None


def test_a_replayed_register_changes_nothing() -> None:
    registrar = make_registrar()
    phone = RegisteringPhone(registrar)
    captured = phone.authorized(register(PHONE), 0.0)
    assert registrar.receive(captured, UDP, 0.0).status == 200
    phone.register("*", expires=0, cseq=2, now=1.0)
    assert len(registrar) == 0
    replayed = registrar.receive(captured, TCP, 2.0)
    assert replayed.status == 401
    assert len(registrar) == 0


def test_an_account_registers_for_itself_only() -> None:
    """Registration hijack: who knows one password would take the calls of another phone."""
    registrar = make_registrar()
    RegisteringPhone(registrar, "1002", "two").register("<sip:1002@198.51.100.9>", user="1002", call_id="victim")
    answer = RegisteringPhone(registrar).register(PHONE, user="1002")
    assert (answer.status, answer.rule) == (403, "registration_hijack")
    assert uris(registrar, account="1002") == ["sip:1002@198.51.100.9"]
    assert RegisteringPhone(registrar).register("*", user="1002", expires=0).rule == "registration_hijack"
    assert len(registrar) == 1


def test_an_escaped_name_in_to_is_the_same_name() -> None:
    registrar = make_registrar()
    assert RegisteringPhone(registrar).register(PHONE, user="%31001").status == 200
    assert uris(registrar) == ["sip:1001@198.51.100.7:5060"]


def test_who_the_door_has_verified_is_not_asked_again() -> None:
    registrar = make_registrar()
    assert registrar.receive(register(PHONE), UDP, 0.0, account="1001").status == 200
    assert registrar.receive(register(PHONE, cseq=2), UDP, 0.0, account="1002").rule == "registration_hijack"
    assert registrar.receive(register(PHONE, cseq=3), UDP, 0.0, account="gone").rule == "unknown_account"


# Expiry


@pytest.mark.parametrize(
    ("contact", "expires", "granted"),
    [
        (PHONE, None, 3600),
        (PHONE, 120, 120),
        (f"{PHONE};expires=90", 120, 90),
        (PHONE, 4_294_967_295, 3600),
        (PHONE, "99999999999999999999", 3600),
        (f"{PHONE};expires=abc", 120, 3600),
        (f'{PHONE};expires="90"', None, 90),
        (PHONE, 60, 60),
    ],
)
def test_what_is_granted(contact: str, expires: int | str | None, granted: int) -> None:
    registrar = make_registrar()
    RegisteringPhone(registrar).register(contact, expires=expires)
    assert [binding.expires_at for binding in registrar.contacts("1001", 0.0)] == [granted]


def test_too_short_an_interval_gets_423_with_the_shortest() -> None:
    registrar = make_registrar(min_expires_s=60)
    answer = RegisteringPhone(registrar).register(PHONE, expires=59)
    assert (answer.status, answer.rule) == (423, "min_expires")
    assert header_of(answer, "Min-Expires") == "60"
    assert answer.account == "1001"
    assert len(registrar) == 0


def test_bindings_expire() -> None:
    registrar = make_registrar()
    RegisteringPhone(registrar).register(PHONE, expires=100)
    RegisteringPhone(registrar).register(OTHER, expires=200, call_id="b")
    events(registrar)
    assert registrar.next_deadline() == 100.0
    registrar.handle_timeout(99.9)
    assert len(registrar) == 2
    assert uris(registrar, 100.0) == ["sip:1001@198.51.100.8:5060"], "even before the timer has fired"
    registrar.handle_timeout(100.0)
    assert len(registrar) == 1
    assert events(registrar) == [
        AccountUnregistered("1001", "sip:1001@198.51.100.7:5060", UDP, UnregisterCause.EXPIRED)
    ]
    registrar.handle_timeout(200.0)
    assert registrar.next_deadline() is None
    assert registrar.accounts_registered == 0


def test_a_refresh_moves_the_end_and_says_so() -> None:
    registrar = make_registrar()
    RegisteringPhone(registrar).register(PHONE, expires=100)
    RegisteringPhone(registrar).register(PHONE, expires=100, cseq=2, now=90.0)
    assert [event.is_refresh for event in events(registrar)] == [False, True]  # type: ignore[attr-defined]
    registrar.handle_timeout(100.0)
    assert uris(registrar, 100.0) == ["sip:1001@198.51.100.7:5060"]
    assert registrar.next_deadline() == 190.0


# Removing, fetching, ordering


def test_a_contact_is_removed_with_expires_0_and_all_with_a_star() -> None:
    registrar = make_registrar()
    phone = RegisteringPhone(registrar)
    phone.register(PHONE, OTHER)
    answer = phone.register(f"{PHONE};expires=0", cseq=2)
    assert contacts_of(answer) == ["<sip:1001@198.51.100.8:5060>;expires=3600"]
    events(registrar)
    assert contacts_of(phone.register("*", expires=0, cseq=3)) == []
    assert [event.cause for event in events(registrar)] == [UnregisterCause.REMOVED]  # type: ignore[attr-defined]
    assert phone.register(f"{PHONE};expires=0", cseq=4).status == 200, "what is not there can be removed"


def test_a_fetch_changes_nothing() -> None:
    registrar = make_registrar()
    RegisteringPhone(registrar).register(PHONE, expires=600)
    answer = RegisteringPhone(registrar).register(call_id="fetch", now=100.0)
    assert contacts_of(answer) == ["<sip:1001@198.51.100.7:5060>;expires=500"]


@pytest.mark.parametrize("given", [{"expires": 60}, {}, {"expires": 0, "headers": [("Contact", PHONE)]}])
def test_a_star_that_is_not_a_farewell_is_refused(given: dict[str, object]) -> None:
    registrar = make_registrar()
    RegisteringPhone(registrar).register(PHONE)
    answer = RegisteringPhone(registrar).register("*", cseq=2, **given)
    assert (answer.status, answer.rule) == (400, "contact_star")
    assert len(registrar) == 1


@pytest.mark.parametrize("contact", [PHONE, f"{PHONE};expires=0", "*"])
def test_what_was_overtaken_does_not_undo_what_came_later(contact: str) -> None:
    registrar = make_registrar()
    RegisteringPhone(registrar).register(PHONE, cseq=5)
    expires = 0 if contact == "*" else None
    answer = RegisteringPhone(registrar).register(contact, expires=expires, cseq=4)
    assert (answer.status, answer.rule) == (500, "register_out_of_order")
    assert [binding.cseq for binding in registrar.contacts("1001", 0.0)] == [5]
    assert RegisteringPhone(registrar).register(contact, expires=expires, cseq=4, call_id="rebooted").status == 200


def test_all_contacts_of_a_request_or_none() -> None:
    registrar = make_registrar()
    answer = RegisteringPhone(registrar).register(PHONE, f"{OTHER};expires=5")
    assert answer.status == 423
    assert len(registrar) == 0


def test_equivalent_uris_are_one_contact() -> None:
    registrar = make_registrar()
    phone = RegisteringPhone(registrar)
    phone.register("<sip:1001@PHONE.example.com;x=1>")
    phone.register("<sip:%31001@phone.example.com>", cseq=2)
    assert len(registrar) == 1
    phone.register("<sip:1001@phone.example.com;transport=tcp>", cseq=3)
    assert len(registrar) == 2
    phone.register(PHONE, PHONE, cseq=4)
    assert len(registrar) == 3


def test_the_preferred_contact_comes_first_then_the_latest() -> None:
    registrar = make_registrar()
    RegisteringPhone(registrar).register(f"{PHONE};q=0.5", call_id="a", now=1.0)
    RegisteringPhone(registrar).register("<sip:late@198.51.100.9>;q=0.5", call_id="b", now=2.0)
    answer = RegisteringPhone(registrar).register(f"{OTHER};q=7", call_id="c", now=0.5)
    assert [binding.q for binding in registrar.contacts("1001", 5.0)] == [1.0, 0.5, 0.5]
    assert uris(registrar, 5.0)[1] == "sip:late@198.51.100.9"
    assert contacts_of(answer)[1].endswith(";q=0.5")


# Limits


def test_more_devices_than_the_account_may_have_are_refused_and_the_registered_ones_stay() -> None:
    registrar = make_registrar()
    phone = RegisteringPhone(registrar)
    for number in range(3):
        assert phone.register(f"<sip:1001@198.51.100.{number}>", call_id=str(number)).status == 200
    answer = phone.register("<sip:1001@198.51.100.99>", call_id="99")
    assert (answer.status, answer.rule) == (403, "too_many_contacts")
    assert len(registrar) == 3
    assert phone.register("<sip:1001@198.51.100.0>", call_id="0", cseq=2).status == 200, "a refresh is no new one"
    swapped = phone.register("<sip:1001@198.51.100.0>;expires=0", "<sip:1001@198.51.100.99>", call_id="0", cseq=3)
    assert swapped.status == 200


@pytest.mark.parametrize(
    ("contact", "headers"),
    [
        (f"<sip:{'a' * 2000}@h>", []),
        (f'{PHONE};+sip.instance="{"i" * 300}"', []),
        (PHONE, [("Path", f"<sip:{'p' * 3000};lr>")]),
        (PHONE, [("Path", "<tel:+1>")]),
        ("<tel:+15550100>", []),
        ("<mailto:a@b>", []),
        (", ".join(f"<sip:c{number}@h>" for number in range(1000)), []),
    ],
)
def test_what_is_too_much_or_no_sip_is_refused_and_not_kept(contact: str, headers: list[tuple[str, str]]) -> None:
    registrar = make_registrar()
    answer = RegisteringPhone(registrar).register(contact, headers=headers)
    assert (answer.status, answer.rule) == (400, "malformed_register")
    assert len(registrar) == 0


def test_a_call_id_without_end_is_refused() -> None:
    registrar = make_registrar()
    assert RegisteringPhone(registrar).register(PHONE, call_id="c" * 1000).rule == "malformed_register"


def test_what_a_contact_carries_does_not_become_part_of_a_request() -> None:
    registrar = make_registrar()
    RegisteringPhone(registrar).register("<sip:1001@h;method=BYE?Route=%3Csip:evil%3E>")
    assert uris(registrar) == ["sip:1001@h"]


# Path and outbound


def test_path_is_kept_as_the_way_to_the_phone_and_told_back() -> None:
    registrar = make_registrar()
    path = [("Path", "<sip:edge2.example.com;lr>, <sip:edge1.example.com;lr>")]
    answer = RegisteringPhone(registrar).register(PHONE, headers=path)
    assert [value for name, value in answer.headers if name == "Path"] == [
        "<sip:edge2.example.com;lr>",
        "<sip:edge1.example.com;lr>",
    ]
    (binding,) = registrar.contacts("1001", 0.0)
    assert binding.path == ("<sip:edge2.example.com;lr>", "<sip:edge1.example.com;lr>")


def test_a_flow_of_a_device_replaces_the_one_before_it_whatever_its_address() -> None:
    registrar = make_registrar()
    flow, later = Flow("tcp", UDP.local, ("198.51.100.7", 1), 1), Flow("tcp", UDP.local, ("198.51.100.7", 2), 2)
    old = f"<sip:1001@192.168.0.5:1111;transport=tcp>;+sip.instance={INSTANCE};reg-id=1"
    new = f"<sip:1001@192.168.0.5:2222;transport=tcp>;+sip.instance={INSTANCE};reg-id=1"
    second = f"<sip:1001@192.168.0.5:3333;transport=tcp>;+sip.instance={INSTANCE};reg-id=2"
    answer = RegisteringPhone(registrar, flow=flow).register(old, headers=OUTBOUND)
    assert header_of(answer, "Require") == "outbound"
    assert header_of(answer, "Flow-Timer") == "120"
    assert contacts_of(answer)[0].endswith(f"+sip.instance={INSTANCE};reg-id=1")
    RegisteringPhone(registrar, flow=later).register(new, call_id="rebooted", headers=OUTBOUND)
    (binding,) = registrar.contacts("1001", 0.0)
    assert (binding.uri, binding.flow, binding.reg_id) == ("sip:1001@192.168.0.5:2222;transport=tcp", later, 1)
    RegisteringPhone(registrar, flow=flow).register(second, headers=OUTBOUND)
    assert len(registrar) == 2


def test_a_reg_id_means_nothing_without_outbound() -> None:
    registrar = make_registrar()
    answer = RegisteringPhone(registrar).register(f"{PHONE};+sip.instance={INSTANCE};reg-id=1")
    assert header_of(answer, "Require") is None
    assert [binding.reg_id for binding in registrar.contacts("1001", 0.0)] == [None]


@pytest.mark.parametrize("reg_id", ["0", "2147483648", "one"])
def test_a_senseless_reg_id_is_refused(reg_id: str) -> None:
    contact = f"{PHONE};+sip.instance={INSTANCE};reg-id={reg_id}"
    answer = RegisteringPhone(make_registrar()).register(contact, headers=OUTBOUND)
    assert answer.rule == "malformed_register"


def test_several_flows_in_one_register_are_refused() -> None:
    contacts = [f"<sip:1001@h{number}>;+sip.instance={INSTANCE};reg-id={number}" for number in (1, 2)]
    answer = RegisteringPhone(make_registrar()).register(*contacts, headers=OUTBOUND)
    assert (answer.status, answer.rule) == (400, "several_flows")


@pytest.mark.parametrize(("path", "status"), [("<sip:edge.example.com;lr;ob>", 200), ("<sip:edge;lr>", 439), ("", 439)])
def test_a_proxy_before_us_must_keep_the_flow(path: str, status: int) -> None:
    vias = "SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK1, SIP/2.0/TCP 192.168.0.5;branch=z9hG4bK2"
    headers = [*OUTBOUND, *([("Path", path)] if path else [])]
    answer = RegisteringPhone(make_registrar()).register(
        f"{PHONE};+sip.instance={INSTANCE};reg-id=1", via=vias, headers=headers
    )
    assert answer.status == status


def test_bindings_end_with_their_connection_and_outlive_a_lost_datagram() -> None:
    registrar = make_registrar()
    RegisteringPhone(registrar, flow=TCP).register(PHONE, call_id="a")
    RegisteringPhone(registrar, flow=UDP).register(OTHER, call_id="b")
    events(registrar)
    registrar.flow_failed(UDP)
    registrar.flow_failed(TCP)
    assert events(registrar) == [
        AccountUnregistered("1001", "sip:1001@198.51.100.7:5060", TCP, UnregisterCause.FLOW_FAILED)
    ]
    assert list(registrar.flows) == [UDP]


def test_bindings_of_an_account_that_is_gone_from_the_settings_end() -> None:
    registrar = make_registrar()
    RegisteringPhone(registrar).register(PHONE)
    RegisteringPhone(registrar, "1002", "two").register(OTHER, user="1002")
    events(registrar)
    registrar.apply(RegistrarConfig({"1002": 3}))
    assert [(event.account, event.cause) for event in events(registrar)] == [  # type: ignore[attr-defined]
        ("1001", UnregisterCause.ACCOUNT_GONE)
    ]
    assert RegisteringPhone(registrar).register(PHONE, cseq=2).rule == "unknown_account"


def test_dates_are_english_wherever_we_run() -> None:
    assert sip_date(WALL) == "Tue, 03 Feb 2026 04:05:06 GMT"


_STEP = st.tuples(
    st.sampled_from(["register", "remove", "star", "wait", "drop"]),
    st.integers(0, 5),
    st.integers(1, 400),
    st.sampled_from([UDP, TCP]),
)


@given(st.lists(_STEP, max_size=30))
def test_whatever_is_registered_the_table_is_bounded_and_every_end_is_told(
    steps: list[tuple[str, int, int, Flow]],
) -> None:
    registrar = make_registrar()
    alive: set[str] = set()
    now = 0.0
    for cseq, (what, number, seconds, flow) in enumerate(steps, 1):
        if what == "wait":
            now += seconds
            registrar.handle_timeout(now)
        elif what == "drop":
            registrar.flow_failed(flow)
        elif what == "star":
            registrar.receive(register("*", expires=0, cseq=cseq), flow, now, "1001")
        else:
            contact = f"<sip:1001@h{number}>;expires={seconds if what == 'register' else 0}"
            registrar.receive(register(contact, cseq=cseq), flow, now, "1001")
        for event in events(registrar):
            if isinstance(event, AccountRegistered):
                assert event.is_refresh == (event.uri in alive)
                alive.add(event.uri)
            elif isinstance(event, AccountUnregistered):
                alive.remove(event.uri)
        assert {binding.uri for binding in registrar.contacts("1001", now)} == alive
        assert len(registrar) == len(alive) <= 3
        assert (registrar.next_deadline() is None) == (not alive)
    registrar.handle_timeout(now + 4000)
    assert len(registrar) == 0
    assert list(registrar.flows) == []
