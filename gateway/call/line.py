"""The telephone side of one call: what offer and answer agreed on, and the RTP port that follows it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from gateway.call.conversation.uplink import Uplink
from gateway.call.legs import MediaLeg
from gateway.call.negotiation import Agreement, Negotiator
from gateway.media.codec.g711 import BYTES_PER_MS
from gateway.media.config import Direction, StreamConfig

UNPROVEN_MEDIA_S = 3.0
"""How long audio goes to an address that only SDP has named: without an ACK, a PRACK or a packet from there, the
INVITE's source may be forged and the address a victim's."""

MOST_FORKS = 16
"""Early descriptions of one call that are kept, of those that ring at once."""


class Line:
    """Offers and answers go in as SDP, the stream follows. Every SDP that cannot be agreed on raises SdpError.

    Nothing of the caller's reaches the agent before ``open``: of a call we place, early media is heard by nobody.
    """

    def __init__(self, media: MediaLeg, negotiator: Negotiator, uplink: Uplink) -> None:
        self._media = media
        self._negotiator = negotiator
        self._uplink = uplink
        self._agreed: StreamConfig | None = None
        self._early: OrderedDict[str, Agreement] = OrderedDict()
        self._is_proof_expected = False
        self._proof_due: float | None = None
        self._is_stopped = False
        self.hold = ""
        """How the peer holds us; "" when it does not."""
        self.is_held_by_us = False
        self._before: dict[str, float] = {}
        uplink.is_open = False

    # --- offer and answer --------------------------------------------------------------------------------------

    def place(self, address: str, signalling_host: str) -> None:
        """Of a call we place: which address of ours its peer is told, and which host that peer signals from.

        Raises CapacityError or LocalProtocolError when there can be no port of that IP version; all stays as it was.
        """
        if self._media.speak_ip_of(address):
            self._negotiator.bind(self._media.local_port)
        self._early.clear()
        self._negotiator.place(address, signalling_host)

    def offer(self) -> bytes:
        """Our offer, for an INVITE of ours or one that brought none. The stream waits for ``accept``."""
        return self._negotiator.offer(self.wanted).description

    def answer(self, offer: bytes, now: float, *, early: str | None = None) -> bytes:
        """The answer to an offer of the peer, which is in force from here on.

        ``early``: the call we place is not answered yet, so nothing is said all the same; it names the fork.
        """
        agreement = self._negotiator.answer(offer, self.wanted)
        if early is not None:
            self._listen(agreement, now, early)
        else:
            self._agree(agreement, now)
        return agreement.description

    def accept(self, answer: bytes, now: float) -> None:
        """The peer's answer to our last offer."""
        self._agree(self._negotiator.accept(answer, self.wanted), now)

    def accept_early(self, answer: bytes, now: float, fork: str = "") -> None:
        """An answer before the call is answered: listen there and say nothing; what we have to say is the greeting."""
        self._listen(self._negotiator.accept(answer, self.wanted), now, fork)

    def _listen(self, agreement: Agreement, now: float, fork: str) -> None:
        agreed = agreement.stream
        self._early[fork] = agreement
        self._early.move_to_end(fork)
        if len(self._early) > MOST_FORKS:
            self._early.popitem(last=False)
        self._media.stream.update(replace(agreed, direction=_only_listening(agreed)), now)

    def accept_last(self, now: float, fork: str = "") -> bool:
        """The call was answered without SDP: a provisional answer of the same fork has brought it (RFC 3262 §5)."""
        # One that named no fork is of the only one that a peer without tags can have.
        early = self._early.get(fork) or self._early.get("")
        if early is not None:
            self._agree(early, now)
        return early is not None

    def move(self, media: MediaLeg, negotiator: Negotiator, agreement: Agreement | None, now: float) -> None:
        """Another peer from here on, at another port: the former one is closed, and what waits is said to this one.

        ``agreement`` None: its answer to our offer is still to come, by ``accept``. Who names a dialog of ours has read
        what we wrote in it: no further proof is waited for.
        """
        self._before = self.figures()
        self._media.close()
        media.stream.take_over(self._media.stream)
        self._media, self._negotiator = media, negotiator
        self._early.clear()
        self._agreed = None
        self._is_stopped = False
        self._is_proof_expected = True
        self._proof_due = None
        self.hold = ""
        if agreement is not None:
            self._agree(agreement, now)
        media.start()

    @property
    def uplink(self) -> Uplink:
        """The caller's way to the agent."""
        return self._uplink

    @property
    def wanted(self) -> Direction:
        """What our descriptions ask for: one-way audio while we hold."""
        return "sendonly" if self.is_held_by_us else "sendrecv"

    def _agree(self, agreement: Agreement, now: float) -> None:
        self.hold = agreement.hold
        agreed = self._agreed = agreement.stream
        self._uplink.receive_in(agreed.law)
        heeded = replace(agreed, direction=_only_listening(agreed)) if self._is_stopped else agreed
        self._media.stream.update(heeded, now)

    @property
    def is_on_hold(self) -> bool:
        """By the peer, by us, or by both."""
        return bool(self.hold) or self.is_held_by_us

    # --- the stream --------------------------------------------------------------------------------------------

    @property
    def codec(self) -> str:
        """In use on the wire."""
        return self._media.stream.config.codec

    def start(self) -> None:
        """RTP begins to flow as far as the agreement lets it. A second time does nothing."""
        self._media.start()

    def open(self) -> None:
        """The call is answered: the agent hears what comes from now on."""
        self._uplink.is_open = True

    def close(self) -> None:
        """The end of RTP."""
        self._media.close()

    def silent_for(self, now: float, since: float) -> float:
        """Seconds without a packet, counted from ``since`` at the earliest; 0 where none may come."""
        if not self._media.stream.config.may_receive:
            return 0.0
        return now - max(self._media.stream.last_received or 0.0, since)

    def figures(self) -> dict[str, float]:
        """What the line was like, over all its peers: packets of RFC 3550 A.3 and A.8, and what was put in for those
        that lacked; jitter is the present peer's."""
        stream = self._media.stream
        received = stream.statistics
        figures: dict[str, float] = {
            "packets_received": received.packets,
            "packets_lost": received.lost,
            "packets_late": received.late,
            "jitter_ms": round(received.jitter_ms, 2),
            "concealed_ms": stream.mending.concealed_samples // BYTES_PER_MS,
            "packets_sent": stream.sent.packets,
        }
        summed = {name: figures[name] + before for name, before in self._before.items() if name != "jitter_ms"}
        return figures | summed

    # --- is anybody there? -------------------------------------------------------------------------------------

    def expect_proof(self, now: float) -> None:
        """Audio goes to an address that only an INVITE has named: ``proven``, or a packet, must come soon.

        It counts from the first time: audio before the answer takes its seconds from those behind it.
        """
        if not self._is_proof_expected:
            self._is_proof_expected = True
            self._proof_due = now + UNPROVEN_MEDIA_S

    def proven(self, now: float) -> None:
        """Whoever offered has shown to be where it said it is: with an ACK, a PRACK, or with audio."""
        self._is_proof_expected = True
        self._proof_due = None
        if self._is_stopped and self._agreed is not None:
            self._is_stopped = False
            self._media.stream.update(self._agreed, now)

    def next_deadline(self) -> float | None:
        """When unproven audio falls silent."""
        return self._proof_due

    def handle_timeout(self, now: float) -> None:
        """Nothing has shown that somebody is there: silent until something does."""
        if self._proof_due is None or now < self._proof_due:
            return
        self._proof_due = None
        if self._media.stream.last_received is None and self._agreed is not None:
            self._is_stopped = True
            self._media.stream.update(replace(self._agreed, direction=_only_listening(self._agreed)), now)

    @property
    def is_stopped(self) -> bool:
        """Our audio is kept back: nobody has shown to be where it goes."""
        return self._is_stopped

    def check(self, now: float) -> None:
        """The regular look: late audio proves as much as an ACK."""
        if self._is_stopped and self._media.stream.last_received is not None:
            self.proven(now)


def _only_listening(agreed: StreamConfig) -> Direction:
    return "recvonly" if agreed.may_receive else "inactive"
