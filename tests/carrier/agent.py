"""A carrier that does what carriers do: a SIP and RTP agent on real sockets whose every message is written by hand.

It shares nothing with the gateway's own SIP: it reads just enough of a message to follow a script, repeats nothing by
itself, and sends whatever a scenario wants, right or wrong. A scenario is a coroutine: send, expect, send.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.carrier.rtp_leg import RtpLeg

PATIENCE_S = 5.0
"""For what takes milliseconds, on a machine that may be busy."""

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Message:
    """A SIP message as far as a script needs it: its start line, its header lines in order, its body."""

    start: str
    fields: tuple[tuple[str, str], ...]
    body: str
    at: float = 0.0

    @classmethod
    def read(cls, data: bytes) -> Message:
        """A whole message."""
        head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        fields = tuple(
            (name.strip().lower(), value.strip()) for name, _, value in (one.partition(":") for one in lines)
        )
        return cls(start, fields, body, time.monotonic())

    @property
    def status(self) -> int | None:
        """The code of a response; None for a request."""
        return int(self.start.split(" ")[1]) if self.start.startswith("SIP/2.0 ") else None

    @property
    def method(self) -> str:
        """A request's method; for a response the one it answers."""
        return self["cseq"].split(" ")[1]

    @property
    def uri(self) -> str:
        """The Request-URI."""
        return self.start.split(" ")[1]

    @property
    def cseq(self) -> int:
        """The number in CSeq."""
        return int(self["cseq"].split(" ")[0])

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.fields if key == name.lower()]

    def __getitem__(self, name: str) -> str:
        """The first value of a header; "" when there is none."""
        return next(iter(self.all(name)), "")

    def tag(self, name: str) -> str:
        """The tag of From or To."""
        found = re.search(r";tag=([^;\s]+)", self[name])
        return found[1] if found else ""

    def sdp(self, kind: str) -> list[str]:
        """The values of one kind of line in its session description: ``a``, ``c``, ``m``, ``o``."""
        return [line[2:] for line in self.body.split("\r\n") if line.startswith(f"{kind}=")]

    @property
    def direction(self) -> str:
        """The direction its session description states."""
        return next((one for one in self.sdp("a") if one in {"sendrecv", "sendonly", "recvonly", "inactive"}), "")

    @property
    def rtp_target(self) -> tuple[str, int]:
        """Where its sender wants audio."""
        return self.sdp("c")[-1].split(" ")[2], int(self.sdp("m")[0].split(" ")[1])

    def is_what(self, what: int | str, of: str | None) -> bool:
        """``what`` is a status or a method; ``of`` the method that a response must answer."""
        if isinstance(what, int):
            return self.status == what and of in {None, self.method}
        return self.status is None and self.method == what


