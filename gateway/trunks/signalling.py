"""Requests outside calls, as trunks need them: REGISTER and OPTIONS."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from gateway.sip.flow import Flow


class Signalling(Protocol):
    """``Endpoint``, as far as it is needed here."""

    def send_request(
        self,
        method: str,
        uri: str,
        flow: Flow,
        *,
        from_: str,
        to: str,
        headers: Iterable[tuple[str, str]] = (),
        call_id: str | None = None,
        cseq: int | None = None,
        from_tag: str | None = None,
        route: Sequence[str] = (),
    ) -> str:
        """The id that its outcome, ``RequestAnswered`` or ``RequestFailed``, will name."""
