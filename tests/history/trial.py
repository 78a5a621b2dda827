"""Trying a sequence, and shortening one that has failed to what still fails."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import psycopg

from .sequence import MismatchError, Runner, Script
from .verdict import check_all

PATIENCE_S = 20
"""How long a failure is shortened."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, and the statements before."""

    script: Script
    wrong: str
    trace: tuple[str, ...]

    @property
    def kind(self) -> str:
        """What is said before anything that may differ from case to case."""
        return re.split(r"[\d:,]", self.wrong)[0]

    def __str__(self) -> str:
        steps = len(self.script.steps)
        return "\n".join([f"{self.script.name}, {steps} steps:", *self.trace, self.wrong])


def attempt(runner: Runner, script: Script) -> Failure | None:
    """Takes a sequence and checks everything. Gives what went wrong, shortened."""
    failure = attempt_once(runner, script)
    if failure is None:
        return None
    return _shorten(lambda shorter: attempt_once(runner, shorter, is_thorough=True), failure)


def attempt_once(runner: Runner, script: Script, *, is_thorough: bool = False) -> Failure | None:
    """The same, and a failure is given as it is."""
    try:
        check_all(runner.owner, runner.run(script), is_thorough=is_thorough)
    except (MismatchError, AssertionError, psycopg.Error) as mismatch:
        trace = tuple(runner.outcome.trace)
        return Failure(script, str(mismatch), trace)
    return None


def _shorten(again: Callable[[Script], Failure | None], failure: Failure) -> Failure:
    """Leaves out ever smaller pieces, as long as what is left fails too."""
    deadline = time.monotonic() + PATIENCE_S
    size = max(len(failure.script.steps) // 2, 1)
    while True:
        has_shrunk = False
        start = 0
        while start < len(failure.script.steps):
            if time.monotonic() > deadline:
                return failure
            steps = failure.script.steps
            shorter = replace(failure.script, steps=steps[:start] + steps[start + size :])
            fails = again(shorter)
            if fails is None or fails.kind != failure.kind:
                start += size
            else:
                failure = fails
                has_shrunk = True
        if size == 1 and not has_shrunk:
            return failure
        size = max(size // 2, 1)
