"""Events of a node reach every sink in order, and a broken sink keeps nobody else from them."""

from __future__ import annotations

import io
import json

from gateway.observability.logs import configure_logs
from gateway.observability.node_events import NodeEvent, NodeEventName, NodeEvents, log_node_event


def broken(_: NodeEvent) -> None:
    raise OSError("disk full")


def test_events_are_numbered_and_reach_every_sink() -> None:
    seen: list[NodeEvent] = []
    events = NodeEvents([broken, seen.append])
    events.record(NodeEventName.TRUNK_REGISTERED, trunk="carrier")
    events.record(NodeEventName.TRUNK_UNREGISTERED, trunk="carrier", cause="expired")
    assert [(event.sequence, event.name) for event in seen] == [
        (1, NodeEventName.TRUNK_REGISTERED),
        (2, NodeEventName.TRUNK_UNREGISTERED),
    ]
    assert seen[1].details == {"trunk": "carrier", "cause": "expired"}
    assert events.failed_sinks == 2


def test_what_an_operator_should_look_at_is_a_warning_and_refreshes_are_not_in_the_way() -> None:
    out = io.StringIO()
    configure_logs(level="info", json_lines=True, stream=out)
    events = NodeEvents([log_node_event])
    events.record(NodeEventName.TRUNK_REGISTERED, trunk="carrier", refresh=False)
    events.record(NodeEventName.TRUNK_REGISTERED, trunk="carrier", refresh=True)
    events.record(NodeEventName.TRUNK_REGISTRATION_FAILED, trunk="carrier", rule="timeout")
    events.record(NodeEventName.TRUNK_UNREGISTERED, trunk="carrier", cause="expired")
    events.record(NodeEventName.TRUNK_UNREGISTERED, trunk="carrier", cause="removed")
    events.record(NodeEventName.SOURCE_BANNED, source="203.0.113.66", rule="protection.ban")
    events.record(NodeEventName.SOURCE_RELEASED, source="203.0.113.66", rule="protection.ban")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("trunk.registered", "info"),
        ("trunk.registration_failed", "warning"),
        ("trunk.unregistered", "warning"),
        ("trunk.unregistered", "info"),
        ("source.banned", "warning"),
        ("source.released", "info"),
    ]
