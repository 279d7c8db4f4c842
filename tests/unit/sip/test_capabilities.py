"""The refusals of RFC 3261 §8.2 that depend on what this user agent can do."""

from __future__ import annotations

import pytest

from gateway.sip.capabilities import check_capabilities, offer_of, options_response, refuse
from gateway.sip.message import Request
from tests.support.sip_peer import OFFER, invite, request


def refusal(message: Request) -> tuple[int, dict[str, str]]:
    found = check_capabilities(message)
    assert found is not None
    assert found.rule
    return found.status, dict(found.headers)


def test_an_ordinary_invite_is_fine() -> None:
    assert check_capabilities(invite()) is None
    assert check_capabilities(invite(body=b"")) is None
    assert offer_of(invite()) == OFFER
    assert offer_of(invite(body=b"")) is None


@pytest.mark.parametrize("method", ["REGISTER", "SUBSCRIBE", "REFER", "MESSAGE", "PUBLISH", "UPDATE", "INFO", "PRACK"])
def test_known_methods_we_do_not_serve_get_405_with_allow(method: str) -> None:
    status, headers = refusal(request(method, contact="<sip:a@b>"))
    assert status == 405
    assert headers["Allow"] == "INVITE, ACK, BYE, CANCEL, OPTIONS"


def test_unknown_methods_get_501() -> None:
    assert refusal(request("DANCE"))[0] == 501


def test_notify_gets_489_for_we_know_no_event_package() -> None:
    assert refusal(request("NOTIFY", headers=[("Event", "message-summary")]))[0] == 489


def test_required_extensions_get_420_with_their_names() -> None:
    status, headers = refusal(invite(headers=[("Require", "100rel, timer")]))
    assert status == 420
    assert headers["Unsupported"] == "100rel, timer"


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/mixed;boundary=x", "application/isup"])
def test_a_body_that_is_not_sdp_gets_415_with_accept(content_type: str) -> None:
    status, headers = refusal(invite(content_type=content_type))
    assert status == 415
    assert headers["Accept"] == "application/sdp"


def test_an_encoded_body_gets_415_with_accept_encoding() -> None:
    status, headers = refusal(invite(headers=[("Content-Encoding", "gzip")]))
    assert status == 415
    assert headers["Accept-Encoding"] == "identity"
    assert check_capabilities(invite(headers=[("Content-Encoding", "identity")])) is None


def test_an_optional_body_we_do_not_know_is_ignored() -> None:
    optional = invite(content_type="text/plain", headers=[("Content-Disposition", "render;handling=optional")])
    assert check_capabilities(optional) is None
    assert offer_of(optional) is None


def test_a_caller_that_takes_no_sdp_gets_406() -> None:
    assert refusal(invite(headers=[("Accept", "text/nobody-knows-this")])) == (406, {"Accept": "application/sdp"})
    assert check_capabilities(invite(headers=[("Accept", "text/html, application/*;q=0.5")])) is None


def test_a_call_without_hops_left_is_refused_but_options_may_trace() -> None:
    exhausted = invite()
    exhausted.headers.set("Max-Forwards", "0")
    assert refusal(exhausted)[0] == 483
    options = request("OPTIONS")
    options.headers.set("Max-Forwards", "0")
    assert check_capabilities(options) is None


def test_a_body_type_only_matters_in_an_invite() -> None:
    assert check_capabilities(request("BYE", to_tag="t", body=b"bye", content_type="text/plain")) is None


def test_the_answer_to_options_says_what_we_can() -> None:
    response = options_response(request("OPTIONS"), "tag", ("Server", "gw"))
    assert response.status == 200
    assert response.to.tag == "tag"
    for name in ("Allow", "Accept", "Accept-Encoding", "Accept-Language", "Supported", "Server"):
        assert name in response.headers or name == "Supported", name
    assert response.headers.get_all("Supported") == [""]


def test_a_refusal_says_its_own_reason_or_the_registered_one() -> None:
    assert refuse(482, "merged_request", reason="Merged Request").reason == "Merged Request"
    assert refuse(481, "no_such_dialog").reason == "Call/Transaction Does Not Exist"
