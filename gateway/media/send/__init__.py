"""The send half: the one queue toward the caller, its ledger, and the packets made of it."""
