from __future__ import annotations

import pytest

from gateway.call.termination import EndReason, refusal_reason, sip_cause

CONTRACT = {
    *("caller_hung_up", "agent_hung_up", "api", "no_answer", "busy", "rejected", "cancelled", "provider_failed"),
    *("no_capacity", "media_timeout", "max_duration", "idle", "transferred", "shutdown", "error"),
}


def test_the_set_of_reasons_is_the_contract() -> None:
    assert {reason.value for reason in EndReason} == CONTRACT


@pytest.mark.parametrize("reason", list(EndReason))
def test_every_reason_has_a_final_sip_status_and_a_q850_cause(reason: EndReason) -> None:
    cause = sip_cause(reason)
    assert 400 <= cause.status < 700
    assert 1 <= cause.q850 <= 127
    name, value = cause.reason_header()
    assert name == "Reason"
    assert value == f'Q.850;cause={cause.q850};text="{cause.text}"'


def test_what_may_pass_soon_says_when_to_come_back() -> None:
    for reason in (EndReason.NO_CAPACITY, EndReason.PROVIDER_FAILED, EndReason.SHUTDOWN):
        assert sip_cause(reason).status == 503
        assert (sip_cause(reason).retry_after_s or 0) > 0


def test_what_the_network_says_decides_over_the_status_a_gateway_put_before_it() -> None:
    assert refusal_reason(486) is EndReason.BUSY
    assert refusal_reason(503, 17) is EndReason.BUSY
    assert refusal_reason(480, 21) is EndReason.REJECTED
    assert refusal_reason(503, 34) is EndReason.ERROR
    assert refusal_reason(404, 1) is EndReason.REJECTED
    assert refusal_reason(487) is EndReason.CANCELLED
    assert refusal_reason(302) is EndReason.REJECTED
