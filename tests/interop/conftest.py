"""A gateway in a process of its own and an emulator to talk to, for one test, on addresses of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway_under_test import GatewayUnderTest, run_gateway

RunGateway = Callable[..., GatewayUnderTest]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[RunGateway]:
    """Starts a gateway whose provider follows a scenario; everything is stopped after the test."""
    with ExitStack() as stack:

        def begin(
            scenario: Mapping[str, Any],
            *,
            agent: Mapping[str, Any] | None = None,
            further: Mapping[str, Any] | None = None,
        ) -> GatewayUnderTest:
            return stack.enter_context(run_gateway(tmp_path, scenario, agent=agent, further=further))

        yield begin
