"""The torture messages of RFC 4475: ours, written anew, and the originals where they lie beside the checkout."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway.sip.framing import StreamFramer
from gateway.sip.grammar import SipParseError
from gateway.sip.message import Request, Response, make_response, parse_message
from gateway.sip.validation import (
    KNOWN_METHODS,
    Refusal,
    check_accept,
    check_body,
    check_hops,
    check_request,
    check_response,
)
from tests.support.torture import MESSAGES, originals

GATEWAY_METHODS = frozenset({"ACK", "BYE", "CANCEL", "INVITE", "OPTIONS", "UPDATE"})

VERDICTS: dict[str, dict[str, Any]] = YAML(typ="safe", pure=True).load(MESSAGES / "verdicts.yaml")

ANSWERS = {
    "check_body": lambda request: check_body(request, ["application/sdp"]),
    "check_accept": lambda request: check_accept(request, "application/sdp"),
    "check_hops": check_hops,
}


def judge(data: bytes, verdict: Mapping[str, Any]) -> tuple[Request | Response | None, str, Refusal | None]:
    """What the message layer makes of a datagram: the message, accept/refuse/drop, and the refusal."""
    try:
        message = parse_message(data)
    except SipParseError as error:
        if error.request is None:
            return None, "drop", None
        return error.request, "refuse", Refusal.from_error(error, rule="parse")
    if isinstance(message, Response):
        return message, "accept" if check_response(message) else "drop", None
    methods = KNOWN_METHODS | ({message.method} if verdict.get("unknown_method") else set())
    refusal = check_request(message, supported_methods=methods, supported_extensions=["100rel", "timer"])
    return message, "accept" if refusal is None else "refuse", refusal


def read(message: object, path: str) -> object:
    """``vias.0.host``: attributes and items; ``#`` is a length; header and parameter names go to the end."""
    value: Any = message
    while path:
        if path.startswith("headers.") and hasattr(value, "cseq"):
            return value.headers.get(path.removeprefix("headers."))
        if path.startswith("params.") and path != "params.#":
            return value.params[path.removeprefix("params.")]
        step, _, path = path.partition(".")
        value = len(value) if step == "#" else value[int(step)] if step.isdigit() else getattr(value, step)
    return value


def assert_verdict(data: bytes, verdict: Mapping[str, Any]) -> Request | Response | None:
    message, outcome, refusal = judge(data, verdict)
    assert outcome == verdict["verdict"]
    if outcome == "refuse":
        assert refusal is not None
        assert (refusal.status, refusal.rule) == (verdict["status"], verdict["rule"])
        assert isinstance(message, Request)
        # The refusal can be sent: it echoes what the request has, and is a message itself.
        response = make_response(message, refusal.status, refusal.reason, to_tag="t0", headers=refusal.headers)
        again = parse_message(response.to_bytes())
        assert isinstance(again, Response)
        assert again.status == verdict["status"]
        assert again.headers.get_all("Via") == message.headers.get_all("Via")
    if answer := verdict.get("answer"):
        assert isinstance(message, Request)
        later = ANSWERS[answer["check"]](message)
        assert later is not None
        assert later.status == answer["status"]
        assert dict(later.headers) == answer.get("headers", {})
    return message


@pytest.mark.parametrize("name", VERDICTS)
def test_each_message_gets_its_verdict(name: str) -> None:
    verdict = VERDICTS[name]
    message = assert_verdict((MESSAGES / f"{name}.sip").read_bytes(), verdict)
    for path, expected in verdict.get("fields", {}).items():
        assert read(message, path) == expected, path
    if "headers" in verdict:
        _, _, refusal = judge((MESSAGES / f"{name}.sip").read_bytes(), verdict)
        assert refusal is not None
        assert dict(refusal.headers) == verdict["headers"]


def test_every_message_has_a_verdict_with_a_section_of_its_own() -> None:
    assert {path.stem for path in MESSAGES.glob("*.sip")} == set(VERDICTS)
    assert len(VERDICTS) == 49
    assert len({verdict["section"] for verdict in VERDICTS.values()}) == 49


