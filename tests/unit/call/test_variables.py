"""What an INVITE says becomes variables: bounded, clean, and only a trunk is believed who it says calls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call.order import CallOrder
from gateway.call.variables import call_variables, facts_of, placed_variables, user_of, with_defaults
from gateway.settings.templates import CALL_VARIABLES, MAX_VALUE_CHARACTERS
from gateway.sip.admission import Allow
from gateway.sip.headers import Headers
from gateway.sip.message import Request
from gateway.sip.uri import parse_uri
from tests.support.sip_peer import invite

TRUNK = Allow(trunk="carrier")


def read(*headers: tuple[str, str], admission: Allow = TRUNK, **named: str) -> dict[str, str]:
    return call_variables(invite(headers=headers), admission, named)


def test_every_call_has_the_same_variables() -> None:
    found = read()
    assert tuple(found) == CALL_VARIABLES
    assert (found["caller"], found["callee"], found["trunk"]) == ("caller", "agent", "carrier")
    assert (found["account"], found["sip_call_id"], found["identity"]) == ("", "call-1@peer", "")


def test_the_callers_name() -> None:
    sent = invite()
    sent.headers.set("From", '"Ann \\"A\\" Müller" <sip:+15550100@example.com>;tag=x')
    found = call_variables(sent, TRUNK, {})
    assert (found["caller"], found["caller_name"]) == ("+15550100", 'Ann "A" Müller')


def test_an_asserted_identity_is_a_trunks_word_and_nobody_elses() -> None:
    header = ("P-Asserted-Identity", '"Ann" <sip:+15550123@carrier.example>, <tel:+1-555-0199>')
    assert read(header)["identity"] == "+15550123"
    assert read(header, admission=Allow(account="1001"))["identity"] == ""
    assert read(("P-Asserted-Identity", "<tel:+1-555-0199>"))["identity"] == "+15550199"


def test_the_number_that_diverted_first_is_the_last_of_diversion() -> None:
    found = read(
        ("Diversion", "<sip:+15550102@a>;reason=no-answer;counter=1"),
        ("Diversion", "<sip:+15550101@a>;reason=user-busy"),
    )
    assert found["diverted_from"] == "+15550101"


def test_history() -> None:
    header = ("History-Info", "<sip:+15550101@a>;index=1, <sip:+15550102@a?Reason=SIP%3Bcause%3D486>;index=1.1")
    assert read(header)["history"] == "+15550101, +15550102"


def test_user_to_user_and_headers_that_the_trunk_names() -> None:
    found = read(
        ("User-to-User", "56a390f3;encoding=hex"), ("X-Campaign", "spring sale"), campaign="x-campaign", other="X-O"
    )
    assert (found["user_to_user"], found["campaign"], found["other"]) == ("56a390f3;encoding=hex", "spring sale", "")


@pytest.mark.parametrize("name", ["Diversion", "History-Info", "P-Asserted-Identity", "From", "To", "Call-ID"])
@pytest.mark.parametrize("value", ["<", "<sip:", '"x', "sip:a b", "<sip:a@b>, <", ",,,"])
def test_what_cannot_be_read_is_empty(name: str, value: str) -> None:
    fields = Headers.from_wire([(name, value)])
    found = call_variables(Request("INVITE", "sip:x@y", fields), TRUNK, {})
    assert (found["diverted_from"], found["history"], found["identity"]) == ("", "", "")
    assert facts_of(Request("INVITE", "\\0", fields), TRUNK).trunk == "carrier"


@given(st.text(max_size=600), st.text(max_size=600))
def test_values_are_short_clean_lines(one: str, two: str) -> None:
    fields = Headers.from_wire([("From", f'"{one}" <sip:{two}@b>;tag=x'), ("User-to-User", one), ("X-A", two)])
    for value in call_variables(Request("INVITE", "sip:x@y", fields), TRUNK, {"a": "X-A"}).values():
        assert len(value) <= MAX_VALUE_CHARACTERS
        assert value.isprintable()
        value.encode()


def test_facts_for_routes() -> None:
    facts = facts_of(invite(headers=[("x-campaign", "spring")]), Allow(account="1001"))
    assert (facts.to, facts.from_, facts.trunk, facts.account) == ("agent", "caller", "", "1001")
    assert list(facts.header("X-Campaign")) == ["spring"]


@pytest.mark.parametrize(
    ("uri", "user"),
    [
        ("sip:%2B15550100@gw", "+15550100"),
        ("tel:+1-555-0100", "+15550100"),
        ("sip:gw", ""),
        ("urn:service:sos", "urn:service:sos"),
        ("sip:%FF@gw", "?"),
    ],
)
def test_users_of_uris(uri: str, user: str) -> None:
    assert user_of(parse_uri(uri)) == user


def test_variables_of_a_call_that_we_place() -> None:
    order = CallOrder("sip:+15550100@carrier.example", "desk", variables={"campaign": "spring\r\nVia: x"})
    found = placed_variables(order, trunk="carrier", caller="+15550199")
    assert (found["caller"], found["callee"], found["trunk"]) == ("+15550199", "+15550100", "carrier")
    assert (found["campaign"], found["caller_name"]) == ("spring  Via: x", "")
    assert placed_variables(CallOrder("1001", "desk"), trunk="", caller="")["callee"] == "1001"
    ours = placed_variables(CallOrder("1001", "desk"), trunk="account:1001", caller="")
    assert (ours["trunk"], ours["account"]) == ("", "1001")


def test_an_agents_own_values_count_where_the_call_brought_none() -> None:
    given = {"caller_name": "", "campaign": "spring"}
    defaults = {"caller_name": "stranger", "campaign": "none", "office": "Springfield"}
    assert with_defaults(given, defaults) == {"caller_name": "stranger", "campaign": "spring", "office": "Springfield"}
