"""The only file that knows both SDP and codecs: offers and answers here, stream and session formats there."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.inworld.session import TelephoneFormat
from gateway.media.config import Direction, StreamConfig
from gateway.sdp.description import SdpError, SessionDescription, parse_description
from gateway.sdp.offer_answer import (
    Codec,
    LocalMedia,
    NegotiatedAudio,
    accept_answer,
    answer_offer,
    create_offer,
)

_FORMATS: dict[str, TelephoneFormat] = {"PCMU": "audio/pcmu", "PCMA": "audio/pcma"}
_STATIC_NUMBERS = {"PCMU": 0, "PCMA": 8}
_DISCARD_PORT = 9
"""The discard port (RFC 863), where an offer is read before a port is spent on it: it is never sent."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both sides agreed on, ready for the media core. ``description`` is what we send: an answer or an offer."""

    description: bytes
    stream: StreamConfig
    hold: str = ""
    """How the peer has put us on hold: ``sendonly``, ``inactive``, ``0.0.0.0`` (RFC 3264 §8.4); "" when it has not."""


def _as_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _hold_of(audio: NegotiatedAudio) -> str:
    if not audio.is_on_hold:
        return ""
    address = _as_address(audio.remote_address)
    if address is not None and address.is_unspecified:
        return "0.0.0.0"
    return "sendonly" if audio.direction == "recvonly" else "inactive"


def offered_address(offer: bytes | None) -> str | None:
    """The IP address an offer wants audio at, which tells the IP version of the call's media; None when it has none.

    Raises SdpError.
    """
    if offer is None:
        return None
    streams = (media for media in parse_description(offer).media if media.kind == "audio" and media.port)
    written = next((media.connection_address for media in streams if media.connection_address), "")
    address = _as_address(written)
    return None if address is None or address.is_unspecified else str(address)


def audio_format(codec: str) -> TelephoneFormat:
    """The provider's format that carries this codec's payload bytes unchanged."""
    return _FORMATS[codec]


class Negotiator:
    """Our side of one call's offer/answer exchange: keeps the session id, the version and what was said before.

    ``bind`` gives it the port once one is spent on the call; ``choose_codec`` can be asked before that, so that an
    offer without common ground costs nothing. Raises SdpError (RemoteProtocolError) with the SIP status to answer.
    """

    def __init__(
        self, *, address: str, codecs: Sequence[Codec], session_id: int, reorder_ms: int, signalling_host: str = ""
    ) -> None:
        self._local = LocalMedia(address=address, port=_DISCARD_PORT, session_id=session_id, codecs=tuple(codecs))
        self._reorder_ms = reorder_ms
        self._signalling_host = signalling_host
        self._sent: bytes | None = None
        self._codec: Codec = self._local.codecs[0]

    def bind(self, port: int) -> None:
        """From now on our descriptions name this port."""
        self._local = replace(self._local, port=port)

    def place(self, address: str, signalling_host: str) -> None:
        """Which address of ours the peer is told, and which host signals: of a call we place both are known late."""
        self._local = replace(self._local, address=address)
        self._signalling_host = signalling_host

    def prefer(self, codec: str) -> None:
        """Offers begin with it, and offers of the peer's are answered with it where they can be."""
        self._codec = next((known for known in self._local.codecs if known == codec), self._codec)

    def choose_codec(self, offer: bytes | None) -> Codec:
        """The codec an offer would be answered with; our first one when the offer is ours to make."""
        self._codec = self._local.codecs[0]
        if offer is not None:
            audio = answer_offer(parse_description(offer), self._local)[1]
            self._check_target(audio)
            self._codec = audio.codec
        return self._codec

    def waiting_stream(self) -> StreamConfig:
        """A stream that knows its codec and not yet its peer."""
        return StreamConfig(
            codec=self._codec,
            payload_type=_STATIC_NUMBERS[self._codec],
            telephone_event_payload_type=None,
            remote=None,
            reorder_ms=self._reorder_ms,
        )

    def answer(self, offer: bytes, direction: Direction = "sendrecv") -> Agreement:
        """Answers an offer of the peer, the first one or that of a re-INVITE. ``direction`` is what we want.

        The codec in use stays in use as long as the peer still offers it: a change costs the call a break.
        """
        description, audio = self._answer(parse_description(offer), direction)
        agreement = Agreement(description, self._stream(audio), _hold_of(audio))
        self._sent = description  # only what is really sent counts for the next version (RFC 3264 §8)
        self._codec = audio.codec
        return agreement

    def _answer(self, offer: SessionDescription, direction: Direction) -> tuple[bytes, NegotiatedAudio]:
        local = replace(self._local, direction=direction)
        try:
            return answer_offer(offer, replace(local, codecs=(self._codec,)), self._sent)
        except SdpError:
            return answer_offer(offer, local, self._sent)

    def offer(self, direction: Direction = "sendrecv") -> Agreement:
        """Makes our offer; the stream waits for ``accept``. The codec in use comes first."""
        others = tuple(codec for codec in self._local.codecs if codec != self._codec)
        local = replace(self._local, codecs=(self._codec, *others), direction=direction)
        description = create_offer(local, self._sent)
        self._sent = description
        return Agreement(description, self.waiting_stream())

    def accept(self, answer: bytes, direction: Direction = "sendrecv") -> Agreement:
        """Reads the peer's answer to our offer, which wanted ``direction``."""
        audio = accept_answer(replace(self._local, direction=direction), parse_description(answer))
        agreement = Agreement(self._sent or b"", self._stream(audio), _hold_of(audio))
        self._codec = audio.codec
        return agreement

    def _check_target(self, audio: NegotiatedAudio) -> None:
        """Audio goes where a caller can be: a peer elsewhere must not point us at this machine or its own link."""
        if audio.is_on_hold:
            return
        if (":" in audio.remote_address) != (":" in self._local.address):
            raise SdpError("audio should go to an address of the other IP version than this call came by", status=488)
        target, peer = _as_address(audio.remote_address), _as_address(self._signalling_host)
        if target is None or peer is None:
            return
        if (target.is_loopback and not peer.is_loopback) or (target.is_link_local and not peer.is_link_local):
            raise SdpError(f"audio cannot go to {audio.remote_address} for a caller elsewhere", status=488)

    def _stream(self, audio: NegotiatedAudio) -> StreamConfig:
        self._check_target(audio)
        return StreamConfig(
            codec=audio.codec,
            payload_type=audio.payload_type,
            telephone_event_payload_type=audio.telephone_event_payload_type,
            remote=(audio.remote_address, audio.remote_port),
            ptime_ms=audio.ptime_ms,
            reorder_ms=self._reorder_ms,
            direction=audio.direction,
            signalling_host=self._signalling_host or None,
        )
