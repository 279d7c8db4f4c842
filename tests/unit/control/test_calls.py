from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.call.desk import CallOverError, NoSuchCallError
from gateway.control.calls import run_command
from gateway.control.problems import Problem
from gateway.trunks.destination import OutboundRefused


@pytest.mark.parametrize(
    ("error", "status", "rule"),
    [
        (NoSuchCallError("no call"), 404, "no_such_call"),
        (CallOverError("over"), 409, "call_over"),
        (LocalProtocolError("the call is ringing"), 409, "wrong_state"),
        (OutboundRefused("trunks.allow_destinations", "not there"), 403, "trunks.allow_destinations"),
        (OutboundRefused("destination", "unreadable", status=484), 422, "destination"),
        (OutboundRefused("trunks.down", "down", status=503), 503, "trunks.down"),
    ],
)
def test_what_a_command_refuses_is_a_problem_with_the_same_rule(error: Exception, status: int, rule: str) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(Problem) as refused:
        run_command(fail)
    assert (refused.value.status, refused.value.rule) == (status, rule)
