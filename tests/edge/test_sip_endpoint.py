"""Two endpoints, and raw sockets, on loopback: whole calls over UDP and TCP, on asyncio's loop and on uvloop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from gateway.sip.events import (
    CallAnswered,
    CallCancelled,
    CallConfirmed,
    CallEnded,
    CallOffered,
    CallRinging,
    EndCause,
    ReofferAnswered,
)
from gateway.sip.framing import StreamFramer
from gateway.sip.message import Request, Response, parse_message
from gateway.sip.transaction.machine import TimerValues
from tests.support.sip_peer import ANSWER, OFFER, ack_for, invitation, invite, request
from tests.support.telephone import Telephone
from tests.support.waiting import until


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("hangs_up", ["caller", "callee"])
def test_a_whole_call(run: Callable[..., None], transport: str, hangs_up: str) -> None:
    async def main() -> None:
        async with Telephone() as caller, Telephone() as callee:
            call = caller.call(callee, transport)
            assert await caller.told(CallAnswered) == CallAnswered(call, ANSWER)
            assert isinstance(await caller.told(CallRinging), CallRinging)
            await callee.told(CallConfirmed)
            offered = await callee.told(CallOffered)
            assert offered.offer == OFFER
            assert offered.flow.transport == transport
            caller.endpoint.reoffer(call, OFFER)
            await caller.told(ReofferAnswered)
            ender, other = (caller, callee) if hangs_up == "caller" else (callee, caller)
            ender.endpoint.hang_up(call if ender is caller else offered.call)
            assert (await ender.told(CallEnded)).cause is EndCause.HUNG_UP
            assert (await other.told(CallEnded)).cause is EndCause.BYE
            await caller.quiet()
            await callee.quiet()
            assert caller.endpoint.stats.send_failures == callee.endpoint.stats.send_failures == 0

    run(main())


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_cancel_while_ringing(run: Callable[..., None], transport: str) -> None:
    async def main() -> None:
        async with Telephone() as caller, Telephone(answers=False) as callee:
            call = caller.call(callee, transport)
            await caller.told(CallRinging)
            caller.endpoint.hang_up(call)
            await callee.told(CallCancelled)
            await caller.quiet()
            await callee.quiet()

    run(main())


def test_the_callee_hangs_up_after_the_tcp_connection_is_gone(run: Callable[..., None]) -> None:
    async def main() -> None:
        async with Telephone() as caller, Telephone() as callee:
            caller.call(callee, "tcp")
            await callee.told(CallConfirmed)
            for connection in list(caller.endpoint._streams._by_number.values()):
                connection.abort()
            await until(lambda: callee.endpoint.connections == 0)
            callee.endpoint.hang_up((await callee.told(CallOffered)).call)
            assert (await caller.told(CallEnded)).cause is EndCause.BYE
            await callee.quiet()

    run(main())


def test_a_call_to_nobody_over_tcp_fails_at_once(run: Callable[..., None]) -> None:
    async def main() -> None:
        async with Telephone() as caller, Telephone() as gone:
            port = gone.endpoint.port("tcp")
            await gone.endpoint.stop()
            flow = caller.endpoint.flow_to(("127.0.0.1", port), "tcp")
            caller.endpoint.invite(invitation(flow))
            assert (await caller.told(CallEnded)).cause is EndCause.FLOW_FAILED
            assert caller.endpoint.stats.send_failures == 1
            await caller.quiet()

    run(main())


def test_raw_udp_an_invite_lost_ack_and_bye(run: Callable[..., None]) -> None:
    """What a phone on another machine would see, datagram by datagram."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        phone.setblocking(False)
        phone.bind(("127.0.0.1", 0))
        port = phone.getsockname()[1]

        async def receive() -> Any:
            return parse_message(await asyncio.wait_for(loop.sock_recv(phone, 65536), 3))

        async with Telephone(timers=TimerValues(t1=0.1)) as callee:
            gateway = ("127.0.0.1", callee.endpoint.port("udp"))
            via = f"SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKraw"
            sent = invite(via=via, contact=f"<sip:phone@127.0.0.1:{port}>")
            phone.sendto(sent.to_bytes(), gateway)
            assert [(await receive()).status for _ in range(2)] == [100, 180]
            first, second = await receive(), await receive()
            assert first.status == 200
            assert first.to_bytes() == second.to_bytes(), "no ACK yet: the 200 comes again"
            phone.sendto(ack_for(sent, first, via=via + "2").to_bytes(), gateway)
            await callee.told(CallConfirmed)
            bye = request("BYE", to_tag=first.to.tag, cseq=2, via=via + "3")
            phone.sendto(bye.to_bytes(), gateway)
            answers = [await receive()]
            while answers[-1].cseq.method != "BYE":
                answers.append(await receive())
            assert answers[-1].status == 200
            phone.sendto(bye.to_bytes(), gateway)
            assert (await receive()).status == 200
            assert (await callee.told(CallEnded)).cause is EndCause.BYE
        phone.close()

    run(main())


def test_raw_tcp_split_and_joined_messages(run: Callable[..., None]) -> None:
    async def main() -> None:
        async with Telephone() as callee:
            reader, writer = await asyncio.open_connection("127.0.0.1", callee.endpoint.port("tcp"))
            framer = StreamFramer()

            async def receive() -> Request | Response:
                while (message := framer.next_message()) is None:
                    framer.receive_data(await asyncio.wait_for(reader.read(65536), 3))
                return parse_message(message)

            via = "SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKraw"
            sent = invite(via=via)
            joined = request("OPTIONS", via=via + "1", call_id="ping").to_bytes() + sent.to_bytes()
            writer.write(joined[:100])
            await writer.drain()
            await asyncio.sleep(0.01)
            writer.write(joined[100:])
            got = [await receive() for _ in range(4)]
            assert [message.status for message in got if isinstance(message, Response)] == [200, 100, 180, 200]
            assert isinstance(got[3], Response)
            writer.write(ack_for(sent, got[3], via=via + "2").to_bytes())
            await callee.told(CallConfirmed)
            writer.write(b"\r\n\r\n")
            writer.write(request("BYE", to_tag=got[3].to.tag, cseq=2, via=via + "3").to_bytes())
            ended = await receive()
            while ended.cseq.method != "BYE":
                ended = await receive()
            assert isinstance(ended, Response)
            assert ended.status == 200
            assert callee.endpoint.stats.keep_alives == 1
            writer.close()

    run(main())


def test_a_stream_without_content_length_gets_400_and_is_closed(run: Callable[..., None]) -> None:
    async def main() -> None:
        async with Telephone() as callee:
            reader, writer = await asyncio.open_connection("127.0.0.1", callee.endpoint.port("tcp"))
            broken = invite(via="SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKraw").to_bytes()
            writer.write(broken.replace(b"Content-Length", b"X-Length"))
            answer = await asyncio.wait_for(reader.read(), 3)
            response = parse_message(answer)
            assert isinstance(response, Response)
            assert response.status == 400
            assert "Content-Length" in (response.headers.get("Warning") or "")
            writer.close()

    run(main())


def test_a_hundred_calls_at_once(run: Callable[..., None]) -> None:
    async def main() -> None:
        async with Telephone() as caller, Telephone() as callee:
            calls = [caller.call(callee, "udp" if number % 2 else "tcp") for number in range(100)]
            await until(lambda: sum(isinstance(event, CallConfirmed) for event in callee.events) == 100, 10)
            for call in calls:
                caller.endpoint.hang_up(call)
            await caller.quiet()
            await callee.quiet()
            assert {event.cause for event in callee.events if isinstance(event, CallEnded)} == {EndCause.BYE}

    run(main())
