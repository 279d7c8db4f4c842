"""The offer/answer exchange (RFC 3264) for one audio stream in G.711, with telephone-event (RFC 4733) beside it.

An answer names exactly one audio codec. RFC 3264 §6.1 would let us name several, but then the peer may switch among
them within the call and without a word, and the voice provider's session is opened for one law only. The codec is the
first of the offerer's list that we have: the order of that list is its wish (RFC 3264 §6.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gateway.base.errors import LocalProtocolError
from gateway.sdp.description import (
    MediaDescription,
    SdpError,
    SessionDescription,
    number,
    parse_description,
    quote,
)
from gateway.sdp.direction import Direction, answer_direction, direction_of, receives, sends
from gateway.sdp.formats import PayloadFormat, read_formats
from gateway.sdp.target import TargetKind, address_type, classify_target

Codec: TypeAlias = Literal["PCMU", "PCMA"]

CLOCK_RATE_HZ = 8000
"""Of both G.711 laws; events share their audio's timestamps and so need the same clock (RFC 4733)."""

PROTOCOLS = frozenset({"RTP/AVP", "RTP/AVPF"})
"""AVPF (RFC 4585) is AVP with freer RTCP timing; without any rtcp-fb in the answer nothing else changes, and a stream
may be answered with its own profile only. So it is accepted and mirrored rather than refused."""

TELEPHONE_EVENTS = "0-15"
"""The keys 0-9, *, # and A-D (RFC 4733 §3.2)."""

