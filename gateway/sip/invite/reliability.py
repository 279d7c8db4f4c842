"""How much is made of reliable provisional answers (RFC 3262)."""

from __future__ import annotations

from typing import Literal

Reliability = Literal["off", "supported", "required"]
"""Never; where they carry SDP or the peer insists; wherever the peer can, and our INVITE insists."""
