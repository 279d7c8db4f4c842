"""A BYE of ours ends its call by any final answer, and by none."""

from __future__ import annotations

import pytest

from gateway.sip.invite.bye import ByeOwner
from gateway.sip.transaction.table import RequestFailure
from tests.support.sip_peer import request, respond


class Closed:
    """Stands where the call stands, and counts."""

    def __init__(self) -> None:
        self.count = 0

    def close(self) -> None:
        self.count += 1


@pytest.mark.parametrize(("status", "count"), [(100, 0), (180, 0), (200, 1), (401, 1), (481, 1), (503, 1)])
def test_only_final_answers_close(status: int, count: int) -> None:
    call = Closed()
    ByeOwner(call).receive_response(respond(request("BYE"), status), 0)  # type: ignore[arg-type]
    assert call.count == count


@pytest.mark.parametrize("failure", list(RequestFailure))
def test_no_answer_closes(failure: RequestFailure) -> None:
    call = Closed()
    ByeOwner(call).request_failed(failure, 0)  # type: ignore[arg-type]
    assert call.count == 1


def test_a_bye_without_a_call_has_nothing_to_close() -> None:
    owner = ByeOwner()
    owner.receive_response(respond(request("BYE"), 200), 0)
    owner.request_failed(RequestFailure.TIMEOUT, 0)
