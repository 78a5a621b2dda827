"""What it adds to a change that its table is audited: here and by others."""

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from operator import sub
from statistics import median
from typing import LiteralString

from psycopg import sql

from . import peers_size
from .clocks import backend_clock, server_clock
from .report import Result, Value
from .rounds import run_turns
from .sessions import TimedSession, Transactions
from .setting import INSTALLER, Setting
from .systems import (
    BARE,
    DELETE,
    INSERT,
    NARROW,
    NARROW_ROW,
    OURS,
    POSTGRESQL_AUDIT_STATEMENT,
    UPDATE,
    WIDE,
    WIDE_UPDATE,
    Seat,
    System,
    peers,
    sit_down,
)
from .verdicts import Judge, at_most, no_judge, of_least_with_json, of_one

NAME = "peers"

_ABOUT = (
    "µs of CPU a row that auditing adds to a change, beside other audit logs as they install; "
    "12 columns, the wide table 60, of which one changes"
)

_ROWS_OF_A_STATEMENT = 1000

_STANDING = 2000
"""How many rows stand in the table while transactions of four statements run."""

_NO_OP: LiteralString = f"update {NARROW} set place = place where id = %s"

_FILL: LiteralString = (
    f"insert into {NARROW} select id, {NARROW_ROW} from generate_series(%s::bigint, %s) as id"
)

_TRANSACTION = f"""
\\set n :n + 1
\\set own :client_id * 10000000 + :n + 1000000
\\set left random(1, {_STANDING // 2})
\\set right random({_STANDING // 2 + 1}, {_STANDING})
begin;
insert into {NARROW} values (:own, {NARROW_ROW});
update {NARROW} set place = place + 1 where id = :left;
update {NARROW} set status = 'closed ' || :n where id = :right;
delete from {NARROW} where id = :own - 1;
end;
"""
"""The insert leaves what the next transaction deletes; the updates cannot lock each other out."""

_DONE = re.compile(r"^number of transactions actually processed: ([0-9]+)", re.MULTILINE)


Turn = Callable[[Seat], float]


@dataclass(frozen=True, slots=True)
class _Operation:
    """What is done in a turn, which gives the microseconds of a row, and what is wanted of it."""

    name: str
    turn: Turn
    judge: Judge = no_judge


def _one_row(text: LiteralString, mode: Transactions) -> Turn:
    def turn(seat: Seat) -> float:
        rows = [(n + 1,) for n in range(seat.setting.sizes.statements)]
        return TimedSession(seat.for_one).run(sql.SQL(text).format(), rows, mode)

    return turn


def _many_rows(text: LiteralString) -> Turn:
    def turn(seat: Seat) -> float:
        rows = [
            (n * _ROWS_OF_A_STATEMENT + 1, (n + 1) * _ROWS_OF_A_STATEMENT)
            for n in range(seat.setting.sizes.large_statements)
        ]
        session = TimedSession(seat.for_many)
        took = session.run(sql.SQL(text).format(), rows, Transactions.OWN)
        return took / _ROWS_OF_A_STATEMENT

    return turn


def _copy(seat: Seat) -> float:
    clock = backend_clock(seat.for_many.info.backend_pid)
    count = seat.setting.sizes.large_statements
    query = sql.SQL(f"copy {NARROW} from stdin")
    line = (
        "{}\t6f1c4b5e-52a5-4f0c-9d1b-0d6f3a1c2b7e\topen\ta title\tsomebody\t12.5\t3\tt"
        '\t2026-01-31 12:00:00+00\t2026-01-31 12:00:00+00\t{{"text": "' + "x" * 280 + '"}}\t\\N\n'
    )
    start = clock()
    with seat.for_many.cursor() as cursor:
        for n in range(count):
            with cursor.copy(query) as copy:
                first = n * _ROWS_OF_A_STATEMENT
                copy.write("".join(line.format(first + i) for i in range(_ROWS_OF_A_STATEMENT)))
    took = (clock() - start) / count / _ROWS_OF_A_STATEMENT * 1e6
    seat.for_many.execute(sql.SQL(f"delete from {NARROW}"))
    return took


