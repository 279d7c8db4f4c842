"""Who may do what by REST: bearer tokens (RFC 6750) and three roles, each with all the rights of the one before."""

from __future__ import annotations

import enum
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.control.problems import Problem, problem_response
from gateway.settings.schema.node import KeySettings

_REALM = 'Bearer realm="gateway"'


class Role(enum.IntEnum):
    """What a key may do; a higher one may do everything a lower one may."""

    VIEWER = 1
    """Sees calls, their events and trunks."""
    OPERATOR = 2
    """Places, holds, transfers and ends calls."""
    ADMIN = 3
    """Everything, such as registering a trunk anew."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request: the name of the key it came with."""

    name: str
    role: Role
    fingerprint: bytes = field(default=b"", repr=False)
    """Of the token: another one under the same name is another key."""


class KeyRing:
    """The keys of the settings. A token is compared with every one of them, in a time that says nothing."""

    def __init__(self, keys: Sequence[KeySettings]) -> None:
        self.apply(keys)

    def apply(self, keys: Sequence[KeySettings]) -> None:
        """These keys from now on. One with an empty token is switched off."""
        self._keys = [
            Caller(key.name, Role[key.role.upper()], _fingerprint(key.token.reveal())) for key in keys if key.token
        ]

    @property
    def is_empty(self) -> bool:
        """No key: the REST API is closed."""
        return not self._keys

    def identify(self, token: str) -> Caller | None:
        """Whose token it is."""
        fingerprint = _fingerprint(token)
        found = None
        for caller in self._keys:
            if hmac.compare_digest(caller.fingerprint, fingerprint):
                found = caller
        return found

    def holds(self, caller: Caller) -> bool:
        """Whether this key still opens what it has opened: no other settings have taken its token back."""
        return any(known.fingerprint == caller.fingerprint for known in self._keys)


def _fingerprint(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


_bearer = HTTPBearer(auto_error=False, description="The token of one of `control.keys`.")
Presented = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


Authorizer = Callable[[Presented], Awaitable[Caller]]


def require(keys: KeyRing, role: Role) -> Authorizer:
    """A dependency: the caller, when it may do what ``role`` may; else 401, 403 or, without any key, 403."""

    async def authorize(presented: Presented) -> Caller:
        caller = _identify(keys, None if presented is None else presented.credentials)
        if caller.role < role:
            headers = {"WWW-Authenticate": f'{_REALM}, error="insufficient_scope"'}
            detail = f"this takes the role {role.name.lower()}; key {caller.name} is {caller.role.name.lower()}"
            raise Problem(403, "role_too_low", detail, headers=headers)
        return caller

    return authorize


def _identify(keys: KeyRing, token: str | None) -> Caller:
    """Whose token it is. Raises Problem: 401, or 403 where there is no key at all."""
    if keys.is_empty:
        remedy = "no control.keys are set, so the REST API is closed; add {name: …, token: …, role: operator}"
        raise Problem(403, "no_keys_configured", remedy)
    if token is None:
        headers = {"WWW-Authenticate": _REALM}
        raise Problem(401, "token_missing", "send Authorization: Bearer with a token", headers=headers)
    caller = keys.identify(token)
    if caller is None:
        headers = {"WWW-Authenticate": f'{_REALM}, error="invalid_token"'}
        raise Problem(401, "token_unknown", "no key has this token", headers=headers)
    return caller


class KeyFirst:
    """Nothing that a stranger sends to ``/v1`` is looked into: who has no key learns nothing but that.

    The routes would parse the body first and ask for the key then. What a role may do is theirs to say (``require``).
    """

    def __init__(self, app: ASGIApp, keys: KeyRing) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["path"].startswith("/v1"):
            try:
                _identify(self._keys, _token_of(scope))
            except Problem as problem:
                await problem_response(problem, scope["path"])(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _token_of(scope: Scope) -> str | None:
    scheme, token = get_authorization_scheme_param(Headers(scope=scope).get("authorization"))
    return token if scheme.lower() == "bearer" and token else None
