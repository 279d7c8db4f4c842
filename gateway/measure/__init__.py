"""Floor 5: judging calls by what was heard and when: the bench, the demo and the tests share it."""
