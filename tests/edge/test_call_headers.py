"""Headers of a trunk's templates on the wire: in the answer and the hang-up, whatever the caller has put in theirs."""

from __future__ import annotations

from gateway.call.journal import EventName
from gateway.call.termination import EndReason
from tests.support.rest import CONTROL, Operator
from tests.support.sip_peer import ANSWER, ack_for, invite, respond
from tests.support.sip_socket import SipSocket
from tests.support.stage import Stage
from tests.support.waiting import until

TRUNK = {
    "accept_from": ["127.0.0.1"],
    "variables": {"campaign": "X-Campaign"},
    "headers": {
        "answer": {"X-Gateway-Call": "{{sip_call_id}} {{campaign}}", "X-Absent": "{{identity}}"},
        "bye": {"User-to-User": "{{user_to_user}}"},
    },
}


async def test_the_answer_and_the_hang_up_carry_them() -> None:
    agents = {"demo": {"session": {"instructions": "You speak with {{caller}} about {{campaign}}."}}}
    async with Stage(trunks={"demo": TRUNK}, agents=agents) as stage:
        peer = SipSocket(stage, "127.0.0.1")
        try:
            headers = [("X-Campaign", "spring\\r\\nVia: x\t{{caller}}"), ("User-to-User", "56a3;encoding=hex")]
            sent = invite(headers=headers)
            answer = await peer.ask(sent, 5)
            assert answer is not None
            assert answer.status == 200
            assert answer.headers.get("X-Gateway-Call") == "call-1@peer spring\\r\\nVia: x {{caller}}"
            assert answer.headers.count("X-Absent") == 0
            assert answer.headers.count("Via") == 1
            await peer.ask(ack_for(sent, answer), 0.05)
            configured = stage.emulator.sessions[0].session["instructions"]
            assert configured.startswith("You speak with caller about spring")
            stage.gateway.directory.end_all(EndReason.API)
            bye = await peer.hear_request()
            assert (bye.method, bye.headers.get("User-to-User")) == ("BYE", "56a3;encoding=hex")
            assert bye.headers.count("Reason") == 1
        finally:
            peer.close()


PLACING = {
    "accept_from": ["127.0.0.1"],
    "targets": ["sip:127.0.0.9"],
    "allow_destinations": ["1*", "sip:*@127.0.0.1"],
    "from_user": "+15550100",
    "headers": {
        "invite": {"X-Campaign": "{{campaign}}", "X-Order": "from the trunk", "X-Absent": "{{identity}}"},
        "refer": {"X-Transferred-For": "{{name}} of {{campaign}}"},
        "bye": {"X-Spoke-With": "{{name}}", "X-Called": "{{callee}}"},
    },
}


async def test_variables_and_headers_of_an_order_reach_the_agent_and_the_wire() -> None:
    agents = {"demo": {"session": {"instructions": "Sell {{campaign}} to {{name}}, politely."}}}
    async with (
        Stage(trunks={"demo": PLACING}, agents=agents, control=CONTROL) as stage,
        Operator(stage) as operator,
    ):
        peer = SipSocket(stage, "127.0.0.1")
        try:
            to = f"sip:bob@127.0.0.1:{peer.socket.getsockname()[1]}"
            variables = {"name": "Ada\r\nVia: evil", "campaign": "spring"}
            call = await operator.call(
                to, variables=variables, headers={"X-Order": "4711 for {{name}}", "X-More": "{{nobody}}"}
            )
            sent = await peer.hear_request()
            assert sent.headers.get("X-Campaign") == "spring"
            assert sent.headers.get_all("X-Order") == ["4711 for Ada  Via: evil"], "the order's word counts"
            assert {name for name, _ in sent.headers}.isdisjoint({"X-Absent", "X-More"}), "nothing to say: not said"
            assert sent.headers.count("Via") == 1
            contact = ("Contact", f"<{to}>")
            sdp = ("Content-Type", "application/sdp")
            peer.reply(respond(sent, 200, to_tag="bob", headers=[contact, sdp], body=ANSWER))
            assert (await peer.hear_request()).method == "ACK"
            names = [EventName.PROVIDER_CONNECTED, EventName.CALL_ANSWERED]
            await until(lambda: {event.name for event in stage.events}.issuperset(names))
            configured = stage.emulator.sessions[0].session["instructions"]
            assert configured.startswith("Sell spring to Ada  Via: evil, politely.")
            asked = await operator.http.post(f"/v1/calls/{call['id']}/transfer", json={"to": "1002"})
            assert asked.status_code == 202, asked.text
            refer = await peer.hear_request()
            assert refer.method == "REFER"
            assert refer.headers.get("X-Transferred-For") == "Ada  Via: evil of spring"
            peer.reply(respond(refer, 405))
            await operator.http.delete(f"/v1/calls/{call['id']}")
            bye = await peer.hear_request()
            assert bye.method == "BYE"
            assert bye.headers.get("X-Spoke-With") == "Ada  Via: evil"
            assert bye.headers.get("X-Called") == "bob"
            peer.reply(respond(bye, 200))
        finally:
            peer.close()