def test_unknown_methods_are_not_implemented_when_nobody_supports_them() -> None:
    unknown = [name for name, verdict in VERDICTS.items() if verdict.get("unknown_method")]
    assert len(unknown) == 2
    for name in unknown:
        _, outcome, refusal = judge((MESSAGES / f"{name}.sip").read_bytes(), {})
        assert outcome == "refuse"
        assert refusal is not None
        assert refusal.status == 501


def test_registrations_are_not_allowed_by_a_gateway_that_is_no_registrar() -> None:
    registrations = [
        message
        for path in MESSAGES.glob("*.sip")
        if path.stem not in {"scalar02", "regbadct"}
        and isinstance(message := parse_or_none(path.read_bytes()), Request)
        and message.method == "REGISTER"
    ]
    assert len(registrations) == 7
    for message in registrations:
        refusal = check_request(message, supported_methods=GATEWAY_METHODS, supported_extensions=())
        assert refusal is not None
        assert (refusal.status, refusal.headers) == (405, (("Allow", "ACK, BYE, CANCEL, INVITE, OPTIONS, UPDATE"),))


def test_a_comma_in_a_bare_display_name_is_refused_in_a_list() -> None:
    data = (MESSAGES / "baddn.sip").read_bytes().replace(b"OPTIONS", b"INVITE")
    message = parse_message(data.replace(b"l: 0", b"m: Lovelace, Ada <sip:a@example.org>\r\nl: 0"))
    with pytest.raises(SipParseError):
        _ = message.contacts


@pytest.mark.parametrize("name", VERDICTS)
def test_messages_that_can_be_framed_come_out_of_a_stream_as_they_are(name: str) -> None:
    data = (MESSAGES / f"{name}.sip").read_bytes()
    framer = StreamFramer()
    framer.receive_data(data)
    if name in {"inv2543", "mcl01", "ncl"}:  # none, two, negative: a stream cannot be read on (RFC 4475 §3.1.2.3)
        with pytest.raises(SipParseError) as caught:
            framer.next_message()
        assert isinstance(caught.value.request, Request)
        return
    message = framer.next_message()
    if name in {"clerr", "baddn"}:  # the rest may still come
        assert message is None
        return
    assert message is not None
    assert data.startswith(message)
    if name == "dblreq":
        second = framer.next_message()
        assert second is not None
        assert data.endswith(second)
        assert second.startswith(b"INVITE ")
    else:
        assert message == data


def parse_or_none(data: bytes) -> Request | Response | None:
    try:
        return parse_message(data)
    except SipParseError:
        return None


def checks_of(folder: Path) -> dict[str, dict[str, Any]]:
    with (folder / "VERDICTS.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["message"].removesuffix(".sip"): json.loads(row["check"] or "{}") for row in rows}


READERS = {
    "method": "method",
    "code": "status",
    "from_user": "from_.uri.decoded_user",
    "to_user": "to.uri.decoded_user",
    "from_tag": "from_.tag",
    "to_tag": "to.tag",
    "callid": "call_id",
    "body": "body.#",
    "contact": "contacts.0.uri.host",
}


def assert_original(data: bytes, verdict: Mapping[str, Any], checks: Mapping[str, Any]) -> None:
    message = assert_verdict(data, verdict)
    for key, expected in checks.items():
        assert message is not None
        if key == "via":
            found = [[via.transport, via.host, via.port, via.branch] for via in message.vias]
            assert found == expected
        elif key == "cseq":
            assert list(message.cseq) == expected
        else:
            assert read(message, READERS[key]) == expected, key


def test_the_originals_get_the_same_verdicts() -> None:
    folder = originals()
    checks = checks_of(folder)
    assert set(checks) == set(VERDICTS)
    faults = {}
    for name, verdict in VERDICTS.items():
        data = (folder / f"{name}.sip").read_bytes()
        try:
            assert data != (MESSAGES / f"{name}.sip").read_bytes(), "ours is to be written anew"
            assert_original(data, verdict, checks[name])
        except AssertionError as fault:
            faults[name] = str(fault)
    assert not faults
