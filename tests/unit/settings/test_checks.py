"""Contradictions between values that are each right."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.settings.checks import check_together
from gateway.settings.faults import write_path

SOUND: dict[str, Any] = {
    "inworld": {"api_key": "k"},
    "trunks": {"carrier": {"accept_from": ["198.51.100.0/24"]}, "pbx-1": {"accept_from": ["10.0.0.0/8"]}},
    "agents": {"receptionist": {"greeting": {"say": "Hello"}}, "night": {"greeting": "none"}},
    "routes": [{"trunk": "carrier", "agent": "receptionist"}, {"trunk": "pbx*", "agent": "night"}],
}


def findings(**sections: Any) -> list[str]:
    return [f"{write_path(path)}: {text}" for path, text in check_together(SOUND | sections)]


def test_a_sound_file_has_none() -> None:
    assert findings() == []


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        (
            {"routes": [{"agent": "recepcionist"}]},
            'routes[0].agent: "recepcionist" is not one of the agents; did you mean receptionist?',
        ),
        (
            {"routes": [{"agent": "x"}]},
            'routes[0].agent: "x" is not one of the agents; write one of: receptionist, night',
        ),
        (
            {"routes": [{"agent": "night", "trunk": "carier"}]},
            'routes[0].trunk: "carier" fits none of the trunks; did you mean carrier?',
        ),
        (
            {"routes": [{"agent": "night", "trunk": "zz*"}]},
            'routes[0].trunk: "zz*" fits none of the trunks; write one of: carrier, pbx-1',
        ),
        (
            {"agents": {}, "routes": [{"agent": "night"}]},
            'routes[0].agent: "night" is not one of the agents; define it first',
        ),
        (
            {"agents": {"receptionist": {"greeting": {"say": "a", "instructions": "b"}}, "night": {}}},
            "agents.receptionist.greeting: has both say and instructions; keep one of them",
        ),
        (
            {"agents": {"receptionist": {"greeting": {}}, "night": {}}},
            "agents.receptionist.greeting: says nothing; write {say: …}, {instructions: …} or none",
        ),
        (
            {"trunks": {"carrier": {"accept_from": ["10.0.0.0/8"]}, "pbx-1": {"accept_from": ["::1", "10.0.0.0/8"]}}},
            'trunks.pbx-1.accept_from[1]: "10.0.0.0/8" belongs to trunk carrier already; '
            "a source can belong to one trunk only",
        ),
        (
            {"media": {"ports": "20000-20099"}},
            "media.ports: holds 50 pairs of ports for 200 calls; widen it, or lower node.max_calls",
        ),
        (
            {"node": {"max_calls": "6000"}},
            "media.ports: holds 5000 pairs of ports for 6000 calls; widen it, or lower node.max_calls",
        ),
        (
            {"media": {"ports": "5000-6999"}},
            "sip.listen: udp://0.0.0.0:5060 lies in media.ports; move one of the two",
        ),
        (
            {"sip": {"listen": ["tcp://0.0.0.0:20000", "udp://127.0.0.1:20010"]}},
            "sip.listen[1]: udp://127.0.0.1:20010 lies in media.ports; move one of the two",
        ),
        (
            {"inworld": {"api_key": "", "url": "wss://eu.example.net/x"}},
            "inworld.url: is set, but with an empty api_key the embedded emulator answers; "
            "give api_key a value, or remove the url",
        ),
    ],
)
def test_contradictions(sections: dict[str, Any], said: str) -> None:
    assert findings(**sections) == [said]


CARRIER = {"accept_from": ["198.51.100.0/24"]}
CREDENTIALS = {"username": "alice", "password": "p"}
PBX = {"targets": ["sip:b"]}
NIGHT = {"greeting": "none"}


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        (
            {"trunks": {}, "routes": []},
            "trunks: is missing; add it, for example trunks: {carrier: {accept_from: [198.51.100.0/24]}}",
        ),
        (
            {"sip": {"listen": ["udp://0.0.0.0", "wss://0.0.0.0:5063"]}},
            "sip.listen[1]: wss://0.0.0.0:5063 needs a certificate; write sip.tls: {certificate: …, key: …}",
        ),
        (
            {"trunks": {"carrier": {}, "pbx-1": CARRIER}},
            "trunks.carrier: has neither accept_from nor targets nor challenge: true; "
            "write where its calls come from or go to",
        ),
        (
            {"trunks": {"carrier": CARRIER | {"register": True} | CREDENTIALS, "pbx-1": {"targets": ["sip:b"]}}},
            "trunks.carrier.register: is true without targets; add targets",
        ),
        (
            {"trunks": {"carrier": {"challenge": True}, "pbx-1": CARRIER}},
            "trunks.carrier.challenge: is true without username and password; add username, password",
        ),
        (
            {"trunks": {"carrier": CARRIER | {"username": "alice"}, "pbx-1": {"targets": ["sip:b"]}}},
            "trunks.carrier.username: stands without a password; write both, or neither",
        ),
        (
            {"trunks": {"carrier": {"challenge": "true"} | CREDENTIALS, "pbx-1": {"challenge": True} | CREDENTIALS}},
            'trunks.pbx-1.username: "alice" is the user name of trunk carrier already; '
            "who proves it can be one of them only",
        ),
        (
            {
                "accounts": {"alice": {"password": "p"}},
                "trunks": {"carrier": {"challenge": True} | CREDENTIALS, "pbx-1": CARRIER},
            },
            'trunks.carrier.username: "alice" is the user name of account alice already; '
            "who proves it can be one of them only",
        ),
        (
            {"accounts": {"1001": {}}, "routes": [{"agent": "night", "account": "20*"}]},
            'routes[0].account: "20*" fits none of the accounts; write one of: 1001',
        ),
        (
            {"accounts": {"1001": {}}, "routes": [{"agent": "night", "account": "1*", "trunk": "carrier"}]},
            "routes[0]: names a trunk and an account, and no call comes from both; remove one of them",
        ),
        (
            {"routes": [{"agent": "night", "headers": {"X-A": "1", "x-a": "2"}}]},
            "routes[0].headers.x-a: is the same header as X-A; keep one of them",
        ),
        (
            {"trunks": {"carrier": CARRIER | {"variables": {"caller": "X-Caller"}}, "pbx-1": {"targets": ["sip:b"]}}},
            "trunks.carrier.variables.caller: is a variable that every call has already; choose another name",
        ),
        (
            {"agents": {"receptionist": {"session": {"instructions": "For {{diverted}}."}}, "night": NIGHT}},
            "agents.receptionist.session.instructions: uses {{diverted}}, which is no variable; "
            "did you mean diverted_from?",
        ),
        (
            {"agents": {"receptionist": {"greeting": {"say": "Hi {{1}}"}}, "night": NIGHT}},
            "agents.receptionist.greeting.say: has {{…}} without a name in it; "
            'write {{name}} with letters, digits and "_"',
        ),
        (
            {
                "trunks": {
                    "carrier": CARRIER | {"headers": {"bye": {"X-A": "{{zzz}}"}}},
                    "pbx-1": {"targets": ["sip:b"]},
                }
            },
            "trunks.carrier.headers.bye.X-A: uses {{zzz}}, which is no variable; write one of: caller, callee, "
            "caller_name, identity, diverted_from, history, user_to_user, trunk, account, sip_call_id",
        ),
        (
            {
                "control": {
                    "keys": [{"name": "a", "token": "sesame-sesame-1"}, {"name": "b", "token": "sesame-sesame-1"}]
                }
            },
            "control.keys[1].token: is that of control.keys[0] already; give each key its own",
        ),
    ],
)
def test_contradictions_about_who_calls_and_how(sections: dict[str, Any], said: str) -> None:
    assert findings(**sections) == [said]


def test_variables_that_somebody_declares_may_be_used() -> None:
    agents = {
        "receptionist": {"session": {"instructions": "{{campaign}} {{office}} {{caller}}"}},
        "night": {"variables": {"office": "Springfield"}},
    }
    trunks = {"carrier": CARRIER | {"variables": {"campaign": "X-Campaign"}}, "pbx-1": {"targets": ["sip:b"]}}
    assert not findings(agents=agents, trunks=trunks)


def test_overlapping_networks_of_different_size_are_no_contradiction() -> None:
    assert not findings(trunks={"carrier": {"accept_from": ["10.0.0.0/8"]}, "pbx-1": {"accept_from": ["10.0.0.0/16"]}})


@pytest.mark.parametrize("hosts", [("[::]", "[::1]"), ("0.0.0.0", "127.0.0.1"), ("[::]",)])
def test_listening_addresses_of_one_kind_are_no_contradiction(hosts: tuple[str, ...]) -> None:
    assert not findings(sip={"listen": [f"udp://{host}:5060" for host in hosts]})


def test_a_pair_of_ports_for_each_call_is_enough() -> None:
    assert not findings(media={"ports": "20000-20099"}, node={"max_calls": 50})


def test_what_is_no_network_belongs_to_nobody() -> None:
    assert not findings(trunks={"carrier": {"accept_from": ["x"]}, "pbx-1": {"accept_from": ["y", 5]}})


def test_one_trunk_may_repeat_itself() -> None:
    assert not findings(
        trunks={"carrier": {"accept_from": ["::1", "::1"]}, "pbx-1": {"accept_from": [], "targets": ["sip:b"]}}
    )


def test_an_empty_key_with_the_usual_url_is_the_emulator_on_purpose() -> None:
    assert not findings(inworld={"api_key": "", "url": "wss://api.inworld.ai/api/v1/realtime/session"})


@pytest.mark.parametrize("shape", [None, 5, "text", [], ["x"], {"a": None}, {"x": {"y": []}}])
def test_values_of_any_shape_are_left_to_others(shape: Any) -> None:
    expected = ["trunks"] if isinstance(shape, dict) else []  # only their absence is for this to tell
    assert [write_path(path) for path, _ in check_together(shape)] == expected
    for section in (*SOUND, "media", "node", "sip"):
        check_together(SOUND | {section: shape})
        check_together(SOUND | {section: {"carrier": shape, "night": shape, "ports": shape, "max_calls": shape}})
        check_together(SOUND | {section: {"listen": shape, "accept_from": shape, "url": shape}})
