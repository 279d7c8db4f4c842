"""What the door and the routes would say of a call that nobody has made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.call.rehearsal import UnclearCallError, read_call, rehearse
from gateway.settings.schema import Settings

SETTINGS: dict[str, Any] = {
    "inworld": {"api_key": ""},
    "trunks": {"carrier": {"accept_from": ["198.51.100.0/24"], "variables": {"campaign": "X-Campaign"}}},
    "agents": {"desk": {}, "sales": {}},
    "routes": [
        {"headers": {"X-Campaign": "spring*"}, "agent": "sales"},
        {"to": "+1555*", "agent": "desk"},
        {"account": "1001", "agent": "desk"},
    ],
}
ACCOUNTS = {"accounts": {"1001": {"password": "p"}}}
RAW = """\
INVITE sip:+15550100@gw.example.net SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1
f: "Ann" <sip:+15550199@carrier.example>;tag=1
To: <sip:+15550100@gw.example.net>
Call-ID: abc
CSeq: 1 INVITE
X-Campaign: spring sale

"""


def told(text: str, source: str | None = None, **sections: Any) -> list[str]:
    return rehearse(Settings.model_validate(SETTINGS | sections), read_call(text), source).lines


def fault(text: str, source: str | None = None, **sections: Any) -> str:
    with pytest.raises(UnclearCallError) as caught:
        told(text, source, **sections)
    return str(caught.value)


def test_every_route_on_the_way_says_why_it_does_not_fit() -> None:
    assert told("INVITE sip:+15550100@gw from=+15550199 trunk=carrier") == [
        "call: trunk carrier, to +15550100, from +15550199",
        '  routes[0]: there is no header X-Campaign, and "spring*" is wanted',
        "  routes[1]: fits",
        "answered by agent desk (routes[1])",
        "variables: caller=+15550199 callee=+15550100 trunk=carrier sip_call_id=rehearsal",
    ]


def test_headers_names_and_lines() -> None:
    call = read_call("""sip:2000 name="Ann B." from=sip:ann@x trunk=carrier "header=X-Campaign: spring sale" """)
    done = rehearse(Settings.model_validate(SETTINGS), call, None, lambda index: 40 + index)
    assert done.is_answered
    assert done.lines[-2] == "answered by agent sales (routes[0], line 40)"
    assert "caller_name='Ann B.'" in done.lines[-1]
    assert "campaign='spring sale'" in done.lines[-1]


def test_a_call_that_nobody_answers() -> None:
    done = rehearse(Settings.model_validate(SETTINGS), read_call("+44123 trunk=carrier"), None)
    assert not done.is_answered
    assert done.lines[-2] == "refused with 404 Not Found: no route fits (rule no_route)"


def test_an_invite_as_it_came_and_the_door(tmp_path: Path) -> None:
    (tmp_path / "invite.txt").write_text(RAW)
    lines = told(f"@{tmp_path}/invite.txt", "198.51.100.7")
    assert lines[0] == "door: 198.51.100.7: of trunk carrier by trunks.carrier.accept_from; let in"
    assert lines[-2] == "answered by agent sales (routes[0])"
    assert "caller_name=Ann" in lines[-1]


def test_what_the_door_says_to_strangers() -> None:
    assert told("1 trunk=carrier", "203.0.113.66") == ["door: 203.0.113.66: no answer at all (rule unknown_callers)"]
    assert told("1", "203.0.113.66", unknown_callers="403") == [
        "door: 203.0.113.66: refused with 403 Forbidden (rule unknown_callers)"
    ]
    scan = told("1 header=User-Agent:friendly-scanner", "203.0.113.66", **ACCOUNTS)
    assert scan == ["door: 203.0.113.66: no answer at all (rule protection.scanners)"]


def test_somebody_who_must_prove_a_password_first() -> None:
    challenged = "door: 203.0.113.66: of no trunk by its address; 401, until it proves the password of an account"
    lines = told("2000", "203.0.113.66", **ACCOUNTS)
    assert lines[0].startswith(challenged)
    assert lines[1:] == ["add account=NAME or trunk=NAME to see where the call goes then"]
    lines = told("2000 account=1001", "203.0.113.66", **ACCOUNTS)
    assert lines[0].startswith(challenged)
    assert lines[-2] == "answered by agent desk (routes[2])"


def test_a_trunk_that_must_prove_its_password() -> None:
    trunk = {"accept_from": ["198.51.100.0/24"], "challenge": True, "username": "u", "password": "p"}
    lines = told("+15550100 trunk=carrier", "198.51.100.7", trunks={"carrier": trunk})
    assert lines[0].endswith(
        "of trunk carrier by trunks.carrier.accept_from; 401, until it proves the trunk's password"
    )
    assert lines[-2] == "answered by agent desk (routes[1])"


@pytest.mark.parametrize(
    ("text", "source", "words"),
    [
        ("", None, "names nobody who is called"),
        ("INVITE", None, "names nobody who is called"),
        ("from=1", None, "names nobody who is called"),
        ("'x", None, "close the quotes"),
        ("1 trunk=carier", None, "did you mean carrier?"),
        ("1 account=1", None, "account=1: the file has no accounts; add one, or leave account= out"),
        ("1 trunk=carrier account=1", None, "of a trunk or of an account"),
        ("1", None, "whose call is it?"),
        ("1", "gw.example.net", "is no IP address"),
        ("1 x", None, "x: is none of from=, to="),
        ("1 colour=red", None, "colour=red: is none of"),
        ("1 header=X", None, "write header=NAME:VALUE"),
        ("1 'header=X A:b' trunk=carrier", None, "--route: "),
        ("1 from=sip: trunk=carrier", None, "--route: "),
        ("sip:a@b@c trunk=carrier", None, "--route: "),
        ("@/nowhere", None, "cannot be read"),
        ("@\0", None, "cannot be read"),
    ],
)
def test_what_is_no_call_is_told_with_a_remedy(text: str, source: str | None, words: str) -> None:
    assert words in fault(text, source)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("hello", "holds no SIP message"),
        ("SIP/2.0 200 OK\n\n", "holds no INVITE"),
        (RAW.replace("INVITE", "BYE"), "no INVITE"),
    ],
)
def test_a_file_that_holds_no_invite(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "x").write_text(content)
    assert words in fault(f"@{tmp_path}/x")
