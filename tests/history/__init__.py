"""Random sequences of writes in several sessions, against a model that knows what must be recorded.

A sequence is drawn from a seed as a list of steps: who does what to which table. What a step does
exactly is decided when its turn comes, by the step's own seed and the rows that are there, so any
part of a sequence is a sequence as well. That makes it reproducible and lets it be shortened.

``world`` is the model, ``verbs`` are the writes, ``sequence`` draws and runs them, ``verdict``
compares the log with the model, and ``trial`` shortens a sequence that has failed.
"""
