"""Headers of a trunk's templates on the wire: in the answer and the hang-up, whatever the caller has put in theirs."""

from __future__ import annotations

from gateway.call.termination import EndReason
from tests.support.sip_peer import ack_for, invite
from tests.support.sip_socket import SipSocket
from tests.support.stage import Stage

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
