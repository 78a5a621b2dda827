"""What nearly every test does with SQL: ask for rows, look at an event, and be refused."""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.abc import Params
from psycopg.rows import dict_row

from support import Connection, acting_as

VOLATILE = frozenset(
    {"seq", "transaction_id", "settled_after", "occurred_at", "recorded_at", "payload_salt"}
)
"""Columns of an event whose values no test can foresee."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What PostgreSQL says when it refuses."""

    sqlstate: str
    message: str
    detail: str | None
    hint: str | None


def run(
    connection: Connection, statement: str, parameters: Params | None = None
) -> psycopg.Cursor[Any]:
    """Runs a statement that may have been put together: psycopg asks for a literal."""
    return connection.execute(statement.encode(), parameters)


def rows(connection: Connection, statement: str, parameters: Params | None = None) -> list[Any]:
    """All rows of a query, as tuples."""
    return run(connection, statement, parameters).fetchall()


def row(connection: Connection, statement: str, parameters: Params | None = None) -> Any:
    """The row of a query that has exactly one."""
    found = rows(connection, statement, parameters)
    assert len(found) == 1, f"{len(found)} rows"
    return found[0]


def value(connection: Connection, statement: str, parameters: Params | None = None) -> Any:
    """The value of a query that has exactly one."""
    (found,) = row(connection, statement, parameters)
    return found


def values(connection: Connection, statement: str, parameters: Params | None = None) -> list[Any]:
    """The values of a query with one column."""
    return [found for (found,) in rows(connection, statement, parameters)]


def refusal(connection: Connection, statement: str, parameters: Params | None = None) -> Refusal:
    """How a statement is refused; a savepoint keeps the transaction usable."""
    try:
        with connection.transaction():
            run(connection, statement, parameters)
    except psycopg.Error as error:
        return Refusal(
            error.sqlstate or "",
            error.diag.message_primary or "",
            error.diag.message_detail,
            error.diag.message_hint,
        )
    raise AssertionError("it was not refused")


def sqlstate(connection: Connection, statement: str, parameters: Params | None = None) -> str:
    """The SQLSTATE with which a statement is refused."""
    return refusal(connection, statement, parameters).sqlstate


def event(connection: Connection, event_id: object) -> dict[str, Any]:
    """An event as a dictionary of all that can be foreseen and is not null, without its id."""
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(
            "select * from chronicle.events where event_id = %s", (event_id,)
        ).fetchall()
    assert len(found) == 1, f"{len(found)} events"
    return _foreseeable(found[0])


def logged(
    connection: Connection, statement: str, parameters: Params | None = None
) -> dict[str, Any]:
    """The event that a statement logs as app, within the fixture ``db``."""
    with acting_as(connection, "app"):
        event_id = value(connection, statement, parameters)
    return event(connection, event_id)


def events(
    connection: Connection, resource_type: str, *columns: str, after: int = 0
) -> list[dict[str, Any]]:
    """The events of a kind of resource in the order of seq, as ``event`` gives them; with columns,
    only those, null or not."""
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(
            "select * from chronicle.events where resource_type = %s and seq > %s order by seq",
            (resource_type, after),
        ).fetchall()
    if columns:
        return [{name: one[name] for name in columns} for one in found]
    return [_foreseeable(one) for one in found]


def _foreseeable(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: each
        for name, each in found.items()
        if each is not None and name not in VOLATILE and name != "event_id"
    }


@contextmanager
def as_superuser(connection: Connection) -> Generator[Connection]:
    """Within a transaction of the fixture ``db``, the superuser, whom nothing is hidden from."""
    before: str = value(connection, "select session_user")
    connection.execute("set local session authorization default")
    yield connection
    connection.execute(sql.SQL("set local session authorization {}").format(sql.Identifier(before)))


def claimed_ids(connection: Connection) -> list[Any]:
    """The event ids that callers have claimed; to be asked within the fixture ``db``."""
    with as_superuser(connection):
        return values(connection, "select event_id from chronicle.event_keys")


def wait_until_blocked(watcher: Connection, blocked: Connection, blocker: Connection) -> None:
    """Returns as soon as one session waits for a lock of the other."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        waits_for: Sequence[int] = value(
            watcher, "select pg_blocking_pids(%s)", (blocked.info.backend_pid,)
        )
        if blocker.info.backend_pid in waits_for:
            return
    raise AssertionError("it does not wait")