_STATIC_NUMBERS: dict[Codec, int] = {"PCMU": 0, "PCMA": 8}
_OFFERED_TELEPHONE_EVENT = 101
_HIGHEST_PORT = 65_535
_MOST_REASONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalMedia:
    """Our end of the stream, and how our description introduces itself."""

    address: str
    """The IP address to put into ``c=`` and ``o=``."""
    port: int
    """Where we take RTP."""
    session_id: int
    """The same for all descriptions of one dialog (RFC 8866 §5.2)."""
    version: int = 1
    """Of the first description; later ones follow from ``previous``."""
    codecs: tuple[Codec, ...] = ("PCMU", "PCMA")
    """What we speak: a filter on an offer, our order of preference in an offer of ours."""
    ptime_ms: int = 20
    """The packet time used unless the peer asks for another one of ``packet_times_ms``."""
    packet_times_ms: tuple[int, ...] = (10, 20, 30, 40, 60)
    direction: Direction = "sendrecv"
    """What we want; ``sendonly`` or ``inactive`` puts the peer on hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NegotiatedAudio:
    """What both sides agreed on, from our side."""

    codec: Codec
    payload_type: int
    """Of audio in both directions."""
    remote_address: str
    """An IP address, or a host name that somebody else must resolve. Send nothing there unless ``direction`` says so:
    on hold it may be ``0.0.0.0`` or ``::``."""
    remote_port: int
    remote_rtcp_port: int | None
    """``a=rtcp`` (RFC 3605), else the port above RTP; None when there is no such port."""
    ptime_ms: int
    """Of the packets we send."""
    telephone_event_payload_type: int | None
    direction: Direction
    """Ours."""
    is_on_hold: bool
    """True when the peer does not want our audio, said by direction or by an unspecified address."""


def answer_offer(
    offer: SessionDescription, local: LocalMedia, previous: bytes | None = None
) -> tuple[bytes, NegotiatedAudio]:
    """Answer an offer: the first usable audio stream is accepted, every other stream is mirrored with port 0.

    ``previous`` is the last description we sent in this dialog, if any: the version grows when the content changes
    (RFC 3264 §8). Raises :class:`SdpError` with status 488, and every stream's reason, when no audio can be agreed on.
    """
    slot, audio = _choose_audio(offer, local, "offer")
    sections: list[str] = []
    for index, media in enumerate(offer.media):
        if index == slot:
            sections += _write_answered_stream(media, audio, local)
        else:
            sections.append(_write_refused_stream(media))
    return _write_description(_read_timing(offer), sections, local, previous), audio


def create_offer(local: LocalMedia, previous: bytes | None = None) -> bytes:
    """Offer one audio stream with ``local.codecs`` and telephone-event.

    With ``previous``, our last description in this dialog, its streams keep their places and the unused ones stay
    refused: an offer may never have fewer m= lines than the one before (RFC 3264 §8).
    """
    before = parse_description(previous) if previous else None
    if before is None or not before.media:
        return _write_description("0 0", _write_offered_stream(local), local, previous)
    slot = next((index for index, media in enumerate(before.media) if media.port), 0)
    sections: list[str] = []
    for index, media in enumerate(before.media):
        sections += _write_offered_stream(local) if index == slot else [_write_refused_stream(media)]
    return _write_description(_read_timing(before), sections, local, previous)


def accept_answer(offer_local: LocalMedia, answer: SessionDescription) -> NegotiatedAudio:
    """Read the answer to the offer made from ``offer_local``; the first codec we know in it is the one used.

    Raises :class:`SdpError` with status 488 when the answer leaves no audio.
    """
    return _choose_audio(answer, offer_local, "answer")[1]


def _choose_audio(description: SessionDescription, local: LocalMedia, what: str) -> tuple[int, NegotiatedAudio]:
    reasons: list[str] = []
    for index, media in enumerate(description.media):
        if media.kind.lower() != "audio":
            continue
        verdict = _judge_stream(media, local)
        if isinstance(verdict, NegotiatedAudio):
            return index, verdict
        reasons.append(verdict)
    if not reasons:
        raise SdpError(f"the {what} has no audio stream", status=488)
    listed = "; ".join(reasons[:_MOST_REASONS])
    raise SdpError(f"the {what} has no audio stream that can be used: {listed}", status=488)


def _judge_stream(media: MediaDescription, local: LocalMedia) -> NegotiatedAudio | str:
    """What this audio stream agrees to, or why it cannot be used."""
    reason = _refuse_transport(media)
    if reason is not None or media.connection_address is None:
        return reason or "it has no c= line"
    target = classify_target(media.connection_address)
    if target not in {TargetKind.UNICAST, TargetKind.HOST_NAME, TargetKind.HOLD}:
        return f"audio cannot be sent to {quote(media.connection_address)} ({target.value} address)"
    formats = read_formats(media)
    chosen = _find_codec(formats, local.codecs)
    if chosen is None:
        return f"it has none of {', '.join(local.codecs)}, but {_list_encodings(formats)}"
    codec, payload_type = chosen
    peer = direction_of(
        sends=sends(media.direction),
        receives=receives(media.direction) and target is not TargetKind.HOLD,
    )
    return NegotiatedAudio(
        codec=codec,
        payload_type=payload_type,
        remote_address=media.connection_address,
        remote_port=media.port,
        remote_rtcp_port=_read_rtcp_port(media),
        ptime_ms=_choose_ptime(media, local),
        telephone_event_payload_type=_find_telephone_event(formats),
        direction=answer_direction(peer, local.direction),
        # A peer that only listens (recvonly) is not on hold; one that does not listen is.
        is_on_hold=not receives(peer),
    )


def _refuse_transport(media: MediaDescription) -> str | None:
    protocol = media.protocol.upper()
    if media.port == 0:
        return "its port is 0"
    if "SAVP" in protocol:
        return f"it wants encrypted media ({media.protocol}), and only plain RTP/AVP is spoken here"
    if protocol not in PROTOCOLS:
        return f"its transport is {quote(media.protocol)} and not RTP/AVP"
    return None


def _find_codec(formats: Sequence[PayloadFormat], codecs: Sequence[Codec]) -> tuple[Codec, int] | None:
    """The first format that is one of ``codecs``, in the peer's order."""
    for candidate in formats:
        for codec in codecs:
            if candidate.is_encoding(codec, CLOCK_RATE_HZ):
                return codec, candidate.payload_type
    return None


def _find_telephone_event(formats: Sequence[PayloadFormat]) -> int | None:
    return next((one.payload_type for one in formats if one.is_encoding("telephone-event", CLOCK_RATE_HZ)), None)


