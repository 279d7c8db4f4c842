"""Why no session could be opened. The caller gets 503; the operator gets the reason and what to do about it."""

from __future__ import annotations

from gateway.base.errors import RemoteProtocolError

_REMEDIES = {
    400: "check inworld.url",
    401: "check inworld.api_key: the portal's Basic (Base64) string, sent as it is, and inworld.auth",
    403: "check that the key is allowed to use Realtime",
    404: "check inworld.url",
    429: "the account's limit is reached: lower inworld.max_sessions, or raise the plan",
}
_MOVED = range(300, 400)


class ProviderUnavailable(RemoteProtocolError):
    """The provider cannot take a session now. ``retry_after_s`` belongs into the 503's Retry-After."""

    def __init__(self, message: str, *, retry_after_s: int = 5) -> None:
        super().__init__(message, status=503)
        self.retry_after_s = retry_after_s


class ProviderUnreachable(ProviderUnavailable):
    """No WebSocket came about: name, network, TLS, silence, or an answer that is not HTTP."""


class ProviderRefused(ProviderUnavailable):
    """The provider answered the upgrade with something other than 101. ``body`` is cut and has its secrets masked."""

    def __init__(self, http_status: int, body: str, *, retry_after_s: int = 5) -> None:
        remedy = _REMEDIES.get(http_status) or ("set inworld.url to where it points" if http_status in _MOVED else "")
        parts = [f"the provider refused the connection with HTTP {http_status}", body, remedy]
        super().__init__(": ".join(part for part in parts if part), retry_after_s=retry_after_s)
        self.http_status = http_status
        self.body = body
