"""REGISTER through the user agent: what goes on the wire, and what of it is kept."""

from __future__ import annotations

from gateway.sip.events import AccountRegistered, AccountUnregistered, RequestRefused
from gateway.sip.message import Response
from gateway.sip.registrar import Registrar, RegistrarConfig
from tests.support.sip_peer import TCP, UDP, UserAgentBench, request
from tests.support.sip_registrar import RegisteringPhone, make_registrar, register

PHONE = "<sip:1001@198.51.100.7:5060>"


def bench_with_registrar() -> tuple[UserAgentBench, Registrar]:
    registrar = make_registrar()
    return UserAgentBench(registrar=registrar), registrar


def test_a_challenge_keeps_nothing_and_is_no_refusal() -> None:
    bench, _ = bench_with_registrar()
    (response,) = bench.feed(register(PHONE))
    assert isinstance(response, Response)
    assert response.status == 401
    assert response.headers.count("WWW-Authenticate") == 1
    assert response.to.tag
    assert bench.take_events() == []
    assert bench.counts() == (0, 0, 0)
    assert bench.ua.stats.requests_challenged == 1


def test_a_registration_is_answered_told_and_repeated_when_its_request_is() -> None:
    bench, registrar = bench_with_registrar()
    asked = RegisteringPhone(registrar).authorized(register(PHONE, expires=600), bench.now)
    (response,) = bench.feed(asked)
    assert isinstance(response, Response)
    assert (response.status, response.headers.get("Contact")) == (200, f"{PHONE};expires=600")
    (event,) = bench.take_events()
    assert isinstance(event, AccountRegistered)
    assert (event.account, event.expires_s) == ("1001", 600)
    (again,) = bench.feed(asked)
    assert again.to_bytes() == response.to_bytes(), "and not 401, though its nonce is used up"
    assert bench.take_events() == []
    assert UDP in bench.ua.live_flows()


def test_expiry_is_a_deadline_of_the_user_agent() -> None:
    bench, registrar = bench_with_registrar()
    bench.feed(RegisteringPhone(registrar).authorized(register(PHONE, expires=600), bench.now))
    bench.take_events()
    bench.advance(601)
    (event,) = bench.take_events()
    assert isinstance(event, AccountUnregistered)
    assert bench.ua.next_deadline() is None


def test_a_connection_takes_its_registrations_along() -> None:
    bench, registrar = bench_with_registrar()
    asked = RegisteringPhone(registrar).authorized(register(PHONE), bench.now)
    bench.feed(asked, TCP)
    bench.take_events()
    (flow,) = registrar.flows
    bench.ua.flow_failed(flow, bench.now)
    bench.drain()
    (event,) = bench.take_events()
    assert isinstance(event, AccountUnregistered)
    assert len(registrar) == 0


def test_wrong_credentials_are_refused_by_a_rule_that_the_door_can_count() -> None:
    bench, registrar = bench_with_registrar()
    asked = RegisteringPhone(registrar, password="guess").authorized(register(PHONE), bench.now)
    (response,) = bench.feed(asked)
    assert isinstance(response, Response)
    assert response.status == 403
    assert bench.take_events() == [RequestRefused("REGISTER", UDP, 403, "wrong_credentials")]
    assert bench.counts() == (0, 0, 0), "nothing is kept for who has no password"


def test_a_refusal_of_a_known_phone_is_told_too() -> None:
    bench, registrar = bench_with_registrar()
    bench.feed(RegisteringPhone(registrar).authorized(register(PHONE, user="1002"), bench.now))
    assert bench.take_events() == [RequestRefused("REGISTER", UDP, 403, "registration_hijack")]


def test_what_a_register_may_require() -> None:
    bench, registrar = bench_with_registrar()
    asked = register(PHONE, headers=[("Require", "path, outbound")])
    (response,) = bench.feed(RegisteringPhone(registrar).authorized(asked, bench.now))
    assert isinstance(response, Response)
    assert response.status == 200
    (response,) = bench.feed(register(PHONE, headers=[("Require", "gruu")]))
    assert isinstance(response, Response)
    assert (response.status, response.headers.get("Unsupported")) == (420, "gruu")


def test_a_register_in_a_dialog_is_of_no_dialog() -> None:
    bench, _ = bench_with_registrar()
    (response,) = bench.feed(request("REGISTER", to_tag="x"))
    assert isinstance(response, Response)
    assert response.status == 481


def test_a_draining_node_takes_no_registrations() -> None:
    bench, _ = bench_with_registrar()
    bench.ua.draining = True
    (response,) = bench.feed(register(PHONE))
    assert isinstance(response, Response)
    assert (response.status, response.headers.get("Retry-After")) == (503, "5")


def test_without_a_registrar_the_method_is_not_allowed() -> None:
    bench = UserAgentBench()
    (response,) = bench.feed(register(PHONE))
    assert isinstance(response, Response)
    assert response.status == 405


def test_register_is_served_and_allowed_from_the_first_account_on() -> None:
    registrar = make_registrar()
    accounts = RegistrarConfig({"1001": 5})
    registrar.apply(RegistrarConfig())
    bench = UserAgentBench(registrar=registrar)
    (refused,) = bench.feed(register(PHONE))
    assert isinstance(refused, Response)
    assert refused.status == 405
    assert "REGISTER" not in (refused.headers.get("Allow") or "")
    registrar.apply(accounts)
    bench.ua.accounts_changed()
    (challenged,) = bench.feed(register(PHONE))
    assert isinstance(challenged, Response)
    assert challenged.status == 401
    (options,) = bench.feed(request("OPTIONS"))
    assert "REGISTER" in (options.headers.get("Allow") or "")
