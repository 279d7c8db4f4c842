"""``gateway check --route``: which agent would answer a call and why, and what the door would say, without a call.

The call is a line of words, or the INVITE itself as a trace has it::

    INVITE sip:+15550100@gw from=+15550199 trunk=carrier header=X-Campaign:spring
    @invite.txt
"""

from __future__ import annotations

import difflib
import ipaddress
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.base.errors import GatewayError, LocalProtocolError
from gateway.call.door.door import Door
from gateway.call.profile import RouteDecision, route_call
from gateway.call.variables import call_variables, facts_of
from gateway.settings.schema import Settings
from gateway.sip.address import Address
from gateway.sip.admission import Admission, Allow, Challenge, Refuse, Silence
from gateway.sip.flow import Flow
from gateway.sip.grammar import SipParseError, escape_user
from gateway.sip.message import Request, make_request, parse_message
from gateway.sip.uri import Uri, parse_uri

_HERE = ("127.0.0.1", 5060)
_MAX_FILE_BYTES = 65_536
_WORDS = "from=, to=, name=, trunk=, account= and header=NAME:VALUE"
_ANY_HOST = "gateway.invalid"
_EXAMPLE = '"INVITE sip:+15550100@gw from=+15550199 trunk=carrier"'


class UnclearCallError(GatewayError):
    """What was asked is no call. The message says what to write instead."""


@dataclass(frozen=True, slots=True)
class ImaginedCall:
    """An INVITE, and whose it is where that was said."""

    request: Request
    trunk: str = ""
    account: str = ""


@dataclass(slots=True)
class Rehearsal:
    """What would happen, line by line."""

    lines: list[str] = field(default_factory=list)
    is_answered: bool = False


def read_call(text: str) -> ImaginedCall:
    """Raises UnclearCallError."""
    if text.startswith("@"):
        return ImaginedCall(_read_file(Path(text[1:])))
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UnclearCallError(f"--route: {str(error).lower()}; close the quotes") from None
    if words and words[0].upper() == "INVITE":
        words = words[1:]
    if not words or "=" in words[0].partition(";")[0].partition("@")[0]:
        raise UnclearCallError(f"--route names nobody who is called; write {_EXAMPLE}, or @FILE with an INVITE")
    return _of_words(words[0], words[1:])


def rehearse(
    settings: Settings, call: ImaginedCall, source: str | None, line_of: Callable[[int], int] | None = None
) -> Rehearsal:
    """Raises UnclearCallError. ``line_of`` tells where in the file a route stands."""
    _check_names(settings, call)
    told = Rehearsal()
    allowed = Allow(call.trunk, call.account) if call.trunk or call.account else None
    if source is not None:
        at_door = _ask_door(settings, call.request, source, told)
        if isinstance(at_door, Challenge):
            told.lines += [] if allowed else ["add account=NAME or trunk=NAME to see where the call goes then"]
        else:
            allowed = at_door if isinstance(at_door, Allow) else None
        if allowed is None:
            return told
    if allowed is None:
        raise UnclearCallError("whose call is it? add trunk=NAME or account=NAME, or --source ADDRESS")
    _route(settings, call.request, allowed, told, line_of)
    return told


def _ask_door(settings: Settings, request: Request, source: str, told: Rehearsal) -> Admission:
    try:
        host = str(ipaddress.ip_address(source))
    except ValueError:
        raise UnclearCallError(f"--source {source} is no IP address; write for example 198.51.100.7") from None
    door = Door(settings, key=b"rehearsal", is_in_call=lambda host: False, tell=lambda event: None)
    flow = Flow("udp", _HERE, (host, 5060))
    rule = door.hears(flow, 0.0)
    said: Admission = Silence(rule) if rule is not None else door.admit(request, flow, 0.0)
    told.lines.append(f"door: {host}: {_words_of(said, door.trunk_of(host))}")
    return said


def _words_of(said: Admission, trunk_there: str | None) -> str:
    match said:
        case Allow(trunk=trunk):
            return f"of trunk {trunk} by trunks.{trunk}.accept_from; let in"
        case Challenge() if trunk_there:
            return (
                f"of trunk {trunk_there} by trunks.{trunk_there}.accept_from; 401, until it proves the trunk's password"
            )
        case Challenge():
            return "of no trunk by its address; 401, until it proves the password of an account or of a trunk"
        case Refuse(status=status, reason=reason, rule=rule):
            return f"refused with {status} {reason} (rule {rule})"
        case Silence(rule=rule):
            return f"no answer at all (rule {rule})"