class Carrier(asyncio.DatagramProtocol):
    """One socket (UDP) or one connection (TCP) towards the gateway."""

    def __init__(self, gateway: tuple[str, int], address: str = "127.0.0.1") -> None:
        self.gateway = gateway
        self.address = address
        self.received: list[Message] = []
        self.is_closed_by_gateway = False
        self.protocol = "UDP"
        self._unread: list[Message] = []
        self._arrived = asyncio.Event()
        self._legs: list[RtpLeg] = []
        self._datagrams: asyncio.DatagramTransport | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self.certificate: dict[str, Any] = {}
        """What the gateway has shown of itself when it connected by TLS."""
        self.port = 0

    @classmethod
    async def over_udp(cls, gateway: tuple[str, int], address: str = "127.0.0.1") -> Carrier:
        """A carrier with a UDP port of its own."""
        carrier = cls(gateway, address)
        loop = asyncio.get_running_loop()
        carrier._datagrams, _ = await loop.create_datagram_endpoint(lambda: carrier, local_addr=(address, 0))
        carrier.port = carrier._datagrams.get_extra_info("sockname")[1]
        return carrier

    @classmethod
    async def over_tcp(cls, gateway: tuple[str, int]) -> Carrier:
        """A carrier that has opened one connection to the gateway, and listens nowhere."""
        carrier = cls(gateway)
        carrier.protocol = "TCP"
        reader, carrier._writer = await asyncio.open_connection(*gateway)
        carrier.port = carrier._writer.get_extra_info("sockname")[1]
        carrier._reading = asyncio.create_task(carrier._read(reader))
        return carrier

    @classmethod
    async def over_tls(cls, gateway: tuple[str, int], context: ssl.SSLContext) -> Carrier:
        """The same over TLS."""
        carrier = cls(gateway)
        carrier.protocol = "TLS"
        reader, carrier._writer = await asyncio.open_connection(*gateway, ssl=context, server_hostname="")
        carrier.port = carrier._writer.get_extra_info("sockname")[1]
        carrier._reading = asyncio.create_task(carrier._read(reader))
        return carrier

    @classmethod
    async def behind_tls(cls, context: ssl.SSLContext) -> Carrier:
        """A carrier that waits for one TLS connection of the gateway's."""
        carrier = cls(("127.0.0.1", 0))
        carrier.protocol = "TLS"

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            carrier._writer, carrier._reading = writer, asyncio.current_task()
            carrier.certificate = writer.get_extra_info("peercert") or {}
            await carrier._read(reader)

        carrier._server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
        carrier.port = carrier._server.sockets[0].getsockname()[1]
        return carrier

    async def close(self) -> None:
        """Everything away: sockets and audio."""
        for leg in self._legs:
            await leg.close()
        if self._datagrams is not None:
            self._datagrams.close()
        if self._server is not None:
            self._server.close()
        if self._writer is not None:
            self._writer.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def __aenter__(self) -> Carrier:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- the wire ----------------------------------------------------------------------------------------------

    def send(self, text: str) -> None:
        """A message, as it stands."""
        data = text.encode()
        if self._writer is not None:
            self._writer.write(data)
        elif self._datagrams is not None:
            self._datagrams.sendto(data, self.gateway)

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Of asyncio."""
        if data.strip():
            self._take(Message.read(data))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                self.is_closed_by_gateway = True
                return
            message = Message.read(head.lstrip(b"\r\n"))
            body = await reader.readexactly(int(message["content-length"] or 0))
            self._take(Message(message.start, message.fields, body.decode(), time.monotonic()))

    def _take(self, message: Message) -> None:
        self.received.append(message)
        self._unread.append(message)
        self._arrived.set()

    # --- the script --------------------------------------------------------------------------------------------

    async def expect(self, what: int | str, *, of: str | None = None, within_s: float = PATIENCE_S) -> Message:
        """The next message that is ``what`` (a status, or a method); what came before it counts as read."""
        return await self.expect_where(lambda one: one.is_what(what, of), str(what), within_s=within_s)

    async def expect_final(self, cseq: int, method: str = "INVITE") -> Message:
        """The next final response to a request."""
        return await self.expect_where(
            lambda one: (one.status or 0) >= 200 and (one.cseq, one.method) == (cseq, method),
            f"final response to {cseq} {method}",
        )

    async def expect_where(
        self, is_wanted: Callable[[Message], bool], called: str, *, within_s: float = PATIENCE_S
    ) -> Message:
        """The next message of which something is true."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    while self._unread:
                        message = self._unread.pop(0)
                        if is_wanted(message):
                            return message
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            seen = [one.start for one in self.received]
            raise AssertionError(f"no {called} within {within_s:g} s; received: {seen}") from None

    async def expect_no(self, what: int | str, *, for_s: float) -> None:
        """Nothing of that kind comes for a while."""
        seen = len(self.received)
        await asyncio.sleep(for_s)
        came = [one.start for one in self.received[seen:] if one.is_what(what, None)]
        assert not came, f"expected no {what} for {for_s:g} s, received {came}"

    async def leg(self) -> RtpLeg:
        """A new pair of ears and a mouth; closed with the carrier."""
        leg = await RtpLeg.open(self.address)
        self._legs.append(leg)
        return leg

    async def call(self, callee: str = "agent", **given: str) -> CarrierCall:
        """A call to be made, with a leg for its audio."""
        return CarrierCall(self, await self.leg(), callee, **given)

    async def dialled(self) -> Dialled:
        """The INVITE of a call that the gateway places to us."""
        return Dialled(self, await self.leg(), await self.expect("INVITE"))

    def reply(
        self,
        request: Message,
        status: int,
        reason: str = "Whatever",
        *,
        headers: Headers = (),
        body: str = "",
        tag: str = "",
    ) -> None:
        """A response to a request of the gateway's; ``tag`` goes into its To."""
        names = ("Via", "Record-Route", "From", "To", "Call-ID", "CSeq")
        echoed = [(name, value) for name in names for value in request.all(name)]
        if tag:
            echoed = [(name, f"{value};tag={tag}" if name == "To" else value) for name, value in echoed]
        described = [("Content-Type", "application/sdp")] if body else []
        self.send(compose(f"SIP/2.0 {status} {reason}", [*echoed, *headers, *described], body))


