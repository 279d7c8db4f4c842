"""Where the Realtime API is and how we prove who we are."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, quote, urlsplit

from gateway.base.errors import SettingsError
from gateway.base.ids import IdSource
from gateway.base.redact import Secret

_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_LOWEST_PRINTABLE = 0x21


def new_session_key(ids: IdSource) -> str:
    """Names a session for the service. It is no credential, but must be unique for each connection."""
    return str(uuid.UUID(int=ids.bits(128), version=4))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The service's URL and the account's key. The key is sent as it is: the portal's string is base64 already."""

    url: str
    api_key: Secret
    auth: Literal["basic", "bearer"] = "basic"

    def __post_init__(self) -> None:
        faults = []
        if not _is_usable(self.url):
            faults.append("inworld.url: must be ws://HOST[:PORT]/… or wss://HOST[:PORT]/…")
        if not all(_LOWEST_PRINTABLE <= ord(character) < 0x7F for character in self.api_key.reveal()):
            faults.append("inworld.api_key: has a blank, a line break or a foreign character; copy it again")
        if faults:
            raise SettingsError(faults)

    @property
    def host(self) -> str:
        """The name to look up and to find in the certificate."""
        return self._split().hostname or ""

    @property
    def port(self) -> int:
        """The port, 443 or 80 where the URL names none."""
        return self._split().port or (443 if self.is_secure else 80)

    @property
    def is_secure(self) -> bool:
        """Whether TLS is spoken."""
        return _SCHEMES[self._split().scheme] == "wss"

    def session_url(self, key: str) -> str:
        """The URL of one connection. A query in the settings stays, and a ``key`` in it wins."""
        split = self._split()
        present = {pair.split("=", 1)[0] for pair in split.query.split("&")}
        added = [f"{name}={value}" for name, value in (("key", quote(key)), ("protocol", "realtime"))]
        query = [part for part in (split.query, *added) if part and part.split("=", 1)[0] not in present - {""}]
        joined = "&".join([split.query, *query] if split.query else query)
        return split._replace(scheme=_SCHEMES[split.scheme], query=joined, fragment="").geturl()

    def authorization(self) -> Secret | None:
        """The Authorization header's value; None without a key, which only an emulator accepts."""
        if not self.api_key:
            return None
        return Secret(f"{self.auth.capitalize()} {self.api_key.reveal()}")

    def _split(self) -> SplitResult:
        return urlsplit(self.url)


def _is_usable(url: str) -> bool:
    try:
        split = urlsplit(url)
        return split.scheme in _SCHEMES and bool(split.hostname) and split.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        return False
