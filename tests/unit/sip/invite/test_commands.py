"""The face of live calls: ids that mean nothing any more, and commands that need another state."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.base.errors import LocalProtocolError
from gateway.sip.user_agent import UserAgent
from tests.support.calls import inbound
from tests.support.sip_peer import ANSWER, OFFER

ALL: dict[str, Callable[[UserAgent, str, float], None]] = {
    "ring": lambda ua, call, now: ua.ring(call, now),
    "answer": lambda ua, call, now: ua.answer(call, ANSWER, now),
    "reject": lambda ua, call, now: ua.reject(call, 486, now),
    "answer_offer": lambda ua, call, now: ua.answer_offer(call, ANSWER, now),
    "refuse_offer": lambda ua, call, now: ua.refuse_offer(call, 488, now),
    "reoffer": lambda ua, call, now: ua.reoffer(call, OFFER, now),
    "update": lambda ua, call, now: ua.update(call, now),
    "refer": lambda ua, call, now: ua.refer(call, "sip:a@b", now),
    "accept_refer": lambda ua, call, now: ua.accept_refer(call, "1", now),
    "refuse_refer": lambda ua, call, now: ua.refuse_refer(call, "1", now),
    "notify_refer": lambda ua, call, now: ua.notify_refer(call, "1", 200, None, now),
    "info": lambda ua, call, now: ua.info(call, "application/dtmf", b"1", now),
    "ping": lambda ua, call, now: ua.ping(call, now),
}


@pytest.mark.parametrize("name", ALL)
def test_an_unknown_call_is_a_mistake_of_ours(name: str) -> None:
    talk = inbound()
    with pytest.raises(LocalProtocolError, match="no call"):
        ALL[name](talk.bench.ua, "nobody", talk.bench.now)


@pytest.mark.parametrize("name", ["ring", "answer", "reject", "answer_offer", "refuse_offer", "accept_refer"])
def test_a_command_at_the_wrong_time_is_refused_and_changes_nothing(name: str) -> None:
    talk = inbound()
    before = talk.bench.counts()
    with pytest.raises(LocalProtocolError):
        ALL[name](talk.bench.ua, talk.call, talk.bench.now)
    assert talk.bench.counts() == before
    assert talk.bench.drain() == []


def test_hanging_up_what_is_over_is_fine() -> None:
    talk = inbound()
    talk.bench.ua.hang_up("nobody", talk.bench.now)
    assert talk.bench.drain() == []


def test_a_transfer_to_an_unknown_call_is_refused() -> None:
    talk = inbound()
    with pytest.raises(LocalProtocolError):
        talk.bench.ua.refer(talk.call, "sip:a@b", talk.bench.now, replaces="nobody")
