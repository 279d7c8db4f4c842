"""Floor 5: the gateway under load, beside what one could have run instead. Measured from outside, over real sockets."""
