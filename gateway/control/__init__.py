"""Floor 4: the operator's HTTP face: calls, their events, trunks and accounts by REST; liveness, readiness, metrics."""
