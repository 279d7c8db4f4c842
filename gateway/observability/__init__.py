"""Floor 2: what the operator sees: structured logs with the call's id, and metrics."""
