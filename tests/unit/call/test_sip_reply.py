from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.call.sip_reply import SipReply
from tests.support.cpu_cost import yardsticks


def test_status_phrase_and_the_networks_own_cause_are_kept() -> None:
    reply = SipReply.read(503, "Service Unavailable", [("Reason", 'SIP;cause=503, Q.850 ;cause=17;text="User, busy"')])
    assert reply.details() == {
        "sip_status": 503,
        "sip_reason": "Service Unavailable",
        "q850_cause": 17,
        "q850_text": "User, busy",
    }


def test_the_first_reason_header_with_a_q850_cause_counts_in_any_spelling() -> None:
    headers = [("Reason", "SIP;cause=200"), ("reason", "q.850;text=normal;CAUSE=16"), ("Reason", "Q.850;cause=1")]
    assert SipReply.read(None, "", headers).details() == {"q850_cause": 16, "q850_text": "normal"}


def test_what_was_not_said_is_no_field() -> None:
    assert SipReply().details() == {}
    assert SipReply.read(None, "", None, cause="bye").details() == {"sip_cause": "bye"}
    assert SipReply.read(486, "Busy", [("Reason", "Q.850;cause=x")]).q850 is None


@given(st.text(max_size=300))
def test_no_text_of_a_peer_raises_or_carries_control_characters(text: str) -> None:
    reply = SipReply.read(480, text, [("Reason", text), ("Reason", f'Q.850;cause=19;text="{text}"')])
    assert all(character.isprintable() for character in reply.reason + reply.text)


def test_a_hostile_reason_header_costs_next_to_nothing() -> None:
    for evil in ('"' * 60_000, "Q.850" + ";" * 60_000, "Q.850;" + " " * 60_000, 'Q.850;text="' + "\\" * 60_000):
        assert yardsticks(lambda evil=evil: SipReply.read(480, "x", [("Reason", evil)]), 10) <= 10  # type: ignore[misc]
