"""What three independent parsers read in a message, told in the same words as ``tests/differential/views.py``.

Runs in the environment that tests/oracles_env.sh makes, not in the project's. Each line in is one message in base64;
each line out is its answer: {oracle: {view: value}}. A view that a parser does not have is left out; one that it
could not make is {"error": why}.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import aiosipua
import sdp_transform
import sipmessage
from aiosipua.headers import MULTI_INSTANCE_HEADERS

Views = dict[str, Any]

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")


def attempt(views: Views, name: str, read: Callable[[], Any]) -> Any:
    """Notes what ``read`` says, or that it failed."""
    try:
        views[name] = read()
    except Exception as error:  # noqa: BLE001 - whatever a parser raises is its answer
        views[name] = {"error": repr(error)}
    return views[name]


def one_line(text: str) -> str:
    return " ".join(text.split())


def bare_host(host: str) -> str:
    return host.strip("[]").lower()


AUTHENTICATION = ("WWW-Authenticate", "Proxy-Authenticate", "Authorization", "Proxy-Authorization")
CREDENTIALS = ("Authorization", "Proxy-Authorization")


def auth_params(given: Any) -> list[list[str]]:
    return sorted([name.lower(), value] for name, value in given.items())


# --- sipmessage ---------------------------------------------------------------------------------------------------


def read_by_sipmessage(data: bytes) -> Views:
    try:
        message = sipmessage.Message.parse(data)
    except Exception as error:  # noqa: BLE001 - whatever a parser raises is its answer
        return {"message": {"error": repr(error)}}
    views: Views = {"message": "read"}
    if isinstance(message, sipmessage.Request):
        views["start"] = ["request", message.method]
        views["request_uri"] = sipmessage_uri(message.uri)
    else:
        views["start"] = ["response", message.code, one_line(message.phrase)]
    names = message.headers.keys()
    views["names"] = sorted(name.lower() for name in names)
    for name in names:
        views[f"header {name.lower()}"] = [one_line(value) for value in message.headers.getlist(name)]
    attempt(views, "via", lambda: [sipmessage_via(via) for via in message.via])
    attempt(views, "from", lambda: sipmessage_party(message.from_address))
    attempt(views, "to", lambda: sipmessage_party(message.to_address))
    attempt(views, "contact", lambda: [sipmessage_address(address) for address in message.contact])
    attempt(views, "route", lambda: [sipmessage_address(address) for address in message.route])
    attempt(views, "record-route", lambda: [sipmessage_address(address) for address in message.record_route])
    attempt(views, "cseq", lambda: [message.cseq.sequence, message.cseq.method])
    attempt(views, "call-id", lambda: message.call_id)
    attempt(views, "max-forwards", lambda: message.max_forwards)
    attempt(views, "content-type", lambda: message.content_type and message.content_type.mime_type.lower())
    views["body"] = base64.b64encode(message.body).decode()
    for name in AUTHENTICATION:
        values = message.headers.getlist(name)
        kind = sipmessage.AuthCredentials if name in CREDENTIALS else sipmessage.AuthChallenge
        if values:
            attempt(
                views,
                f"digest {name.lower()}",
                lambda values=values, kind=kind: [auth_params(kind.parse(value).parameters) for value in values],
            )
    return views


def sipmessage_uri(uri: sipmessage.URI) -> list[Any]:
    if uri.scheme == "tel":
        return ["tel", uri.user, None, "", None, params(uri.parameters)]
    return [uri.scheme, uri.user, uri.password, bare_host(uri.host), uri.port, params(uri.parameters)]


def params(given: Any) -> list[list[str | None]]:
    return sorted([name.lower(), value] for name, value in given.items())


def sipmessage_address(address: sipmessage.Address) -> list[Any]:
    return [address.name, sipmessage_uri(address.uri)]


def sipmessage_party(address: sipmessage.Address) -> list[Any]:
    return [*sipmessage_address(address), address.parameters.get("tag")]


def sipmessage_via(via: sipmessage.Via) -> list[Any]:
    given = via.parameters
    received = given.get("received")
    return [
        via.transport.upper(),
        bare_host(via.host),
        via.port,
        given.get("branch"),
        received and bare_host(received),
        "rport" in given,
        given.get("rport"),
    ]


# --- aiosipua -----------------------------------------------------------------------------------------------------


def read_by_aiosipua(data: bytes) -> Views:
    try:
        message = aiosipua.SipMessage.parse(data)
    except Exception as error:  # noqa: BLE001 - whatever a parser raises is its answer
        return {"message": {"error": repr(error)}}
    views: Views = {"message": "read"}
    if isinstance(message, aiosipua.SipRequest):
        views["start"] = ["request", message.method]
        attempt(views, "request_uri", lambda: aiosipua_uri(aiosipua.parse_uri(message.uri)))
    else:
        views["start"] = ["response", message.status_code, one_line(message.reason_phrase)]
    found = [(name.lower(), values) for name, values in message.headers.items()]
    views["names"] = sorted(name for name, _ in found)
    for name, values in found:
        kind = "elements" if name in MULTI_INSTANCE_HEADERS else "header"
        views[f"{kind} {name}"] = [one_line(value) for value in values]
    attempt(views, "via", lambda: [aiosipua_via(via) for via in message.via])
    attempt(views, "from", lambda: aiosipua_party(message.from_addr))
    attempt(views, "to", lambda: aiosipua_party(message.to_addr))
    attempt(views, "contact", lambda: [aiosipua_address(address) for address in message.contact])
    for name in ("route", "record-route"):
        values = message.headers.get(name)
        attempt(views, name, lambda values=values: [aiosipua_address(aiosipua.parse_address(one)) for one in values])
    attempt(views, "cseq", lambda: [message.cseq.seq, message.cseq.method])
    attempt(views, "call-id", lambda: message.call_id)
    attempt(views, "content-type", lambda: message.content_type and message.content_type.partition(";")[0].lower())
    views["body"] = base64.b64encode(message.body).decode()
    for name in AUTHENTICATION:
        values = message.headers.get(name)
        if values:
            attempt(
                views,
                f"digest {name.lower()}",
                lambda values=values, name=name: [
                    auth_params(aiosipua.parse_auth(value, credentials=name in CREDENTIALS).params) for value in values
                ],
            )
    if is_sdp(views):
        with contextlib.suppress(UnicodeDecodeError):
            read_sdp_by_aiosipua(message.body.decode(), views)
    return views


def aiosipua_uri(uri: Any) -> list[Any]:
    user, colon, password = (uri.user or "").partition(":")
    secret = unquote(password) if colon else None
    name = unquote(user) if uri.user is not None else None
    given = {key: value and unquote(value) for key, value in uri.params.items()}
    return [uri.scheme, name, secret, bare_host(uri.host), uri.port, params(given)]


def aiosipua_address(address: Any) -> list[Any]:
    return [address.display_name or "", aiosipua_uri(address.uri)]


def aiosipua_party(address: Any) -> list[Any]:
    return [*aiosipua_address(address), address.tag]


def aiosipua_via(via: Any) -> list[Any]:
    received = via.received and bare_host(via.received)
    return [via.transport, bare_host(via.host), via.port, via.branch, received, "rport" in via.params, via.rport]


def is_sdp(views: Views) -> bool:
    return views.get("content-type") == "application/sdp" and bool(views["body"])


def read_sdp_by_aiosipua(text: str, views: Views) -> None:
    try:
        described = aiosipua.parse_sdp(text)
    except Exception as error:  # noqa: BLE001 - whatever a parser raises is its answer
        views["sdp"] = {"error": repr(error)}
        return
    origin = described.origin
    views["sdp"] = "read"
    views["sdp origin"] = [origin.username, origin.session_id, origin.session_version, origin.address]
    views["sdp name"] = described.session_name.strip()
    views["sdp connection"] = described.connection and described.connection.address
    views["sdp media"] = [[one.media, one.port, one.proto, one.formats] for one in described.media]
    for index, media in enumerate(described.media):
        where = media.connection or described.connection
        at = f"sdp media {index}"
        views[f"{at} connection"] = where and where.address
        views[f"{at} direction"] = media.direction
        views[f"{at} formats"] = [
            [one.payload_type, one.encoding_name.upper(), one.clock_rate, one.channels or 1, one.fmtp]
            for one in media.codecs
        ]
        views[f"{at} bandwidth"] = [[one.bwtype, str(one.bandwidth)] for one in media.bandwidths]
        for name in ("crypto", "candidate"):
            views[f"{at} {name}"] = [one_line(value) for value in media.attributes.get(name, [])]


# --- sdp-transform ------------------------------------------------------------------------------------------------


def read_by_sdp_transform(data: bytes) -> Views:
    """Its view of the body alone, which aiosipua has cut out."""
    views: Views = {}
    try:
        message = aiosipua.SipMessage.parse(data)
        content_type = (message.content_type or "").partition(";")[0].strip().lower()
        if content_type != "application/sdp" or not message.body:
            return views
        described = sdp_transform.parse(message.body.decode())
    except Exception as error:  # noqa: BLE001 - whatever a parser raises is its answer
        return {"sdp": {"error": repr(error)}}
    views["sdp"] = "read"
    origin = described.get("origin")
    views["sdp origin"] = origin and [
        str(origin.get(key)) for key in ("username", "sessionId", "sessionVersion", "address")
    ]
    views["sdp name"] = str(described.get("name", "")).strip()
    where = described.get("connection")
    views["sdp connection"] = where and where.get("ip")
    views["sdp media"] = [
        [one.get("type"), one.get("port"), one.get("protocol"), str(one.get("payloads", "")).split()]
        for one in described["media"]
    ]
    for index, media in enumerate(described["media"]):
        read_stream_by_sdp_transform(described, media, views, f"sdp media {index}")
    return views


def read_stream_by_sdp_transform(described: Views, media: Views, views: Views, at: str) -> None:
    where = media.get("connection") or described.get("connection")
    views[f"{at} connection"] = where and where.get("ip")
    views[f"{at} direction"] = media.get("direction") or described.get("direction") or "sendrecv"
    views[f"{at} ptime"] = media.get("ptime")
    views[f"{at} maxptime"] = media.get("maxptime")
    maps: dict[int, list[Any]] = {}
    for one in media["rtp"]:
        entry = [one["payload"], str(one["codec"]).upper(), one.get("rate"), one.get("encoding") or 1]
        maps.setdefault(one["payload"], entry)
    texts: dict[int, str] = {}
    for one in media["fmtp"]:
        texts.setdefault(one["payload"], str(one["config"]))
    numbers = [int(number) for number in str(media.get("payloads", "")).split() if number.isdigit()]
    views[f"{at} mapped"] = [[*maps[number], texts.get(number)] for number in numbers if number in maps]
    views[f"{at} bandwidth"] = [[str(one["type"]), str(one["limit"])] for one in media.get("bandwidth", [])]
    views[f"{at} crypto"] = [
        " ".join(str(one[key]) for key in ("id", "suite", "config", "sessionConfig") if one.get(key) is not None)
        for one in media.get("crypto", [])
    ]
    keys = ("foundation", "component", "protocol", "priority", "ip", "port", "type", "raddr", "rport")
    views[f"{at} candidates"] = [[one.get(key) for key in keys] for one in media.get("candidates", [])]
    views[f"{at} rtcp-mux"] = "rtcpMux" in media
    ice = [media.get("iceUfrag") or described.get("iceUfrag"), media.get("icePwd") or described.get("icePwd")]
    views[f"{at} ice"] = [None if one is None else str(one) for one in ice]
    fingerprint = media.get("fingerprint")
    views[f"{at} fingerprint"] = fingerprint and f"{fingerprint['type']} {fingerprint['hash']}"


ORACLES = {
    "sipmessage": read_by_sipmessage,
    "aiosipua": read_by_aiosipua,
    "sdp-transform": read_by_sdp_transform,
}


def main() -> None:
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        data = base64.b64decode(line)
        print(json.dumps({name: read(data) for name, read in ORACLES.items()}), flush=True)


if __name__ == "__main__":
    main()
