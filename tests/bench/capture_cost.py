"""What it adds to a statement that the table is tracked."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import LiteralString

from psycopg import sql

from .clocks import Clock, backend_clock
from .report import Result
from .rounds import Pair, Samples, ratios, run_rounds
from .setting import APPLICATION, INSTALLER, Connection, Setting

NAME = "capture"

_ABOUT = (
    "time a row on a table of 12 columns, untracked and tracked; one row a prepared statement in "
    "pipelines, then all rows in one statement"
)

_TABLES = ("untracked", "tracked")

_COLUMNS = """
    id bigint primary key, number uuid, status text, title text, owner text, amount numeric,
    place integer, is_open boolean, created_at timestamptz, changed_at timestamptz, doc jsonb,
    note text
"""

_ROW = """
    '6f1c4b5e-52a5-4f0c-9d1b-0d6f3a1c2b7e', 'open', 'a title', 'somebody', 12.5, 3, true,
    now(), now(), jsonb_build_object('text', repeat('x', 280)), null
"""


@dataclass(frozen=True, slots=True)
class _Operation:
    """A change in two forms, of which each takes the table; the first takes an id, the second how
    many rows there are."""

    name: str
    one_row: LiteralString
    all_rows: LiteralString


# Each leaves behind what the next one needs.
_OPERATIONS = (
    _Operation(
        "insert",
        f"insert into {{}} values (%s, {_ROW})",
        f"insert into {{}} select id, {_ROW} from generate_series(1, %s) as id",
    ),
    _Operation(
        "update",
        "update {} set place = place + 1 where id = %s",
        "update {} set place = place + 1 where id <= %s",
    ),
    _Operation(
        "update to the same",
        "update {} set place = place where id = %s",
        "update {} set place = place where id <= %s",
    ),
    _Operation("delete", "delete from {} where id = %s", "delete from {} where id <= %s"),
)


def measure(setting: Setting) -> Result:
    """Measures each operation, one row a statement and many."""
    with setting.connect(INSTALLER) as owner, setting.connect(APPLICATION) as application:
        _make_tables(owner)
        clock = backend_clock(application.info.backend_pid)
        single = [
            Pair(*(_single_rows(setting, application, clock, name, o.one_row) for name in _TABLES))
            for o in _OPERATIONS
        ]
        whole = [
            Pair(*(_whole_table(setting, application, clock, name, o.all_rows) for name in _TABLES))
            for o in _OPERATIONS
        ]
        taken = run_rounds([*single, *whole], setting.rounds, between=partial(_vacuum, owner))
    kinds = [(o.name, 1) for o in _OPERATIONS]
    kinds += [(o.name, setting.sizes.rows_of_one_statement) for o in _OPERATIONS]
    return Result(
        NAME,
        _ABOUT,
        [_row(name, rows, samples) for (name, rows), samples in zip(kinds, taken, strict=True)],
    )


def _make_tables(owner: Connection) -> None:
    for name in _TABLES:
        table = sql.Identifier("bench", name)
        owner.execute(sql.SQL("create table {} ({})").format(table, sql.SQL(_COLUMNS)))
        owner.execute(
            sql.SQL("grant select, insert, update, delete on {} to {}").format(
                table, sql.Identifier(APPLICATION)
            )
        )
    owner.execute("select chronicle.enable_tracking('bench.tracked')")


def _vacuum(owner: Connection) -> None:
    for name in _TABLES:
        owner.execute(sql.SQL("vacuum {}").format(sql.Identifier("bench", name)))


def _single_rows(
    setting: Setting, application: Connection, clock: Clock, table: str, query: LiteralString
) -> Callable[[], float]:
    """Does it to one row after the other in a transaction."""
    count = setting.sizes.statements
    statement = sql.SQL(query).format(sql.Identifier("bench", table))

    def turn() -> float:
        with application.transaction(), application.cursor() as cursor:
            start = clock()
            cursor.executemany(statement, [(number,) for number in range(1, count + 1)])
            return (clock() - start) / count * 1e6

    return turn


def _whole_table(
    setting: Setting, application: Connection, clock: Clock, table: str, query: LiteralString
) -> Callable[[], float]:
    """Does it to all rows in one statement."""
    count = setting.sizes.rows_of_one_statement
    statement = sql.SQL(query).format(sql.Identifier("bench", table))

    def turn() -> float:
        with application.transaction():
            start = clock()
            application.execute(statement, (count,))
            return (clock() - start) / count * 1e6

    return turn


def _row(operation: str, rows: int, samples: Samples[float]) -> dict[str, str | int | float]:
    bare, ours = median(samples.bare), median(samples.ours)
    return {
        "operation": operation,
        "rows_a_statement": rows,
        "untracked_us": bare,
        "tracked_us": ours,
        "added_us": ours - bare,
        "ratio": median(ratios(samples.ours, samples.bare)),
    }
