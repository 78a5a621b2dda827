"""The client in batches: snapshots and imports, which the caller commits."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from ask import run, value, values
from pgchronicle import Chronicle, ImportProgress, SnapshotProgress
from support import Connection, Database

# Snapshots


def test_snapshot_is_one_call_or_many(db: Connection) -> None:
    run(db, "create table old (id integer primary key)")
    run(db, "insert into old select generate_series(1, 5)")
    log = Chronicle(db)
    log.enable_tracking("old")
    assert log.snapshot_table("old", batch_size=2) == SnapshotProgress(
        rows_recorded=2, rows_total=2, is_complete=False
    )
    assert list(log.snapshot_batches("old", 2)) == [
        SnapshotProgress(rows_recorded=2, rows_total=4, is_complete=False),
        SnapshotProgress(rows_recorded=1, rows_total=5, is_complete=True),
    ]
    query = "select resource_id from chronicle.events where origin = 'snapshot' order by seq"
    assert values(db, query) == ["1", "2", "3", "4", "5"]
    assert log.snapshot_table("old") == SnapshotProgress(
        rows_recorded=5, rows_total=5, is_complete=True
    )
    assert {change.action for change in log.record_history("old", 1)} == {"SNAPSHOT"}


def test_batches_are_the_callers_to_commit(database: Database) -> None:
    connection, watcher = database.connect(), database.connect(autocommit=True)
    run(connection, "create table old (id integer primary key)")
    run(connection, "insert into old select generate_series(1, 5)")
    log = Chronicle(connection)
    log.enable_tracking("old")
    connection.commit()
    query = "select resource_id from chronicle.events where origin = 'snapshot' order by seq"
    for progress in log.snapshot_batches("old", 2):
        if progress.rows_total == 2:
            connection.commit()
            assert values(watcher, query) == ["1", "2"]
        else:
            break
    connection.rollback()
    assert values(watcher, query) == ["1", "2"]
    with ConnectionPool(database.dsn(), min_size=1, max_size=1) as pool:
        # Over a pool each batch is a transaction of its own.
        assert [progress.rows_total for progress in Chronicle(pool).snapshot_batches("old", 2)] == [
            *(4, 5)
        ]
    assert values(watcher, query) == ["1", "2", "3", "4", "5"]


# Imports


QUERY = """
    select g as source_id, timestamptz '2020-01-01Z' + g * interval '1 day' as occurred_at,
        'user' as actor_type, 'update' as action_type, 'order' as resource_type, g as resource_id
    from generate_series(1, 5) as g
    """


def test_import_is_one_call_or_many_and_never_twice(db: Connection) -> None:
    log = Chronicle(db)
    assert log.import_events("old", QUERY, batch_size=2) == ImportProgress(
        events_imported=2, events_total=2, is_complete=False
    )
    assert list(log.import_batches("old", QUERY, 2)) == [
        ImportProgress(events_imported=2, events_total=4, is_complete=False),
        ImportProgress(events_imported=1, events_total=5, is_complete=True),
    ]
    assert log.import_events("old", QUERY) == ImportProgress(
        events_imported=0, events_total=5, is_complete=True
    )
    imported = log.events(origin="imported").events
    assert [(event.occurred_at, event.resource_id) for event in reversed(imported)] == [
        (datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=n), str(n)) for n in range(1, 6)
    ]
    assert {event.recorded_at > event.occurred_at for event in imported} == {True}


def test_import_of_what_is_no_field_is_refused_by_name(db: Connection) -> None:
    with pytest.raises(psycopg.errors.UndefinedColumn, match="colour"), db.transaction():
        Chronicle(db).import_events(
            "old", QUERY.replace("g as source_id", "g as source_id, 7 as colour")
        )
    assert value(db, "select count(*) from chronicle.events") == 0


# The contract with the SQL


@pytest.mark.parametrize(
    ("call", "model"),
    [
        ("snapshot_table(null)", SnapshotProgress),
        ("import_events(null, null)", ImportProgress),
    ],
)
def test_fields_are_what_the_function_returns(db: Connection, call: str, model: type[Any]) -> None:
    # The function is not executed.
    columns = run(db, f"select * from chronicle.{call} where false").description or ()
    assert [field.name for field in fields(model)] == [column.name for column in columns]
