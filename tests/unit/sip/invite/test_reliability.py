"""What a call of ours says of reliable provisional answers, by its invitation or else by the user agent."""

from __future__ import annotations

from typing import get_args

import pytest

from gateway.sip.invite.reliability import Reliability
from gateway.sip.message import Request
from tests.support.sip_peer import UserAgentBench, invitation


@pytest.mark.parametrize("general", get_args(Reliability))
@pytest.mark.parametrize("own", [None, *get_args(Reliability)])
def test_the_word_of_the_invitation_counts_first(general: Reliability, own: Reliability | None) -> None:
    bench = UserAgentBench(reliable=general)
    bench.ua.invite(invitation(reliable=own), bench.now)
    (sent,) = bench.drain()
    assert isinstance(sent, Request)
    said = own or general
    is_able = general != "off"
    assert ("100rel" in (sent.headers.get("Supported") or "")) is (is_able and said != "off")
    assert (sent.headers.get("Require") == "100rel") is (is_able and said == "required")