def _route(
    settings: Settings, request: Request, allowed: Allow, told: Rehearsal, line_of: Callable[[int], int] | None
) -> None:
    facts = facts_of(request, allowed)
    whose = f"trunk {allowed.trunk}" if allowed.trunk else f"account {allowed.account}"
    told.lines.append(f"call: {whose}, to {facts.to or '(nobody)'}, from {facts.from_ or '(nobody)'}")
    decision = route_call(settings, facts)
    told.lines += [f"  {trial}" for trial in decision.tried]
    told.lines.append(_outcome(decision, line_of))
    told.is_answered = decision.agent is not None
    trunk = settings.trunks.get(allowed.trunk)
    variables = call_variables(request, allowed, trunk.variables if trunk is not None else {})
    known = [f"{name}={shlex.quote(value)}" for name, value in variables.items() if value]
    told.lines.append(f"variables: {' '.join(known)}")


def _outcome(decision: RouteDecision, line_of: Callable[[int], int] | None) -> str:
    if decision.agent is None:
        return "refused with 404 Not Found: no route fits (rule no_route)"
    index = int(decision.rule.removeprefix("routes[").removesuffix("]"))
    place = f"{decision.rule}, line {line_of(index)}" if line_of is not None else decision.rule
    return f"answered by agent {decision.agent} ({place})"


def _check_names(settings: Settings, call: ImaginedCall) -> None:
    if call.trunk and call.account:
        raise UnclearCallError("a call is of a trunk or of an account; remove trunk= or account=")
    for kind, name, known in (("trunk", call.trunk, settings.trunks), ("account", call.account, settings.accounts)):
        if name and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean {close[0]}?" if close else f"write one of: {', '.join(known)}"
            if not known:
                raise UnclearCallError(f"{kind}={name}: the file has no {kind}s; add one, or leave {kind}= out")
            raise UnclearCallError(f"{kind}={name} is not one of the {kind}s; {remedy}")


# The call in words


def _of_words(called: str, words: Iterable[str]) -> ImaginedCall:
    given: dict[str, str] = {}
    headers: list[tuple[str, str]] = []
    for word in words:
        key, equals, value = word.partition("=")
        if key == "header":
            name, colon, text = value.partition(":")
            if not colon or not name:
                raise UnclearCallError(f"{word}: write header=NAME:VALUE")
            headers.append((name, text.strip()))
        elif not equals or key not in ("from", "to", "name", "trunk", "account"):
            raise UnclearCallError(f"{word}: is none of {_WORDS}")
        else:
            given[key] = value
    target = _uri(called)
    caller = str(Address(given.get("name", ""), _parse(_uri(given.get("from", "anonymous"))))) + ";tag=1"
    fields = [
        ("Via", "SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKrehearsal"),
        ("From", caller),
        ("To", f"<{_uri(given['to']) if 'to' in given else target}>"),
        ("Call-ID", "rehearsal"),
        ("CSeq", "1 INVITE"),
    ]
    try:
        request = make_request("INVITE", target, headers=(*fields, *headers))
    except LocalProtocolError as error:
        raise UnclearCallError(f"--route: {error}") from None
    return ImaginedCall(request, given.get("trunk", ""), given.get("account", ""))


def _uri(text: str) -> str:
    """A URI as it stands, or the number or user that is meant."""
    user, _, host = text.partition("@")
    is_uri = text.partition(":")[0].lower() in ("sip", "sips", "tel")
    return str(_parse(text if is_uri else f"sip:{escape_user(user)}@{host or _ANY_HOST}"))


def _parse(uri: str) -> Uri:
    try:
        return parse_uri(uri)
    except SipParseError as error:
        raise UnclearCallError(f"--route: {error}") from None


def _read_file(file: Path) -> Request:
    try:
        with file.open("rb") as stream:
            content = stream.read(_MAX_FILE_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise UnclearCallError(f"--route: {file} cannot be read ({reason})") from None
    try:
        message = parse_message(content)
    except SipParseError as error:
        raise UnclearCallError(f"--route: {file} holds no SIP message: {error}") from None
    if not isinstance(message, Request) or message.method != "INVITE":
        raise UnclearCallError(f"--route: {file} holds no INVITE; write the request as it came, from its first line on")
    return message
