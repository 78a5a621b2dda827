"""What an event takes, on disk and in the write-ahead log: here and in others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from .report import Result, Value
from .sessions import TimedSession, Transactions
from .setting import Connection
from .systems import BARE, DELETE, INSERT, UPDATE, WIDE_UPDATE, Seat
from .verdicts import Judge, no_judge, of_least

NAME = "peers, bytes"

_ABOUT = (
    "bytes that auditing adds to a change of one row, in the write-ahead log and on disk (tables "
    "with their indexes and what is stored apart); full_page_writes is off"
)

_EVENTS_PER_STATEMENT_TIMED = 5
"""So much more than what is timed, because a file grows by pages."""

_SIZE: LiteralString = """
    select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
    from pg_class as c
    inner join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema')
        and c.oid not in ('narrow'::regclass, 'wide'::regclass)
"""


@dataclass(frozen=True, slots=True)
class _Taken:
    wal: float
    disk: float


# Each leaves behind what the next one needs.
_CHANGES: tuple[tuple[str, LiteralString, Judge], ...] = (
    ("insert", INSERT, no_judge),
    ("update", UPDATE, of_least(0.5)),
    ("delete", DELETE, no_judge),
    ("wide update", WIDE_UPDATE, no_judge),
)


def measure(seats: Sequence[Seat]) -> Result:
    """Measures the events of each kind of change, of one row a statement."""
    rows: list[Mapping[str, Value]] = []
    for name, text, judge in _CHANGES:
        taken = {seat.system: _take(seat, text) for seat in seats}
        bare = taken.pop(BARE)
        wal = {system: t.wal - bare.wal for system, t in taken.items()}
        disk = {system: t.disk for system, t in taken.items()}
        for kind, figures, judgement in (
            ("write-ahead log", wal, judge(wal)),
            ("disk", disk, no_judge(disk)),
        ):
            rows.append(
                {
                    "change": name,
                    "where": kind,
                    **{system.name: round(figure) for system, figure in figures.items()},
                    **judgement,
                }
            )
    return Result(NAME, _ABOUT, rows)


def _take(seat: Seat, text: LiteralString) -> _Taken:
    statements = seat.setting.sizes.statements
    rows = [
        (n % statements + 1 if "wide" in text else n + 1,)
        for n in range(statements * _EVENTS_PER_STATEMENT_TIMED)
    ]
    wal, disk = _wal(seat.for_many), _size(seat.for_many)
    TimedSession(seat.for_one).run(sql.SQL(text).format(), rows, Transactions.SHARED)
    return _Taken(
        (_wal(seat.for_many) - wal) / len(rows), (_size(seat.for_many) - disk) / len(rows)
    )


def _wal(connection: Connection) -> int:
    return _number(connection, "select (pg_current_wal_insert_lsn() - '0/0')::bigint")


def _size(connection: Connection) -> int:
    return _number(connection, _SIZE)


def _number(connection: Connection, query: LiteralString) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    number = row[0]
    assert isinstance(number, int)
    return number
