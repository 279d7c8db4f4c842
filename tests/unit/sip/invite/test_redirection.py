"""The target set of a redirected call: order, loops, bounds."""

from __future__ import annotations

from gateway.sip.invite.redirection import MAX_REDIRECTS, MAX_TARGETS, RedirectTargets
from gateway.sip.message import Response
from tests.support.sip_peer import invite, respond

ASKED = "sip:bob@example.net"


def moved(*contacts: str, status: int = 302) -> Response:
    return respond(invite(), status, to_tag="x", headers=[("Contact", contact) for contact in contacts])


def test_best_first_and_as_written_among_equals() -> None:
    targets = RedirectTargets(ASKED)
    assert targets.add(moved("<sip:c@x>;q=0.1", "<sip:a@x>", "<tel:+15550100>;q=1.0", "<sip:b@x>;q=nonsense"))
    assert targets.contacts == ("sip:a@x", "tel:+15550100", "sip:b@x", "sip:c@x")


def test_what_was_tried_is_not_tried_again() -> None:
    targets = RedirectTargets(ASKED)
    assert not targets.add(moved("<sip:bob@EXAMPLE.NET>"))
    assert targets.add(moved("<sip:a@x>", "<sip:a@X>", "<sip:b@x>"))
    assert targets.contacts == ("sip:a@x", "sip:b@x")
    targets.take("sip:a@x")
    assert not targets.add(moved("<sip:a@x>", "<sip:b@x>"))
    assert targets.contacts == ("sip:b@x",)
    assert targets.has_more


def test_contacts_that_were_passed_over_do_not_come_again() -> None:
    targets = RedirectTargets(ASKED)
    targets.add(moved("<sip:a@x>", "<sip:b@x>", "<sip:c@x>"))
    targets.take("sip:b@x")
    assert targets.contacts == ("sip:c@x",)
    targets.take(None)
    assert not targets.has_more


def test_a_contact_in_turn_redirected_comes_before_its_siblings() -> None:
    targets = RedirectTargets(ASKED)
    targets.add(moved("<sip:a@x>", "<sip:b@x>"))
    targets.take("sip:a@x")
    targets.add(moved("<sip:a2@x>"))
    assert targets.contacts == ("sip:a2@x", "sip:b@x")


def test_bounds() -> None:
    targets = RedirectTargets(ASKED)
    targets.add(moved(*(f"<sip:{number}@x>" for number in range(50))))
    assert len(targets.contacts) == MAX_TARGETS
    for _ in range(MAX_REDIRECTS):
        assert targets.has_more
        targets.take(None)
    assert not targets.has_more
    assert not targets.add(moved("<sip:another@x>"))


def test_what_cannot_be_followed() -> None:
    for response in (moved("<sip:a@x>", status=380), moved("*"), moved(), moved("<http://a.example>"), moved("<<")):
        assert not RedirectTargets(ASKED).add(response)


def test_a_request_uri_has_neither_method_nor_headers() -> None:
    targets = RedirectTargets(ASKED)
    targets.add(moved("<sip:a@x;method=REFER;transport=tcp?Replaces=1>"))
    assert targets.contacts == ("sip:a@x;transport=tcp",)
