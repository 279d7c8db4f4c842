"""What every call is made of is exercised through its two directions; here is what only the core decides."""

from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.call.core import CallCore
from gateway.call.states import CallState
from gateway.emulator.scenario import Scenario
from tests.support.call_rig import CallRig


def test_a_core_alone_is_no_call() -> None:
    with pytest.raises(TypeError, match="abstract"):
        CallCore(None, None, limits=None, state=CallState.QUEUED)  # type: ignore[abstract, arg-type]


def test_a_command_in_the_wrong_state_names_both() -> None:
    rig = CallRig(Scenario())
    rig.begin()
    with pytest.raises(LocalProtocolError, match="the call is ringing, not talking or held"):
        rig.call.hold(rig.now)
