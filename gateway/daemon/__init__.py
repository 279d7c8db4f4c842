"""The process: a gateway as a whole, what a reload changes in it, and the signals it obeys."""
