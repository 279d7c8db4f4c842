"""What no single value can know: references between sections, and values that contradict one another.

These checks look at the file's plain values, so that they report beside whatever else is wrong, and they say nothing
about values that are refused already.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

from gateway.settings.faults import Path
from gateway.settings.match import matches_pattern
from gateway.settings.schema import INWORLD_URL, MediaSettings, NodeSettings, SipSettings
from gateway.settings.values import ListenAddress, Network, parse_network, parse_port_range, parse_sip_listen

Finding: TypeAlias = tuple[Path, str]
Value = TypeVar("Value")


def check_together(data: Any) -> list[Finding]:
    """All contradictions in ``data``, which may have any shape."""
    if not isinstance(data, Mapping):
        return []
    checks = (
        _check_route_targets,
        _check_greetings,
        _check_shared_networks,
        _check_listen_families,
        _check_ports,
        _check_provider,
    )
    return [finding for check in checks for finding in check(data)]


def _check_route_targets(data: Mapping[str, Any]) -> Iterator[Finding]:
    agents, trunks = _mapping(data, "agents"), _mapping(data, "trunks")
    for index, route in enumerate(_list(data, "routes")):
        if not isinstance(route, Mapping):
            continue
        agent, trunk = route.get("agent"), route.get("trunk")
        if isinstance(agent, str) and agent not in agents:
            yield ("routes", index, "agent"), f'"{agent}" is not one of the agents; {_suggest(agent, agents)}'
        if isinstance(trunk, str) and not any(matches_pattern(trunk, name) for name in trunks):
            yield ("routes", index, "trunk"), f'"{trunk}" fits none of the trunks; {_suggest(trunk, trunks)}'


def _suggest(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"write one of: {', '.join(known)}" if known else "define it first"


def _check_greetings(data: Mapping[str, Any]) -> Iterator[Finding]:
    for name, agent in _mapping(data, "agents").items():
        greeting = agent.get("greeting") if isinstance(agent, Mapping) else None
        if not isinstance(greeting, Mapping) or "recording" in greeting:
            continue
        given = [key for key in ("say", "instructions") if greeting.get(key) is not None]
        path = ("agents", name, "greeting")
        if len(given) == 2:
            yield path, "has both say and instructions; keep one of them"
        elif not given:
            yield path, "says nothing; write {say: …}, {instructions: …} or none"


def _check_shared_networks(data: Mapping[str, Any]) -> Iterator[Finding]:
    owners: dict[Network, str] = {}
    for name, trunk in _mapping(data, "trunks").items():
        for index, text in enumerate(_list(trunk, "accept_from")):
            network = _parse(parse_network, text)
            if network is None:
                continue
            owner = owners.setdefault(network, name)
            if owner != name:
                place = ("trunks", name, "accept_from", index)
                yield place, f'"{text}" belongs to trunk {owner} already; a source can belong to one trunk only'


def _check_listen_families(data: Mapping[str, Any]) -> Iterator[Finding]:
    # Media is bound once for all calls, and what is bound to one kind does not carry the other.
    addresses = [(index, address) for index, address in _listen_addresses(data) if index is not None]
    if all(":" in address.host for _, address in addresses):
        return
    for index, address in addresses:
        if ":" in address.host:
            text = f"{address} is IPv6 beside IPv4, which is not in this version; write addresses of one kind"
            yield ("sip", "listen", index), text


def _check_ports(data: Mapping[str, Any]) -> Iterator[Finding]:
    written = _mapping(data, "media").get("ports")
    ports = MediaSettings().ports if written is None else _parse(parse_port_range, written)
    if ports is None:
        return
    max_calls = _parse(_read_count, _mapping(data, "node").get("max_calls", NodeSettings().max_calls))
    if max_calls is not None and ports.pairs < max_calls:
        text = f"holds {ports.pairs} pairs of ports for {max_calls} calls"
        yield ("media", "ports"), f"{text}; widen it, or lower node.max_calls"
    for index, address in _listen_addresses(data):
        if address.scheme == "udp" and address.port in ports:
            text = f"{address} lies in media.ports; move one of the two"
            yield (("sip", "listen") if index is None else ("sip", "listen", index)), text


def _listen_addresses(data: Mapping[str, Any]) -> Iterator[tuple[int | None, ListenAddress]]:
    sip = _mapping(data, "sip")
    if sip.get("listen") is None:
        yield from ((None, address) for address in SipSettings().listen)
    for index, text in enumerate(_list(sip, "listen")):
        address = _parse(parse_sip_listen, text)
        if address is not None:
            yield index, address


def _check_provider(data: Mapping[str, Any]) -> Iterator[Finding]:
    inworld = _mapping(data, "inworld")
    url, key = inworld.get("url"), inworld.get("api_key")
    if key == "" and isinstance(url, str) and url != INWORLD_URL:
        text = "is set, but with an empty api_key the embedded emulator answers"
        yield ("inworld", "url"), f"{text}; give api_key a value, or remove the url"


def _mapping(data: Any, key: str) -> Mapping[str, Any]:
    value = data.get(key) if isinstance(data, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _list(data: Any, key: str) -> list[Any]:
    value = data.get(key) if isinstance(data, Mapping) else None
    return value if isinstance(value, list) else []


def _read_count(value: object) -> int:
    # A number that came from a reference is text here.
    return int(value) if isinstance(value, int | str) else NodeSettings().max_calls


def _parse(parse: Callable[[object], Value], text: object) -> Value | None:
    try:
        return parse(text)
    except ValueError:
        return None
