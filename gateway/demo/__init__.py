"""Floor 5: ``gateway demo``: a caller, a gateway and an emulated provider hold one whole conversation on loopback."""
