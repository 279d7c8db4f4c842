"""The edge that carries the Realtime protocol core over a WebSocket."""

from __future__ import annotations

from gateway.inworld.connection.realtime import ConnectionLimits, ConnectionStats, RealtimeConnection
from gateway.inworld.connection.upgrade import shared_tls_context

__all__ = ["ConnectionLimits", "ConnectionStats", "RealtimeConnection", "shared_tls_context"]
