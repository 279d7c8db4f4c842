"""The one exception tree of the gateway.

::

    GatewayError
    ├── LocalProtocolError    we misused a protocol core (a bug of ours)
    ├── RemoteProtocolError   a peer broke a protocol; carries a suggested SIP status
    ├── CapacityError         a pool, table or budget is full; carries Retry-After seconds
    └── SettingsError         the settings file is wrong; carries every fault at once

Remote errors become answers or events at the edge that fed the core; they never travel further.
"""

from __future__ import annotations


class GatewayError(Exception):
    """Base of everything this package raises on purpose."""


class LocalProtocolError(GatewayError):
    """A core was asked for something its state does not allow."""


class RemoteProtocolError(GatewayError):
    """A peer sent something its protocol forbids.

    ``status`` is the SIP status (RFC 3261 §21) that answers it where an answer is due.
    """

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class CapacityError(GatewayError):
    """Something bounded is full. ``retry_after_s`` goes into a 503's Retry-After."""

    def __init__(self, message: str, *, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SettingsError(GatewayError):
    """The settings are refused. ``faults`` holds one printable line for each thing that is wrong."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults
