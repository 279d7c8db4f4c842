"""Two whole gateways: one is an account of the other, is called there, and is gone when it stops."""

from __future__ import annotations

from gateway.daemon.gateway import Gateway
from gateway.observability.node_events import NodeEvent
from tests.support.network import free_sip_port
from tests.support.stage import settings_with
from tests.support.waiting import until

NOWHERE = "ws://127.0.0.1:9"
"""No provider: nobody is called here."""

ACCOUNTS = {"acme": {"password": "right"}, "1001": {"password": "other"}}


def office(seen: list[NodeEvent], transport: str = "udp") -> Gateway:
    listen = [f"{transport}://127.0.0.1:{free_sip_port('127.0.0.1')}"]
    node = {"name": "office", "max_calls": 5}
    settings = settings_with(NOWHERE, accounts=ACCOUNTS, node=node, sip={"listen": listen})
    return Gateway(settings, node_sinks=[seen.append])


def branch(seen: list[NodeEvent], port: int, **trunk: object) -> Gateway:
    carrier = {
        "targets": [f"sip:127.0.0.1:{port}"],
        "username": "acme",
        "password": "right",
        "register": True,
        "options_s": 0,
    }
    settings = settings_with(NOWHERE, trunks={"carrier": carrier | trunk}, node={"name": "branch", "max_calls": 5})
    return Gateway(settings, node_sinks=[seen.append])


def names(seen: list[NodeEvent]) -> list[str]:
    return [event.name.value for event in seen]


async def test_a_gateway_registers_at_another_is_measured_and_takes_it_back_when_it_stops() -> None:
    at_office: list[NodeEvent] = []
    at_branch: list[NodeEvent] = []
    first = office(at_office)
    await first.start()
    try:
        second = branch(at_branch, first.sip.port("udp"))
        await second.start()
        try:
            await until(lambda: second.registrations.registered == 1)
            assert names(at_office) == ["account.registered"]
            assert at_office[0].details["account"] == "acme"
            assert [contact.account for contact in first.accounts.status()] == ["acme"]
            assert 'gateway_trunk_registered{trunk="carrier"} 1.0' in second.metrics.render().decode()
            assert "gateway_account_contacts 1.0" in first.metrics.render().decode()
            assert first.trunks.choose("acme") == "account:acme"
            assert second.directory.door.trunk_of("127.0.0.1") == "carrier", "calls from there are the trunk's"
            invitation = await first.trunks.invitation("account:acme", "acme", body=b"v=0")
            assert invitation.hops == (first.accounts.registrar.contacts("acme", 0.0)[0].flow,)
        finally:
            await second.stop()
        assert names(at_branch) == ["trunk.registered", "trunk.unregistered"]
        assert names(at_office) == ["account.registered", "account.unregistered"]
        assert len(first.accounts.registrar) == 0
    finally:
        await first.stop()


async def test_a_wrong_password_is_told_with_the_reply_and_a_reload_puts_it_right() -> None:
    at_branch: list[NodeEvent] = []
    first = office([])
    await first.start()
    second = branch(at_branch, first.sip.port("udp"), password="wrong")
    await second.start()
    try:
        await until(lambda: bool(at_branch))
        (event,) = at_branch
        assert event.name.value == "trunk.registration_failed"
        assert (event.details["rule"], event.details["status"]) == ("refused", 403)
        assert event.details["retry_in_s"] >= 1800
        trunk = second.settings.trunks["carrier"].model_copy(
            update={"password": first.settings.accounts["acme"].password}
        )
        second.reload(second.settings.model_copy(update={"trunks": {"carrier": trunk}}))
        await until(lambda: second.registrations.registered == 1)
    finally:
        await second.stop()
        await first.stop()


async def test_phones_of_accounts_that_a_reload_takes_away_are_registered_no_more() -> None:
    gateway = office([])
    await gateway.start()
    try:
        fewer = {name: account for name, account in gateway.settings.accounts.items() if name == "1001"}
        assert gateway.reload(gateway.settings.model_copy(update={"accounts": fewer})) == []
        assert gateway.accounts.contacts("acme") is None
    finally:
        await gateway.stop()


async def test_the_first_accounts_and_the_first_trunk_that_registers_come_with_a_reload() -> None:
    registrar, phone = (Gateway(settings_with(NOWHERE, node={"name": name, "max_calls": 5})) for name in "ab")
    await registrar.start()
    await phone.start()
    with_accounts, with_trunk = office([]), branch([], registrar.sip.port("udp"))
    try:
        assert (
            registrar.reload(registrar.settings.model_copy(update={"accounts": with_accounts.settings.accounts})) == []
        )
        assert phone.reload(phone.settings.model_copy(update={"trunks": with_trunk.settings.trunks})) == []
        await until(lambda: phone.registrations.registered == 1)
        assert [contact.account for contact in registrar.accounts.status()] == ["acme"]
        assert registrar.trunks.choose("acme") == "account:acme"
    finally:
        await phone.stop()
        await registrar.stop()


async def test_a_phone_whose_connection_is_closed_is_registered_no_more() -> None:
    at_office: list[NodeEvent] = []
    first = office(at_office, "tcp")
    await first.start()
    second = branch([], 0, targets=[f"sip:127.0.0.1:{first.sip.port('tcp')};transport=tcp"])
    await second.start()
    try:
        await until(lambda: len(first.accounts.registrar) == 1)
        await second.sip.stop()
        await until(lambda: len(at_office) == 2)
        assert at_office[1].name.value == "account.unregistered"
        assert at_office[1].details["cause"] == "flow_failed"
    finally:
        await second.stop()
        await first.stop()


async def test_a_registrar_that_restarts_is_noticed_by_its_connection_and_registered_at_anew() -> None:
    at_branch: list[NodeEvent] = []
    first = office([], "tcp")
    await first.start()
    second = branch(at_branch, 0, targets=[f"sip:127.0.0.1:{first.sip.port('tcp')};transport=tcp"])
    await second.start()
    try:
        await until(lambda: second.registrations.registered == 1)
        await first.stop()
        await until(lambda: second.registrations.registered == 0)
        assert names(at_branch)[:2] == ["trunk.registered", "trunk.unregistered"]
        assert at_branch[1].details["cause"] == "flow_failed"
        first = Gateway(first.settings)
        await first.start()
        assert second.registrations.register_now("carrier")
        await until(lambda: second.registrations.registered == 1)
        assert len(first.accounts.registrar) == 1
    finally:
        await second.stop()
        await first.stop()
