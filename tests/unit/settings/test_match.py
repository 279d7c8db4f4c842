"""Patterns, networks and the choice of a route."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.match import CallFacts, NetworkTable, choose_route, matches_pattern, trunk_table
from gateway.settings.schema import RouteSettings, TrunkSettings
from tests.support.cpu_cost import yardsticks


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("*", "", True),
        ("*", "anything", True),
        ("+15550100", "+15550100", True),
        ("+15550100", "+155501001", False),
        ("+15550100", "15550100", False),
        ("+1555*", "+15550100", True),
        ("+1555*", "+1555", True),
        ("+1555*", "+1444", False),
        ("*100", "+15550100", True),
        ("*100", "100", True),
        ("*100", "+15550101", False),
        ("+1*00", "+100", True),
        ("+1*00", "+10", False),
        ("a*a", "a", False),
        ("a*b*c", "aXbYc", True),
        ("a*b*c", "acb", False),
        ("**", "x", True),
        ("Desk", "desk", False),
        ("", "", True),
        ("", "x", False),
        ("a.c", "abc", False),
    ],
)
def test_matches_pattern(pattern: str, text: str, fits: bool) -> None:
    assert matches_pattern(pattern, text) is fits


@given(st.text("ab*", max_size=8), st.text("ab", max_size=12))
def test_patterns_mean_what_the_same_regular_expression_means(pattern: str, text: str) -> None:
    expression = ".*".join(re.escape(piece) for piece in pattern.split("*"))
    assert matches_pattern(pattern, text) is (re.fullmatch(expression, text) is not None)


def test_a_pattern_full_of_stars_costs_little() -> None:
    assert not matches_pattern("a*" * 500 + "b", "a" * 5_000)
    assert yardsticks(lambda: matches_pattern("a*" * 500 + "b", "a" * 5_000), 10) <= 10


def table(*entries: tuple[str, str]) -> NetworkTable[str]:
    return NetworkTable((ipaddress.ip_network(network), name) for network, name in entries)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("198.51.100.7", "carrier"),
        ("198.51.101.7", None),
        ("10.1.2.3", "inside"),
        ("10.9.9.9", "desk"),
        ("2001:db8::5", "six"),
        ("2001:db9::5", None),
        ("::ffff:198.51.100.7", "carrier"),
        ("fe80::1%eth0", "link"),
        ("not an address", None),
        ("", None),
    ],
)
def test_a_source_belongs_to_the_most_specific_network(address: str, name: str | None) -> None:
    networks = table(
        ("10.0.0.0/8", "inside"),
        ("198.51.100.0/24", "carrier"),
        ("10.9.9.9/32", "desk"),
        ("2001:db8::/32", "six"),
        ("fe80::/10", "link"),
    )
    assert networks.find(address) == name


def test_an_ipv4_network_takes_no_ipv6_source() -> None:
    assert table(("0.0.0.0/0", "all")).find("2001:db8::1") is None
    assert table(("::/0", "all")).find("198.51.100.7") is None


def test_trunk_table() -> None:
    trunks = {
        "wide": TrunkSettings.model_validate({"accept_from": ["10.0.0.0/8", "::1"]}),
        "narrow": TrunkSettings.model_validate({"accept_from": ["10.1.0.0/16"]}),
    }
    found = trunk_table(trunks)
    assert [found.find(address) for address in ("10.2.0.1", "10.1.0.1", "::1", "192.0.2.1")] == [
        "wide",
        "narrow",
        "wide",
        None,
    ]


ROUTES = [
    RouteSettings.model_validate(route)
    for route in (
        {"trunk": "carrier", "to": "+15550100", "agent": "reception"},
        {"trunk": "carrier", "from": "+44*", "agent": "london"},
        {"trunk": "pbx*", "agent": "inside"},
        {"to": "+1555*", "agent": "night"},
    )
]


@pytest.mark.parametrize(
    ("trunk", "to", "from_", "agent", "rule"),
    [
        ("carrier", "+15550100", "+4420", "reception", "routes[0]"),
        ("carrier", "+15550101", "+4420", "london", "routes[1]"),
        ("pbx-2", "anything", "", "inside", "routes[2]"),
        ("carrier", "+15550101", "+1", "night", "routes[3]"),
    ],
)
def test_the_first_route_that_fits_wins(trunk: str, to: str, from_: str, agent: str, rule: str) -> None:
    found = choose_route(ROUTES, CallFacts(to, from_, trunk))
    assert found.route is not None
    assert (found.route.agent, found.rule) == (agent, rule)
    assert found.trials[-1] == (rule, agent, "")


def test_a_call_that_fits_no_route_is_told_why_by_each() -> None:
    found = choose_route(ROUTES, CallFacts("+4420", "+1", "carrier"))
    assert (found.route, found.rule) == (None, "no_route")
    assert [str(trial) for trial in found.trials] == [
        'routes[0]: to is "+4420", not "+15550100"',
        'routes[1]: from is "+1", not "+44*"',
        'routes[2]: trunk is "carrier", not "pbx*"',
        'routes[3]: to is "+4420", not "+1555*"',
    ]


def routes(*entries: dict[str, object]) -> list[RouteSettings]:
    return [RouteSettings.model_validate(entry | {"agent": "a"}) for entry in entries]


def test_routes_by_account() -> None:
    given = routes({"account": "10*"}, {"trunk": "c*"}, {})
    assert choose_route(given, CallFacts("x", "y", account="1001")).rule == "routes[0]"
    assert choose_route(given, CallFacts("x", "y", account="2001")).rule == "routes[2]"
    assert choose_route(given, CallFacts("x", "y", "carrier")).rule == "routes[1]"
    anybody = routes({"account": "*"})
    assert choose_route(anybody, CallFacts("x", "y", account="2001")).route is not None
    assert str(choose_route(anybody, CallFacts("x", "y", "carrier")).trials[0]) == (
        'routes[0]: no account calls, and "*" is wanted'
    )


def test_routes_by_headers_want_all_of_them_and_any_of_a_headers_values() -> None:
    headers = {"X-Campaign": ["summer", "spring sale"], "X-Tier": ["gold"]}
    facts = CallFacts("x", "y", "carrier", header=lambda name: headers.get(name, []))
    given = routes(
        {"headers": {"X-Campaign": "winter*"}},
        {"headers": {"X-Campaign": "spring*", "X-Else": "*"}},
        {"headers": {"X-Campaign": "spring*", "X-Tier": "gold"}},
    )
    assert [str(trial) for trial in choose_route(given, facts).trials] == [
        'routes[0]: header X-Campaign is "summer", not "winter*"',
        'routes[1]: there is no header X-Else, and "*" is wanted',
        "routes[2]: fits",
    ]


def test_what_a_caller_wrote_is_shown_short_and_clean() -> None:
    trial = choose_route(routes({"to": "a"}), CallFacts("b\r\n" + "c" * 200, "y")).trials[0]
    assert trial.misfit.isprintable()
    assert len(trial.misfit) < 120
