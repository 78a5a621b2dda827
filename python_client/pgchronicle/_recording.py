# Made from _async_recording.py by tools/unasync.py: change that, and run `make unasync`.
"""The events that a block writes over a connection."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import class_row, dict_row
from psycopg.types.json import set_json_loads

from pgchronicle._json import loads
from pgchronicle._recorded import Recording
from pgchronicle.errors import NotAllowedError
from pgchronicle.models import Event

# Outside a transaction block the number would be that of this very statement.
_PRESENT = b"""
    select
        current_user::text as role,
        coalesce((
            select pg_catalog.pg_has_role(r.oid, 'USAGE')
            from pg_catalog.pg_roles as r where r.rolname = 'chronicle_auditor'
        ), false) as is_auditor,
        case when %(in_block)s::boolean
            then pg_catalog.pg_current_xact_id()::text::bigint
        end as transaction_id,
        pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint as next_id
"""

_LAST = b"""
    select coalesce(max(e.seq), 0) as seq from chronicle.events as e
    where e.transaction_id = %(transaction_id)s::bigint
"""

_COLUMNS = ", ".join(f"e.{field.name}" for field in fields(Event))
_EVENTS = f"""
    select {_COLUMNS}
    from chronicle.events as e
    where (e.transaction_id = %(transaction_id)s::bigint and e.seq > %(seq)s::bigint)
        or (
            not %(is_same)s::boolean
            and e.transaction_id >= %(next_id)s::bigint
            and e.transaction_id is distinct from %(transaction_id)s::bigint
            and e.db_user = session_user
        )
    order by e.seq
""".encode()  # noqa: S608  the names are ours


@contextmanager
def recording(connection: psycopg.Connection[Any]) -> Generator[Recording]:
    """Gives the events that a block writes over a connection, logged and captured ones.

    Within one transaction, as in a test that is rolled back, these are exactly its own. Where
    transactions begin or end in the block, events that other sessions of the same login role write
    meanwhile count as well. After an error of the database there are none.

    Yields:
        A ``Recording``, whose events are there when the block has ended.

    Args:
        connection: psycopg's, with a role that is granted chronicle_auditor. Of Django it is
            ``connection.connection``, of SQLAlchemy ``connection.connection.driver_connection``.

    Raises:
        NotAllowedError: the role may not see every event.
    """
    recorded = Recording()
    with _unnoticed(connection):
        before = _present(connection)
    yield recorded
    if connection.info.transaction_status == TransactionStatus.INERROR:
        return
    with _unnoticed(connection):
        after = _present(connection)
        own = before["transaction_id"]
        is_same = own is not None and own == after["transaction_id"]
        with connection.cursor(row_factory=class_row(Event)) as cursor:
            set_json_loads(loads, cursor)
            cursor.execute(_EVENTS, before | {"is_same": is_same})
            recorded.events += cursor.fetchall()


def _present(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """Where the log stands for the connection."""
    in_block = connection.info.transaction_status == TransactionStatus.INTRANS
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_PRESENT, {"in_block": in_block})
        (present,) = cursor.fetchall()
        if not present["is_auditor"]:
            raise NotAllowedError(
                f"{present['role']} may not see every event",
                detail="What it may not see would look as if it had not been recorded.",
                hint=f"In the database of the tests: grant chronicle_auditor to {present['role']}",
            )
        cursor.execute(_LAST, present)
        (last,) = cursor.fetchall()
    return present | last


@contextmanager
def _unnoticed(connection: psycopg.Connection[Any]) -> Generator[None]:
    """Leaves no transaction behind that was not there before."""
    status = connection.info.transaction_status
    yield
    if status == TransactionStatus.IDLE and not connection.autocommit:
        connection.rollback()
