"""Whatever is written, by whomever, in whatever order: the log tells it, and history is as it was.

The sequences are the same in every run. ``python -m history`` takes others, and more of them.
"""

import os

import pytest

from support import Database

from .sequence import Runner, draw
from .trial import attempt, attempt_once

SEED = int(os.environ.get("HISTORY_SEED", "1"))
FIRST = int(os.environ.get("HISTORY_FIRST", "0"))
COUNT = int(os.environ.get("HISTORY_SEQUENCES", "24"))

SIZE = 6 if COUNT < 100 else 25
"""How many sequences share a database."""


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, SIZE))
def test_the_log_tells_what_was_written_and_undoes_it(database: Database, first: int) -> None:
    runner = Runner(database)
    for number in range(first, min(first + SIZE, FIRST + COUNT)):
        failure = attempt(runner, draw(SEED, number))
        if failure is not None:
            pytest.fail(str(failure), pytrace=False)


@pytest.mark.parametrize(
    "sabotage",
    [
        'drop trigger "!chronicle_delete" on {}',
        'alter table {} disable trigger "!chronicle_update"',
        'drop trigger "!chronicle_truncate" on {}',
    ],
)
def test_a_sequence_fails_where_capture_does(database: Database, sabotage: str) -> None:
    runner = Runner(database, sabotage=sabotage)
    assert any(attempt_once(runner, draw(1, number)) for number in range(9))
