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
from gateway.settings.templates import CALL_VARIABLES, placeholders, template_fault
from gateway.settings.values import (
    TLS_SCHEMES,
    ListenAddress,
    Network,
    parse_network,
    parse_port_range,
    parse_sip_listen,
)
from gateway.sip.headers import canonical_name

Finding: TypeAlias = tuple[Path, str]
Value = TypeVar("Value")


def check_together(data: Any) -> list[Finding]:
    """All contradictions in ``data``, which may have any shape."""
    if not isinstance(data, Mapping):
        return []
    checks = (
        _check_origins,
        _check_route_targets,
        _check_greetings,
        _check_trunks,
        _check_digest_users,
        _check_header_names,
        _check_variables,
        _check_placeholders,
        _check_keys,
        _check_shared_networks,
        _check_listen_tls,
        _check_ports,
        _check_provider,
    )
    return [finding for check in checks for finding in check(data)]


def _check_origins(data: Mapping[str, Any]) -> Iterator[Finding]:
    if all(data.get(key) in (None, {}) for key in ("trunks", "accounts")):
        yield ("trunks",), "is missing; add it, for example trunks: {carrier: {accept_from: [198.51.100.0/24]}}"


def _check_route_targets(data: Mapping[str, Any]) -> Iterator[Finding]:
    agents, trunks, accounts = (_mapping(data, key) for key in ("agents", "trunks", "accounts"))
    for index, route in enumerate(_list(data, "routes")):
        if not isinstance(route, Mapping):
            continue
        agent, trunk = route.get("agent"), route.get("trunk")
        if isinstance(agent, str) and agent not in agents:
            yield ("routes", index, "agent"), f'"{agent}" is not one of the agents; {_suggest(agent, agents)}'
        if isinstance(trunk, str) and not any(matches_pattern(trunk, name) for name in ("", *trunks)):
            yield ("routes", index, "trunk"), f'"{trunk}" fits none of the trunks; {_suggest(trunk, trunks)}'
        account = route.get("account")
        if isinstance(account, str) and not any(matches_pattern(account, name) for name in accounts):
            yield ("routes", index, "account"), f'"{account}" fits none of the accounts; {_suggest(account, accounts)}'
        elif isinstance(account, str) and isinstance(trunk, str) and not matches_pattern(trunk, ""):
            yield ("routes", index), "names a trunk and an account, and no call comes from both; remove one of them"


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


def _check_trunks(data: Mapping[str, Any]) -> Iterator[Finding]:
    for name, trunk in _mapping(data, "trunks").items():
        if not isinstance(trunk, Mapping):
            continue
        path = ("trunks", name)
        has = {key for key in ("targets", "accept_from", "username", "password", "realm") if trunk.get(key)}
        wants_calls_proven, registers = _is_true(trunk.get("challenge")), _is_true(trunk.get("register"))
        if not has & {"targets", "accept_from"} and not wants_calls_proven:
            yield (
                path,
                "has neither accept_from nor targets nor challenge: true; write where its calls come from or go to",
            )
        if len(has & {"username", "password"}) == 1:
            given, missing = sorted(has & {"username", "password"})[0], sorted({"username", "password"} - has)[0]
            yield (*path, given), f"stands without a {missing}; write both, or neither"
        for switch, is_on, needed in (
            ("challenge", wants_calls_proven, ("username", "password")),
            ("register", registers, ("targets", "username", "password")),
        ):
            missing_keys = [key for key in needed if key not in has] if is_on else []
            if missing_keys:
                yield (*path, switch), f"is true without {' and '.join(missing_keys)}; add {', '.join(missing_keys)}"


def _check_digest_users(data: Mapping[str, Any]) -> Iterator[Finding]:
    # A user name that a caller proves must lead to one place.
    owners = {name: f"account {name}" for name in _mapping(data, "accounts")}
    for name, trunk in _mapping(data, "trunks").items():
        username = trunk.get("username") if isinstance(trunk, Mapping) else None
        if not isinstance(username, str) or not _is_true(trunk.get("challenge")):
            continue
        owner = owners.setdefault(username, f"trunk {name}")
        if owner != f"trunk {name}":
            text = f'"{username}" is the user name of {owner} already; who proves it can be one of them only'
            yield ("trunks", name, "username"), text