def compose(start: str, fields: Headers, body: str = "") -> str:
    """A message with the length its body has."""
    lines = [start, *(f"{name}: {value}" for name, value in fields), f"Content-Length: {len(body.encode())}", "", body]
    return "\r\n".join(lines)


def describe(
    address: str, port: int, direction: str | None = "sendrecv", *, formats: str = "0 101", version: int = 1
) -> str:
    """A session description with one stream."""
    lines = [
        "v=0",
        f"o=carrier 77 {version} IN IP4 {address}",
        "s=-",
        f"c=IN IP4 {address}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {formats}",
        *(["a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15"] if "101" in formats else []),
        *(["a=rtpmap:18 G729/8000"] if "18" in formats.split() else []),
        "a=ptime:20",
        *([f"a={direction}"] if direction else []),
    ]
    return "".join(f"{line}\r\n" for line in lines)


@dataclass
class CarrierCall:
    """A call from the carrier to the gateway. What its messages say can be changed by attribute at any time."""

    carrier: Carrier
    leg: RtpLeg
    callee: str = "agent"
    caller: str = "+15550199001"
    contact: str = ""
    call_id: str = field(default_factory=lambda: f"{secrets.token_hex(8)}@carrier.example")
    tag: str = field(default_factory=lambda: secrets.token_hex(4))
    to_tag: str = ""
    cseq: int = 1
    target: str = ""
    extra: list[tuple[str, str]] = field(default_factory=list)
    """Headers that go into every INVITE: Record-Route and the like."""
    invite_branch: str = ""
    answer: Message | None = None

    def __post_init__(self) -> None:
        host, port = self.carrier.gateway
        self.target = f"sip:{self.callee}@{host}:{port}"
        self.contact = self.contact or f"sip:{self.caller}@{self.carrier.address}:{self.carrier.port}"

    def offer(
        self,
        direction: str | None = "sendrecv",
        *,
        formats: str = "0 8 101",
        address: str | None = None,
        port: int | None = None,
        version: int = 1,
    ) -> str:
        """A session description of the carrier's; by default one that names its leg."""
        where = address or self.carrier.address
        return describe(where, self.leg.port if port is None else port, direction, formats=formats, version=version)

    # --- messages ----------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        body: str = "",
        *,
        cseq: int | None = None,
        branch: str | None = None,
        headers: Headers = (),
        content_type: str = "application/sdp",
    ) -> str:
        """A request of this call. Its CSeq counts up unless told."""
        if cseq is None:
            self.cseq += method not in {"ACK", "CANCEL"} and bool(self.to_tag or self.invite_branch)
            cseq = self.cseq
        branch = branch or f"z9hG4bK{secrets.token_hex(6)}"
        if method == "INVITE":
            self.invite_branch = branch
        carrier = self.carrier
        fields = [
            ("Via", f"SIP/2.0/{carrier.protocol} {carrier.address}:{carrier.port};branch={branch};rport"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{self.caller}@carrier.example>;tag={self.tag}"),
            ("To", f"<sip:{self.callee}@{carrier.gateway[0]}>" + (f";tag={self.to_tag}" if self.to_tag else "")),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} {method}"),
            *([("Contact", f"<{self.contact}>")] if method in {"INVITE", "UPDATE", "REFER", "SUBSCRIBE"} else []),
            *(self.extra if method == "INVITE" else []),
            *([("Content-Type", content_type)] if body else []),
            *headers,
        ]
        return compose(f"{method} {self.target} SIP/2.0", fields, body)

    def invite(self, body: str | None = None, *, headers: Headers = ()) -> None:
        """The first INVITE, or a re-INVITE."""
        self.carrier.send(self.request("INVITE", self.offer() if body is None else body, headers=headers))

    def acknowledge(self, response: Message, body: str = "") -> None:
        """The ACK of a final response: a transaction of its own for a 2xx, the INVITE's for a refusal."""
        is_accepted = response.status is not None and response.status < 300
        branch = None if is_accepted else self.invite_branch
        if is_accepted or self.to_tag:
            self.carrier.send(self.request("ACK", body, branch=branch, cseq=response.cseq))
            return
        self.to_tag = response.tag("to")
        self.carrier.send(self.request("ACK", body, branch=branch, cseq=response.cseq))
        self.to_tag = ""

    # --- steps -------------------------------------------------------------------------------------------------

    async def answered(self, ack_body: str = "") -> Message:
        """The 200 to the first INVITE, taken and acknowledged; audio flows from here on."""
        answer = await self.take_answer()
        self.acknowledge(answer, ack_body)
        return answer

    async def take_answer(self) -> Message:
        """The 200 to the first INVITE, not yet acknowledged."""
        answer = await self.carrier.expect(200, of="INVITE")
        self.to_tag = answer.tag("to")
        self.target = answer["contact"].strip("<>").partition(">")[0]
        self.answer = answer
        self.leg.talk_to(answer.rtp_target)
        return answer

    async def set_up(self, body: str | None = None, *, headers: Headers = ()) -> Message:
        """A call as it should be: INVITE, 200, ACK, audio both ways."""
        self.invite(body, headers=headers)
        return await self.answered()

    async def reoffer(self, body: str, *, headers: Headers = ()) -> Message:
        """A re-INVITE with its final response, acknowledged."""
        self.invite(body, headers=headers)
        response = await self.carrier.expect_final(self.cseq)
        self.acknowledge(response)
        return response

    async def hang_up(self) -> Message:
        """BYE and its 200."""
        self.carrier.send(self.request("BYE"))
        return await self.carrier.expect(200, of="BYE")