def _list_encodings(formats: Sequence[PayloadFormat]) -> str:
    names = [quote(one.encoding) for one in formats[:8]]
    return ", ".join(names) if names else "no format that is described"


def _choose_ptime(media: MediaDescription, local: LocalMedia) -> int:
    """The peer's wish if we can, else ours; never above its maxptime unless that is below all we have."""
    ceiling = media.maxptime_ms or max(local.packet_times_ms)
    fitting = [ptime for ptime in local.packet_times_ms if ptime <= ceiling]
    for wanted in (media.ptime_ms, local.ptime_ms):
        if wanted in fitting:
            return wanted
    return max(fitting, default=min(local.packet_times_ms))


def _read_rtcp_port(media: MediaDescription) -> int | None:
    stated = number((media.attribute("rtcp") or "").partition(" ")[0], _HIGHEST_PORT)
    if stated:
        return stated
    return media.port + 1 if media.port < _HIGHEST_PORT else None


def _read_timing(description: SessionDescription) -> str:
    """The t= line's value: the answer's must equal the offer's (RFC 3264 §6); ``0 0`` when it has no readable one."""
    fields = (description.value("t") or "").split()
    if len(fields) == 2 and all(number(field, 1 << 63) is not None for field in fields):
        return " ".join(fields)
    return "0 0"


def _write_answered_stream(media: MediaDescription, audio: NegotiatedAudio, local: LocalMedia) -> list[str]:
    return _write_stream(
        f"m={media.kind} {local.port} {media.protocol}",
        [(audio.payload_type, audio.codec)],
        audio.telephone_event_payload_type,
        ptime_ms=audio.ptime_ms,
        direction=audio.direction,
    )


def _write_offered_stream(local: LocalMedia) -> list[str]:
    return _write_stream(
        f"m=audio {local.port} RTP/AVP",
        [(_STATIC_NUMBERS[codec], codec) for codec in local.codecs],
        _OFFERED_TELEPHONE_EVENT,
        ptime_ms=local.ptime_ms,
        direction=local.direction,
    )


def _write_stream(
    head: str,
    codecs: Sequence[tuple[int, Codec]],
    telephone_event: int | None,
    *,
    ptime_ms: int,
    direction: Direction,
) -> list[str]:
    numbers = [str(payload_type) for payload_type, _ in codecs]
    attributes = [f"a=rtpmap:{payload_type} {codec}/{CLOCK_RATE_HZ}" for payload_type, codec in codecs]
    if telephone_event is not None:
        numbers.append(str(telephone_event))
        attributes.append(f"a=rtpmap:{telephone_event} telephone-event/{CLOCK_RATE_HZ}")
        attributes.append(f"a=fmtp:{telephone_event} {TELEPHONE_EVENTS}")
    return [f"{head} {' '.join(numbers)}", *attributes, f"a=ptime:{ptime_ms}", f"a={direction}"]


def _write_refused_stream(media: MediaDescription) -> str:
    # RFC 3264 §6: the formats of a refused stream mean nothing, but one must be there.
    return f"m={media.kind} 0 {media.protocol} {media.formats[0] if media.formats else '0'}"


def _write_description(timing: str, sections: Sequence[str], local: LocalMedia, previous: bytes | None) -> bytes:
    where = f"IN {address_type(local.address)} {local.address}"
    content = ["s=-", f"c={where}", f"t={timing}", *sections]
    version = _next_version(content, local, previous)
    lines = ["v=0", f"o=- {local.session_id} {version} {where}", *content]
    return "".join(line + "\r\n" for line in lines).encode("utf-8", "surrogateescape")


def _next_version(content: Sequence[str], local: LocalMedia, previous: bytes | None) -> int:
    """RFC 3264 §8: one more than before when anything but the o= line differs, else the same."""
    if not previous:
        return local.version
    head, _, rest = previous.decode("utf-8", "surrogateescape").partition("\r\ns=")
    before = number(head.split(" ")[2], 1 << 63) if head.count(" ") == 5 else None
    if before is None:
        raise LocalProtocolError("the previous description is not one that we wrote")
    return before if "s=" + rest == "".join(line + "\r\n" for line in content) else before + 1
