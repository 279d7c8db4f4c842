from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.media.engine import MediaPort
from gateway.sip.transport.endpoint import Endpoint

if TYPE_CHECKING:
    from gateway.call.legs import MediaLeg, ProviderLeg, Signalling
    from gateway.call.provider import InworldLeg

    def check_that_the_edges_fit(endpoint: Endpoint, port: MediaPort, leg: InworldLeg) -> None:
        """Read by the type checker only: a leg that no longer fits its interface fails `make lint`."""
        signalling: Signalling = endpoint
        media: MediaLeg = port
        provider: ProviderLeg = leg
        del signalling, media, provider


def test_the_edges_have_every_verb_that_a_call_asks_of_its_legs() -> None:
    for verb in ("ring", "answer", "reject", "hang_up", "answer_offer", "refuse_offer"):
        assert callable(getattr(Endpoint, verb))
    for verb in ("start", "close"):
        assert callable(getattr(MediaPort, verb))
