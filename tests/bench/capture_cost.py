"""What it adds to a statement that the table is tracked."""

from dataclasses import dataclass, replace
from functools import partial
from operator import sub
from statistics import median
from typing import LiteralString

from psycopg import sql

from .report import Result
from .rounds import Pair, Samples, ratios, run_rounds
from .sessions import TimedSession, Transactions
from .setting import APPLICATION, INSTALLER, Connection, Setting

NAME = "capture"

_ABOUT = (
    "time a row on a table of 12 columns, untracked and tracked; beside a document of 100 kB, an "
    "update of another column"
)

_TABLES = ("untracked", "tracked")
_TABLES_OF_DOCUMENTS = ("untracked_documents", "tracked_documents")
_DOCUMENTS = 50

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


_UPDATE_BESIDE_DOCUMENT = replace(_OPERATIONS[1], name="update beside document")

# Half of it is the same over and over, so the document is compressed.
_FILL_WITH_DOCUMENTS = """
    insert into {} (id, place, doc)
    select id, 0, jsonb_build_object('text', (
        select string_agg(md5(n::text) || repeat('x', 32), '')
        from generate_series(id * 10000, id * 10000 + 1562) as n
    ))
    from generate_series(1, %s) as id
"""


@dataclass(frozen=True, slots=True)
class _Kind:
    """How often an operation runs, and in how many transactions, for how many rows in all."""

    operation: _Operation
    transactions: Transactions
    rows: int
    is_one_statement: bool
    tables: tuple[str, str] = _TABLES

    def time(self, session: TimedSession, table: str) -> float:
        """Runs it on a table; gives the microseconds of a row."""
        text = self.operation.all_rows if self.is_one_statement else self.operation.one_row
        query = sql.SQL(text).format(_identifier(table))
        if self.is_one_statement:
            return session.run(query, [(self.rows,)], self.transactions) / self.rows
        return session.run(query, [(row + 1,) for row in range(self.rows)], self.transactions)


def measure(setting: Setting) -> Result:
    """Measures each operation, one row a statement and many."""
    sizes = setting.sizes
    modes = [(transactions, sizes.statements, False) for transactions in Transactions]
    modes.append((Transactions.SHARED, sizes.rows_of_one_statement, True))
    kinds = [_Kind(operation, *mode) for mode in modes for operation in _OPERATIONS]
    kinds.append(
        _Kind(_UPDATE_BESIDE_DOCUMENT, Transactions.SHARED, _DOCUMENTS, False, _TABLES_OF_DOCUMENTS)
    )
    with setting.connect(INSTALLER) as owner, setting.connect(APPLICATION) as application:
        _make_tables(owner)
        session = TimedSession(application)
        pairs = [
            Pair(*(partial(kind.time, session, table) for table in kind.tables)) for kind in kinds
        ]
        taken = run_rounds(pairs, setting.rounds, between=partial(_vacuum, owner))
    return Result(
        NAME, _ABOUT, [_row(kind, samples) for kind, samples in zip(kinds, taken, strict=True)]
    )


def _make_tables(owner: Connection) -> None:
    for table in map(_identifier, (*_TABLES, *_TABLES_OF_DOCUMENTS)):
        owner.execute(sql.SQL("create table {} ({})").format(table, sql.SQL(_COLUMNS)))
        owner.execute(
            sql.SQL("grant select, insert, update, delete on {} to {}").format(
                table, sql.Identifier(APPLICATION)
            )
        )
    for table in map(_identifier, _TABLES_OF_DOCUMENTS):
        owner.execute(sql.SQL(_FILL_WITH_DOCUMENTS).format(table), (_DOCUMENTS,))
    owner.execute("select chronicle.enable_tracking('bench.tracked')")
    owner.execute("select chronicle.enable_tracking('bench.tracked_documents')")


def _vacuum(owner: Connection) -> None:
    for table in map(_identifier, (*_TABLES, *_TABLES_OF_DOCUMENTS)):
        owner.execute(sql.SQL("vacuum {}").format(table))


def _identifier(table: str) -> sql.Identifier:
    return sql.Identifier("bench", table)


def _row(kind: _Kind, samples: Samples[float]) -> dict[str, str | int | float]:
    return {
        "operation": kind.operation.name,
        "rows_a_statement": kind.rows if kind.is_one_statement else 1,
        "transactions": kind.transactions,
        "untracked_us": median(samples.bare),
        "tracked_us": median(samples.ours),
        "added_us": median(map(sub, samples.ours, samples.bare)),
        "ratio": median(ratios(samples.ours, samples.bare)),
    }
