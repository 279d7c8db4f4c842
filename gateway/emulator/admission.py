"""Who may open a session: the checks on the upgrade request, in the order in which the service would make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from gateway.emulator.scenario import Scenario

SESSION_PATH = "/api/v1/realtime/session"
_SCHEMES = ("Basic", "Bearer")


@dataclass(frozen=True, slots=True)
class Admitted:
    """The session's key and the scheme of the credentials; the credentials themselves are never kept."""

    key: str
    authorization_scheme: str


@dataclass(frozen=True, slots=True)
class Turned:
    """The upgrade is refused with this HTTP status and body."""

    status: int
    message: str


def judge_upgrade(target: str, headers: Mapping[str, str], scenario: Scenario, live_sessions: int) -> Admitted | Turned:
    """``target`` is the request's path with its query."""
    parts = urlsplit(target)
    query = parse_qs(parts.query)
    key = query.get("key", [""])[-1]
    if parts.path != SESSION_PATH:
        return Turned(400, f"the Realtime API lives at {SESSION_PATH}")
    if not key or query.get("protocol") != ["realtime"]:
        return Turned(400, "the query needs a key of your own and protocol=realtime")
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    if scheme not in _SCHEMES or not credentials.strip():
        return Turned(401, "Authorization must be Basic or Bearer")
    if scenario.faults.reject_upgrade is not None:
        return Turned(scenario.faults.reject_upgrade, "refused, as the scenario says")
    if live_sessions >= scenario.limits.max_sessions:
        return Turned(429, f"too many concurrent sessions: the limit is {scenario.limits.max_sessions}")
    return Admitted(key, scheme)
