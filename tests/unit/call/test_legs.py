from __future__ import annotations

import inspect

from gateway.call.legs import MediaLeg, Signalling
from gateway.media.engine import MediaPort
from gateway.sip.transport.endpoint import Endpoint


def verbs(interface: type) -> dict[str, list[str]]:
    return {
        name: list(inspect.signature(member).parameters)
        for name, member in vars(interface).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }


def test_the_edges_have_every_verb_and_argument_that_a_call_asks_of_its_legs() -> None:
    for interface, edge in ((Signalling, Endpoint), (MediaLeg, MediaPort)):
        for verb, parameters in verbs(interface).items():
            offered = list(inspect.signature(getattr(edge, verb)).parameters)
            assert offered[: len(parameters)] == parameters, f"{edge.__name__}.{verb}"