def _transactions(clients: int) -> Turn:
    def turn(seat: Seat) -> float:
        seat.for_many.execute(_FILL, (1, _STANDING))
        clock = server_clock(seat.for_many.info.backend_pid)
        start = clock()
        ran = subprocess.run(
            [
                *(seat.setting.server.program("pgbench"), "-n", "-M", "prepared", "-f", "-"),
                *("-D", "n=0", "-c", str(clients), "-j", "1"),
                *seat.setting.sizes.pgbench_length,
            ],
            check=False,
            capture_output=True,
            text=True,
            input=_TRANSACTION,
            env=seat.setting.environment(INSTALLER, seat.system.database)
            | {"PGOPTIONS": "-c synchronous_commit=off"},
        )
        took = clock() - start
        done = _DONE.search(ran.stdout)
        if ran.returncode != 0 or done is None:
            raise RuntimeError(f"pgbench failed: {ran.stderr.strip()}")
        seat.for_many.execute(sql.SQL(f"delete from {NARROW}"))
        return took / int(done[1]) / 4 * 1e6

    return turn


_CHANGES: tuple[tuple[str, LiteralString, Judge], ...] = (
    ("insert", INSERT, of_least_with_json(1.0)),
    ("update", UPDATE, of_least_with_json(0.65)),
    ("no-op", _NO_OP, at_most(5, "µs")),
    ("delete", DELETE, no_judge),
    ("wide update", WIDE_UPDATE, of_least_with_json(0.5)),
)

# Each leaves behind what the next one needs.
_OPERATIONS = (
    *(
        _Operation(f"{name}, {where}", _one_row(text, mode), judge)
        for mode, where in (
            (Transactions.SHARED, "many in a transaction"),
            (Transactions.OWN, "one in a transaction"),
        )
        for name, text, judge in _CHANGES
    ),
    _Operation("insert of 1,000 rows", _many_rows(_FILL), of_one(POSTGRESQL_AUDIT_STATEMENT, 1.2)),
    _Operation(
        "update of 1,000 rows",
        _many_rows(f"update {NARROW} set place = place + 1 where id between %s and %s"),
        of_one(POSTGRESQL_AUDIT_STATEMENT, 0.4),
    ),
    _Operation(
        "no-op of 1,000 rows",
        _many_rows(f"update {NARROW} set place = place where id between %s and %s"),
    ),
    _Operation(
        "delete of 1,000 rows", _many_rows(f"delete from {NARROW} where id between %s and %s")
    ),
    _Operation("COPY of 1,000 rows", _copy),
    *(
        _Operation(f"four statements a transaction, clients: {clients}", _transactions(clients))
        for clients in (1, 2, 8)
    ),
)


def measure(setting: Setting) -> Iterator[Result]:
    """Measures each operation on each system, then what their events take."""
    systems = (BARE, OURS, *peers(with_packages=setting.has_packages))
    with ExitStack() as stack:
        seats = [sit_down(setting, system, stack) for system in systems]
        contests = [[partial(operation.turn, seat) for seat in seats] for operation in _OPERATIONS]
        taken = run_turns(contests, setting.rounds, between=partial(_vacuum, seats))
        rows = [
            _row(operation, systems, samples)
            for operation, samples in zip(_OPERATIONS, taken, strict=True)
        ]
        yield Result(NAME, _ABOUT, rows)
        yield peers_size.measure(seats)


def _vacuum(seats: Sequence[Seat]) -> None:
    for seat in seats:
        seat.for_many.execute(f"vacuum {NARROW}, {WIDE}")


def _row(
    operation: _Operation, systems: Sequence[System], samples: Sequence[Sequence[float]]
) -> Mapping[str, Value]:
    bare = samples[0]
    added = {
        system: median(map(sub, taken, bare))
        for system, taken in zip(systems[1:], samples[1:], strict=True)
    }
    return {
        "operation": operation.name,
        BARE.name: median(bare),
        **{system.name: figure for system, figure in added.items()},
        **operation.judge(added),
    }