def _check_header_names(data: Mapping[str, Any]) -> Iterator[Finding]:
    for path, headers in _header_mappings(data):
        seen: dict[str, str] = {}
        for name in headers:
            first = seen.setdefault(canonical_name(name).lower(), name)
            if first != name:
                yield (*path, name), f"is the same header as {first}; keep one of them"


def _header_mappings(data: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for name, trunk in _mapping(data, "trunks").items():
        for kind, headers in _mapping(trunk, "headers").items():
            if isinstance(headers, Mapping):
                yield ("trunks", name, "headers", kind), headers
    for index, route in enumerate(_list(data, "routes")):
        yield ("routes", index, "headers"), _mapping(route, "headers")


def _check_variables(data: Mapping[str, Any]) -> Iterator[Finding]:
    for section in ("trunks", "agents"):
        for name, entry in _mapping(data, section).items():
            for variable in _mapping(entry, "variables"):
                if variable in CALL_VARIABLES:
                    path = (section, name, "variables", variable)
                    yield path, "is a variable that every call has already; choose another name"


def _check_placeholders(data: Mapping[str, Any]) -> Iterator[Finding]:
    """A place in a text that no call could ever fill is a slip of the pen."""
    owners = [*_mapping(data, "trunks").values(), *_mapping(data, "agents").values()]
    known = dict.fromkeys((*CALL_VARIABLES, *(name for owner in owners for name in _mapping(owner, "variables"))))
    for path, text in _templates(data):
        if fault := template_fault(text):
            yield path, fault
        for name in placeholders(text):
            if name not in known:
                yield path, f"uses {{{{{name}}}}}, which is no variable; {_suggest(name, known)}"


def _templates(data: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for name, agent in _mapping(data, "agents").items():
        path: Path = ("agents", name)
        places: list[tuple[Path, Any]] = [((*path, "session", "instructions"), _mapping(agent, "session"))]
        places += [((*path, "greeting", key), _mapping(agent, "greeting")) for key in ("say", "instructions")]
        for place, holder in places:
            text = holder.get(str(place[-1]))
            if isinstance(text, str):
                yield place, text
    for path, headers in _header_mappings(data):
        if path[0] == "trunks":
            yield from (((*path, name), text) for name, text in headers.items() if isinstance(text, str))


def _check_keys(data: Mapping[str, Any]) -> Iterator[Finding]:
    seen: dict[tuple[str, str], int] = {}
    for index, key in enumerate(_list(_mapping(data, "control"), "keys")):
        for what in ("name", "token"):
            value = key.get(what) if isinstance(key, Mapping) else None
            if value and isinstance(value, str) and seen.setdefault((what, value), index) != index:
                path = ("control", "keys", index, what)
                yield path, f"is that of control.keys[{seen[what, value]}] already; give each key its own"


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


def _check_listen_tls(data: Mapping[str, Any]) -> Iterator[Finding]:
    if _mapping(data, "sip").get("tls") is not None:
        return
    for index, address in _listen_addresses(data):
        if address.scheme in TLS_SCHEMES and index is not None:
            yield ("sip", "listen", index), f"{address} needs a certificate; write sip.tls: {{certificate: …, key: …}}"


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


def _is_true(value: object) -> bool:
    # A switch that came from a reference is text here.
    return value is True or (isinstance(value, str) and value.lower() in {"true", "yes", "on", "1"})


def _read_count(value: object) -> int:
    # A number that came from a reference is text here.
    return int(value) if isinstance(value, int | str) else NodeSettings().max_calls


def _parse(parse: Callable[[object], Value], text: object) -> Value | None:
    try:
        return parse(text)
    except ValueError:
        return None
