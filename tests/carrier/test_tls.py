"""Field rows 9 and 10 over TLS: a carrier that asks for a certificate, and an edge that records itself."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from gateway.emulator.scenario import Scenario
from tests.carrier.agent import Carrier
from tests.carrier.conftest import OpenScene
from tests.support.certificates import Authority
from tests.support.rest import CONTROL, dialling_trunks
from tests.support.waiting import until

POLITE = Scenario.model_validate(
    {"greeting": {"tone": {"hz": 440, "ms": 300}}, "other_texts": {"say": "all_right", "tool": {"name": "hang_up"}}}
)
"""An agent that greets briefly and hangs up when it is told of a key."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("carrier"))


def tls_sip(authority: Authority) -> dict[str, Any]:
    """``sip`` of a gateway that listens for TLS."""
    own = authority.issue("IP:127.0.0.1", common_name="gateway")
    listen = ["udp://127.0.0.1:0", "tcp://127.0.0.1:0", "tls://127.0.0.1:0"]
    return {"listen": listen, "tls": {"certificate": str(own.certificate), "key": str(own.key)}}


def demanding(authority: Authority) -> ssl.SSLContext:
    """What a carrier says that wants to see a certificate of its own authority."""
    own = authority.issue("IP:127.0.0.1", common_name="carrier")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.ca))
    context.load_cert_chain(own.certificate, own.key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.mark.parametrize("shows_it", [True, False])
async def test_row_09_a_carrier_that_asks_for_a_certificate_is_shown_the_trunks(
    scene: OpenScene, authority: Authority, tmp_path: Path, shows_it: bool
) -> None:
    client = Authority(tmp_path, "Carrier's clients").issue("DNS:acme.example", common_name="acme")
    context = demanding(authority)
    context.load_verify_locations(str(tmp_path / "ca.pem"))
    carrier = await Carrier.behind_tls(context)
    shown = {"certificate": str(client.certificate), "key": str(client.key)} if shows_it else {}
    trunk = dialling_trunks(
        targets=[f"sip:127.0.0.1:{carrier.port};transport=tls"],
        allow_destinations=["*"],
        options_s=0,
        tls={"ca": str(authority.ca), **shown},
    )
    place = await scene(sip={"listen": ["udp://127.0.0.1:0", "tcp://127.0.0.1:0"]}, trunks=trunk, control=CONTROL)
    operator = await place.operator()
    call = (await operator.call("+15550199001"))["id"]
    async with carrier:
        if not shows_it:
            await until(lambda: place.names()[-1:] == ["call.ended"])
            view = await operator.get(f"/v1/calls/{call}")
            assert view["sip"]["cause"] == "flow_failed"
            assert carrier.received == []
            return
        dialled = await carrier.dialled()
        assert ("commonName", "acme") in [pair for part in carrier.certificate["subject"] for pair in part]
        assert dialled.invite["contact"].partition(">")[0].endswith(";transport=tls")
        dialled.refuse(486, "Busy Here")
        await carrier.expect("ACK")
        await place.is_empty()


async def test_row_10_over_tls_our_bye_takes_the_connection_of_the_call_whatever_the_private_contact_says(
    scene: OpenScene, authority: Authority
) -> None:
    place = await scene(POLITE, sip=tls_sip(authority))
    context = ssl.create_default_context(cafile=str(authority.ca))
    context.check_hostname = False
    carrier = await Carrier.over_tls(place.sip("tls"), context)
    async with carrier:
        call = await carrier.call(contact="sip:+15550199001@10.255.255.1:5061;transport=tls")  # nobody can reach that
        edge = f"<sip:edge@{carrier.address}:{carrier.port};transport=tls;lr;ftag=abc>"
        call.extra = [("Record-Route", edge), ("Record-Route", "<sip:10.255.255.2;lr>")]
        answer = await call.set_up()
        assert answer["contact"].partition(">")[0].endswith(";transport=tls")
        call.leg.press(1)
        bye = await carrier.expect("BYE", within_s=15)
        assert bye.uri == call.contact
        assert [one.strip() for value in bye.all("route") for one in value.split(",")] == [
            edge,
            "<sip:10.255.255.2;lr>",
        ]
        carrier.reply(bye, 200)
        await place.is_empty()
        assert place.end["reason"] == "agent_hung_up"
        assert not carrier.is_closed_by_gateway
