"""Floor 5: what ``gateway call``, ``calls`` and ``hangup`` are made of: the REST API from outside."""
