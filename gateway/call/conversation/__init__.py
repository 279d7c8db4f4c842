"""One caller, one agent: who has the floor, what is said and heard, what the agent may do besides."""
