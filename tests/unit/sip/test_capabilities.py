"""The refusals of RFC 3261 §8.2 that depend on what this user agent can do."""

from __future__ import annotations

import pytest

from gateway.sip.capabilities import Capabilities, offer_of, option_tags, refuse, supports, without
from gateway.sip.message import Request
from tests.support.sip_peer import OFFER, invite, request

ALLOWED = "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY"
OURS = Capabilities()


def refusal(message: Request) -> tuple[int, dict[str, str]]:
    found = OURS.check(message)
    assert found is not None
    assert found.rule
    return found.status, dict(found.headers)


def test_an_ordinary_invite_is_fine() -> None:
    assert OURS.check(invite()) is None
    assert OURS.check(invite(body=b"")) is None
    assert offer_of(invite()) == OFFER
    assert offer_of(invite(body=b"")) is None


@pytest.mark.parametrize("method", ["REGISTER", "MESSAGE", "PUBLISH"])
def test_known_methods_we_do_not_serve_get_405_with_allow(method: str) -> None:
    status, headers = refusal(request(method, contact="<sip:a@b>"))
    assert status == 405
    assert headers["Allow"] == ALLOWED


def test_unknown_methods_get_501() -> None:
    assert refusal(request("DANCE"))[0] == 501


def test_subscribe_gets_489_for_we_publish_no_events() -> None:
    status, headers = refusal(request("SUBSCRIBE", headers=[("Event", "message-summary")]))
    assert (status, headers["Allow-Events"]) == (489, "refer")


def test_required_extensions_get_420_with_their_names() -> None:
    status, headers = refusal(invite(headers=[("Require", "100rel, precondition, timer")]))
    assert status == 420
    assert headers["Unsupported"] == "precondition"
    assert OURS.check(invite(headers=[("Require", "100rel, timer, replaces")])) is None
    bare = Capabilities(extensions=without(OURS.extensions, "100rel"))
    assert bare.supported == ("Supported", "timer, replaces, norefersub")
    assert bare.check(invite(headers=[("Require", "100rel")])) is not None


def test_what_a_message_supports() -> None:
    message = invite(headers=[("Supported", "Timer, 100rel"), ("Require", "replaces")])
    assert option_tags(message, "Supported") == {"timer", "100rel"}
    assert supports(message, "timer")
    assert supports(message, "replaces")
    assert not supports(message, "path")
    assert option_tags(invite(headers=[("Supported", 'a, "b')]), "Supported") == frozenset()


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/mixed;boundary=x", "application/isup"])
def test_a_body_that_is_not_sdp_gets_415_with_accept(content_type: str) -> None:
    status, headers = refusal(invite(content_type=content_type))
    assert status == 415
    assert headers["Accept"] == "application/sdp"


def test_an_encoded_body_gets_415_with_accept_encoding() -> None:
    status, headers = refusal(invite(headers=[("Content-Encoding", "gzip")]))
    assert status == 415
    assert headers["Accept-Encoding"] == "identity"
    assert OURS.check(invite(headers=[("Content-Encoding", "identity")])) is None


def test_an_optional_body_we_do_not_know_is_ignored() -> None:
    optional = invite(content_type="text/plain", headers=[("Content-Disposition", "render;handling=optional")])
    assert OURS.check(optional) is None
    assert offer_of(optional) is None


def test_a_caller_that_takes_no_sdp_gets_406() -> None:
    assert refusal(invite(headers=[("Accept", "text/nobody-knows-this")])) == (406, {"Accept": "application/sdp"})
    assert OURS.check(invite(headers=[("Accept", "text/html, application/*;q=0.5")])) is None


def test_a_call_without_hops_left_is_refused_but_options_may_trace() -> None:
    exhausted = invite()
    exhausted.headers.set("Max-Forwards", "0")
    assert refusal(exhausted)[0] == 483
    options = request("OPTIONS")
    options.headers.set("Max-Forwards", "0")
    assert OURS.check(options) is None


def test_a_body_type_only_matters_where_it_is_a_session() -> None:
    assert refusal(request("UPDATE", to_tag="t", body=b"x", content_type="text/plain"))[0] == 415
    assert OURS.check(request("BYE", to_tag="t", body=b"bye", content_type="text/plain")) is None


def test_the_answer_to_options_says_what_we_can() -> None:
    response = OURS.options_response(request("OPTIONS"), "tag", ("Server", "gw"))
    assert response.status == 200
    assert response.to.tag == "tag"
    for name in ("Allow", "Accept", "Accept-Encoding", "Accept-Language", "Supported", "Allow-Events", "Server"):
        assert name in response.headers, name
    assert response.headers.get("Supported") == "100rel, timer, replaces, norefersub"


def test_a_refusal_says_its_own_reason_or_the_registered_one() -> None:
    assert refuse(482, "merged_request", reason="Merged Request").reason == "Merged Request"
    assert refuse(481, "no_such_dialog").reason == "Call/Transaction Does Not Exist"
