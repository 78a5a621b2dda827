"""What the tests of capture share: a table that is tracked, and what was recorded of it."""

from typing import Any

from ask import rows, run
from support import Connection

ITEM = "id integer primary key, name text, price numeric"
"""The columns of a table for which it does not matter what they are."""


def track(db: Connection, *arguments: str, table: str = "public.item") -> None:
    """Tracks a table; each argument is one of enable_tracking, as SQL."""
    given = ", ".join((f"'{table}'", *arguments))
    run(db, f"select chronicle.enable_tracking({given})")


def make(db: Connection, columns: str, *arguments: str) -> None:
    """Makes the table public.item and tracks it."""
    run(db, f"create table public.item ({columns})")
    track(db, *arguments)


def changes(db: Connection) -> list[Any]:
    """What was captured, in the order of seq."""
    return rows(
        db,
        """
        select action, record_id, old_values, new_values, changed_columns
        from chronicle.row_changes order by seq
        """,
    )
