"""What our own parser reads in a message, in the plain values that the oracles answer with too."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from typing import Any

from gateway.sdp import MediaDescription, SdpError, SessionDescription, parse_description, read_formats
from gateway.sip.address import Address
from gateway.sip.digest.values import parse_digest_headers
from gateway.sip.grammar import Params, SipParseError, decode_escapes, unquote_string
from gateway.sip.message import Request, Response, parse_message
from gateway.sip.uri import SipUri, TelUri, Uri
from gateway.sip.via import Via

Views = dict[str, Any]


def read_by_us(data: bytes) -> Views:
    """Every view that an oracle may have. One that cannot be made is {"error": why}."""
    try:
        message = parse_message(data)
    except SipParseError as error:
        return {"message": {"error": str(error)}}
    views: Views = {"message": "read"}
    if isinstance(message, Request):
        views["start"] = ["request", message.method]
        _attempt(views, "request_uri", lambda: _uri(message.request_uri))
    else:
        views["start"] = ["response", message.status, message.reason]
    views["names"] = sorted({name.lower() for name, _ in message.headers})
    for name in views["names"]:
        views[f"header {name}"] = [_one_line(value) for value in message.headers.get_all(name)]
        _attempt(views, f"elements {name}", lambda name=name: [_one_line(one) for one in message.headers.split(name)])
    _read_typed(message, views)
    if views["content-type"] == "application/sdp" and message.body:
        _read_sdp(message.body, views)
    return views


def _read_typed(message: Request | Response, views: Views) -> None:
    _attempt(views, "via", lambda: [_via(via) for via in message.vias])
    _attempt(views, "from", lambda: _party(message.from_))
    _attempt(views, "to", lambda: _party(message.to))
    _attempt(views, "contact", lambda: _addresses(message.contacts))
    _attempt(views, "route", lambda: _addresses(message.routes))
    _attempt(views, "record-route", lambda: _addresses(message.record_routes))
    _attempt(views, "cseq", lambda: list(message.cseq))
    _attempt(views, "call-id", lambda: message.call_id)
    _attempt(views, "max-forwards", lambda: message.max_forwards)
    _attempt(views, "content-type", lambda: message.content_type)
    views["body"] = base64.b64encode(message.body).decode()
    for name in ("WWW-Authenticate", "Proxy-Authenticate", "Authorization", "Proxy-Authorization"):
        found = parse_digest_headers(message.headers.get_all(name))
        views[f"digest {name.lower()}"] = [
            sorted([key, unquote_string(value)] for key, value in one.items()) for one in found
        ]


def _attempt(views: Views, name: str, read: Callable[[], Any]) -> None:
    try:
        views[name] = read()
    except (SipParseError, SdpError) as error:
        views[name] = {"error": str(error)}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _decoded(text: str | None) -> str | None:
    return None if text is None else decode_escapes(text)


def _params(given: Params) -> list[list[str | None]]:
    return sorted(([name, _decoded(value)] for name, value in given.items()), key=lambda pair: str(pair[0]))


def _uri(uri: Uri) -> list[Any]:
    if isinstance(uri, SipUri):
        return [
            uri.scheme,
            uri.decoded_user,
            _decoded(uri.password),
            uri.host.lower(),
            uri.port,
            _params(uri.params),
        ]
    if isinstance(uri, TelUri):
        return ["tel", uri.number, None, "", None, _params(uri.params)]
    return [uri.scheme, uri.rest]


def _addresses(addresses: Iterable[Address]) -> list[Any]:
    return [[address.display_name, _uri(address.uri)] for address in addresses]


def _party(address: Address) -> list[Any]:
    return [address.display_name, _uri(address.uri), address.tag]


def _via(via: Via) -> list[Any]:
    rport = None if via.rport is None else str(via.rport)
    return [via.transport, via.host.lower(), via.port, via.branch, via.received, via.wants_rport, rport]


def _read_sdp(body: bytes, views: Views) -> None:
    try:
        described = parse_description(body)
    except SdpError as error:
        views["sdp"] = {"error": str(error)}
        return
    origin = described.origin
    views["sdp"] = "read"
    views["sdp origin"] = origin and [origin.username, origin.session_id, origin.version, origin.address]
    views["sdp name"] = (described.value("s") or "").strip()
    views["sdp connection"] = described.connection_address
    views["sdp media"] = [[one.kind, one.port, one.protocol, list(one.formats)] for one in described.media]
    for index, media in enumerate(described.media):
        _read_stream(described, media, views, f"sdp media {index}")


def _read_stream(described: SessionDescription, media: MediaDescription, views: Views, at: str) -> None:
    views[f"{at} connection"] = media.connection_address
    views[f"{at} direction"] = media.direction
    views[f"{at} ptime"] = media.ptime_ms
    views[f"{at} maxptime"] = media.maxptime_ms
    formats = [
        [one.payload_type, one.encoding, one.clock_rate_hz, one.channels, one.parameters] for one in read_formats(media)
    ]
    views[f"{at} formats"] = formats
    numbers = {(value or "").split(" ")[0] for name, value in media.attributes if name == "rtpmap"}
    views[f"{at} mapped"] = [one for one in formats if str(one[0]) in numbers]
    views[f"{at} bandwidth"] = [line.value.split(":", 1) for line in media.lines if line.kind == "b"]
    for name in ("crypto", "candidate"):
        views[f"{at} {name}"] = _values(media, name)
    views[f"{at} candidates"] = [_candidate(text) for text in _values(media, "candidate")]
    views[f"{at} rtcp-mux"] = any(name == "rtcp-mux" for name, _ in media.attributes)
    session = dict(reversed(described.attributes))
    views[f"{at} ice"] = [media.attribute(name) or session.get(name) for name in ("ice-ufrag", "ice-pwd")]
    views[f"{at} fingerprint"] = media.attribute("fingerprint")


def _values(media: MediaDescription, name: str) -> list[str]:
    return [_one_line(value) for key, value in media.attributes if key == name and value is not None]


def _candidate(text: str) -> list[Any]:
    """RFC 8839 §5.1: foundation, component, transport, priority, address, port, type, related address and port."""
    words = text.split()
    named = dict(zip(words[6::2], words[7::2], strict=False))
    numbers = {1, 3, 5}
    head = [int(word) if at in numbers or word.isdigit() else word for at, word in enumerate(words[:6])]
    rport = named.get("rport")
    return [*head, named["typ"], named.get("raddr"), None if rport is None else int(rport)]
