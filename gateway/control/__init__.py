"""Floor 4: the operator's HTTP face. In this version: liveness, readiness and metrics."""
