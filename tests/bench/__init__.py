"""What logging and tracking cost, as ratios to the same work without them: ``make bench``.

A ratio carries over to other machines, an absolute figure does not. So what is compared runs by
turns in one session or on one server, round after round, and a figure is the median of the rounds.
No test asserts any of this: a time depends on what else the machine is doing.
"""