@dataclass
class Dialled:
    """A call from the gateway to the carrier: what may be done with its INVITE, and within its dialog."""

    carrier: Carrier
    leg: RtpLeg
    invite: Message
    tag: str = field(default_factory=lambda: secrets.token_hex(4))
    cseq: int = 5000

    def contact(self, branch: str = "") -> tuple[str, str]:
        """Where we want requests; ``branch`` tells several phones behind one carrier apart."""
        return "Contact", f"<sip:phone{branch}@{self.carrier.address}:{self.carrier.port}>"

    def description(self, direction: str = "sendrecv", *, version: int = 1) -> str:
        """Our end of the audio."""
        return describe(self.carrier.address, self.leg.port, direction, version=version)

    def ring(self, status: int = 180, *, branch: str = "", body: str = "", headers: Headers = ()) -> None:
        """A provisional response in the dialog of one phone."""
        fields = [self.contact(branch), *headers]
        self.carrier.reply(self.invite, status, "Progress", headers=fields, body=body, tag=self.tag + branch)

    def accept(self, *, branch: str = "", headers: Headers = ()) -> None:
        """200 from one phone."""
        fields = [self.contact(branch), *headers]
        self.carrier.reply(self.invite, 200, "OK", headers=fields, body=self.description(), tag=self.tag + branch)

    def refuse(self, status: int, reason: str, *, headers: Headers = ()) -> None:
        """A final no."""
        self.carrier.reply(self.invite, status, reason, headers=headers, tag=self.tag)

    async def pick_up(self, *, headers: Headers = ()) -> Message:
        """200, its ACK, and audio both ways."""
        self.accept(headers=headers)
        ack = await self.carrier.expect("ACK")
        self.leg.talk_to(self.invite.rtp_target)
        return ack

    def request(
        self, method: str, body: str = "", *, headers: Headers = (), content_type: str = "application/sdp"
    ) -> str:
        """A request of ours within the dialog."""
        self.cseq += 1
        carrier = self.carrier
        via = f"SIP/2.0/{carrier.protocol} {carrier.address}:{carrier.port};branch=z9hG4bK{secrets.token_hex(6)};rport"
        fields = [
            ("Via", via),
            ("Max-Forwards", "70"),
            ("From", f"{self.invite['to']};tag={self.tag}"),
            ("To", self.invite["from"]),
            ("Call-ID", self.invite["call-id"]),
            ("CSeq", f"{self.cseq} {method}"),
            self.contact(),
            *([("Content-Type", content_type)] if body else []),
            *headers,
        ]
        target = self.invite["contact"].strip("<>").partition(">")[0]
        return compose(f"{method} {target} SIP/2.0", fields, body)

    async def notify(self, fragment: str, state: str = "active;expires=60") -> Message:
        """What has become of a transfer (RFC 3515), and the answer to it."""
        headers = [("Event", "refer"), ("Subscription-State", state)]
        body = f"SIP/2.0 {fragment}\r\n"
        self.carrier.send(self.request("NOTIFY", body, headers=headers, content_type="message/sipfrag;version=2.0"))
        return await self.carrier.expect_final(self.cseq, "NOTIFY")

    async def hang_up(self) -> Message:
        """BYE and its final response."""
        self.carrier.send(self.request("BYE"))
        return await self.carrier.expect_final(self.cseq, "BYE")
