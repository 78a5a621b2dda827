"""Values that are too large to be rendered never break the write that holds them."""

import pytest

from ask import refusal, rows
from support import Connection


def make(db: Connection, columns: str) -> None:
    """Makes the table public.item and tracks it."""
    db.execute(f"create table public.item ({columns})".encode())
    db.execute("select chronicle.enable_tracking('public.item')")


def test_a_value_too_large_for_json_does_not_break_the_write(db: Connection) -> None:
    make(db, "id integer primary key, v text, n integer")
    db.execute("insert into public.item values (1, repeat('x', 270000000), 1)")
    db.execute("update public.item set n = 2")
    db.execute("update public.item set v = 'y', n = 3")
    assert rows(
        db,
        """
        select action, record_id, old_values, new_values, changed_columns, left(payload_error, 5)
        from chronicle.row_changes order by seq
        """,
    ) == [
        ("INSERT", "1", None, None, None, "54000"),
        ("UPDATE", "1", {"n": 1}, {"n": 2}, ["n"], None),
        ("UPDATE", "1", None, None, ["v", "n"], "54000"),
    ]


def test_what_is_too_large_for_memory_does_not_break_the_write(db: Connection) -> None:
    make(db, "id integer primary key, v bytea")
    db.execute("alter table public.item alter column v set storage external")
    # Twice as long in hexadecimal digits, which is more than one piece of memory may be.
    db.execute("insert into public.item select 1, convert_to(repeat('x', 550000000), 'UTF8')")
    assert rows(
        db,
        """
        select action, record_id, new_values, payload_error is not null from chronicle.row_changes
        """,
    ) == [("INSERT", "1", None, True)]


def test_a_large_value_in_a_table_that_was_altered_does_not_break_the_write(
    db: Connection,
) -> None:
    make(db, "id integer primary key, v text")
    db.execute("alter table public.item add column note text")
    db.execute("insert into public.item values (1, repeat('x', 270000000), 'n')")
    assert rows(
        db,
        "select action, record_id, new_values, payload_error is null from chronicle.row_changes",
    ) == [("INSERT", "1", None, False)]


def test_a_value_too_long_as_text_breaks_neither_the_write_nor_the_seal(db: Connection) -> None:
    """A number of ten bytes has 130,000 digits."""
    make(db, "id integer primary key, v numeric[]")
    db.execute("insert into public.item select 1, array_fill(1e131071, array[8300])")
    db.execute("update public.item set id = 2")
    db.execute("update public.item set v = array_fill(1e131071, array[2500])")
    db.execute("select chronicle.snapshot_table('public.item')")
    db.execute("truncate public.item")
    assert rows(
        db,
        """
        select action, record_id, old_values, new_values, left(payload_error, 5)
        from chronicle.row_changes order by seq
        """,
    ) == [
        ("INSERT", "1", None, None, "54000"),
        ("UPDATE", "2", {"id": 1}, {"id": 2}, None),
        ("UPDATE", "2", None, None, "54000"),
        ("TRUNCATE", "2", None, None, "54000"),
        ("TRUNCATE", None, None, None, None),
    ]
    assert (
        rows(
            db,
            """
            select resource_id from chronicle.events as e
            where chronicle.event_leaf(e, chronicle.payload_digest(e)) is null
            """,
        )
        == []
    )
    assert rows(
        db,
        """
        select details_after, left(payload_error, 5) from chronicle.events
        where origin = 'snapshot'
        """,
    ) == [(None, "54000")]


@pytest.mark.parametrize("document", ["details_after", "action_meta", "client_info"])
def test_rows_too_long_as_text_are_not_imported(db: Connection, document: str) -> None:
    assert (
        refusal(
            db,
            f"""
        select chronicle.import_events('old', $$
            select '7' as source_id, now() as occurred_at, 'user' as actor_type,
                'create' as action_type, 'item' as resource_type,
                jsonb_build_object('v', array_fill(1e131071, array[2500])) as {document}
        $$)
        """,
        ).sqlstate
        == "54000"
    )
