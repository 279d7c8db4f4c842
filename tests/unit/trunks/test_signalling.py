"""The endpoint takes what trunks ask of it."""

from __future__ import annotations

import inspect

from gateway.sip.transport.endpoint import Endpoint
from gateway.trunks.signalling import Signalling


def test_the_endpoint_has_every_argument_that_is_used_here() -> None:
    wanted = inspect.signature(Signalling.send_request).parameters
    offered = inspect.signature(Endpoint.send_request).parameters
    assert {name: parameter.kind for name, parameter in wanted.items()}.items() <= {
        name: parameter.kind for name, parameter in offered.items()
    }.items()
