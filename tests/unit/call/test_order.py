from __future__ import annotations

from gateway.call.order import CallOrder


def test_an_order_needs_a_destination_and_an_agent_and_leaves_the_rest_to_the_settings() -> None:
    order = CallOrder("+15550111", "desk")
    assert order.trunk is order.from_user is order.ring_timeout_s is order.max_duration_s is None
    assert order.headers == ()
    assert order.metadata == order.variables == order.session == {}
