"""The client on the past: what became of a record, and how things stood."""

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import scalar_row, tuple_row

from ask import run
from pgchronicle import Chronicle, RecordChange, RefreshedTable
from pgchronicle.errors import (
    ChronicleError,
    HistoryIncompleteError,
    NotTrackedError,
    WrongFieldError,
)
from support import Connection, Database

ALWAYS = datetime(2100, 1, 1, tzinfo=UTC)


def track(db: Connection, table: str, columns: str) -> Chronicle:
    """A client, of a new tracked table."""
    run(db, f"create table {table} ({columns})")
    log = Chronicle(db)
    log.enable_tracking(table)
    return log


@pytest.fixture
def log(db: Connection) -> Chronicle:
    """A client, of a table orders in which record 7 came, was changed and went."""
    log = track(db, "orders", "id integer primary key, note text, total numeric")
    run(db, "insert into orders values (7, 'new', 1.50)")
    run(db, "update orders set note = 'paid' where id = 7")
    run(db, "delete from orders where id = 7")
    return log


# History


def test_history_has_whole_rows_oldest_first(log: Chronicle) -> None:
    history = log.record_history("orders", 7)
    new = {"id": 7, "note": "new", "total": Decimal("1.50")}
    assert [
        (change.action, change.old_values, change.new_values, change.changed_columns)
        for change in history
    ] == [
        ("INSERT", None, new, None),
        ("UPDATE", new, new | {"note": "paid"}, ["note"]),
        ("DELETE", new | {"note": "paid"}, None, None),
    ]
    assert str((history[0].new_values or {})["total"]) == "1.50"
    assert {(c.record_id, c.is_complete, c.origin) for c in history} == {("7", True, "captured")}
    assert [c.event_id for c in history] == [
        c.event_id for c in reversed(log.row_changes(table="orders", record_id=7).row_changes)
    ]


def test_history_of_a_record_that_never_was_is_empty(log: Chronicle) -> None:
    assert log.record_history("orders", 8) == []
    assert log.record_as_of("orders", 8, ALWAYS) is None


@pytest.mark.parametrize(
    "key",
    [
        {"at": "09:00:00", "is_late": True, "no": 7},
        {"no": Decimal("7"), "is_late": True, "at": "09:00:00"},
        '{"at": "09:00:00", "no": "7", "is_late": "t"}',
    ],
    ids=["mapping", "in another order", "as recorded"],
)
def test_key_of_several_columns_is_a_mapping(db: Connection, key: Any) -> None:
    columns = "no integer, is_late boolean, at time, primary key (is_late, at, no)"
    log = track(db, "runs", columns)
    run(db, "insert into runs values (7, true, '09:00'), (7, false, '09:00')")
    recorded = '{"at": "09:00:00", "no": "7", "is_late": "t"}'
    assert [change.record_id for change in log.record_history("runs", key)] == [recorded]
    assert log.record_as_of("runs", key, ALWAYS) == {"no": 7, "is_late": True, "at": "09:00:00"}


def test_history_follows_a_changed_key(db: Connection) -> None:
    log = track(db, "orders", "id integer primary key, note text")
    run(db, "insert into orders values (1, 'a')")
    run(db, "update orders set id = 2 where id = 1")
    run(db, "update orders set note = 'b' where id = 2")
    for record_id in (1, 2):
        history = log.record_history("orders", record_id)
        assert [(c.action, c.old_values, c.new_values) for c in history] == [
            ("INSERT", None, {"id": 1, "note": "a"}),
            ("UPDATE", {"id": 1, "note": "a"}, {"id": 2, "note": "a"}),
            ("UPDATE", {"id": 2, "note": "a"}, {"id": 2, "note": "b"}),
        ]


# As of


def committed(database: Database) -> tuple[Chronicle, list[datetime]]:
    """A client, of a table in which each change is a transaction; and when each was made."""
    connection = database.connect(autocommit=True)
    log = track(connection, "orders", "id integer primary key, note text, total numeric")
    for statement in (
        "insert into orders values (3, 'new', 3)",
        "insert into orders values (7, 'new', 1.50)",
        "update orders set total = 1.5 where id = 7",
        "delete from orders where id = 7",
    ):
        run(connection, statement)
    times = [change.occurred_at for change in log.record_history("orders", 7)]
    return log, times


def test_record_is_as_it_stood(database: Database) -> None:
    log, (inserted, updated, deleted) = committed(database)
    stood = [log.record_as_of("orders", 7, at) for at in (inserted, updated, deleted)]
    assert [str(record and record["total"]) for record in stood] == ["1.50", "1.5", "None"]
    assert stood[0] == {"id": 7, "note": "new", "total": Decimal("1.50")}
    assert stood[2] is None


def test_rows_are_as_they_stood_and_typed(database: Database) -> None:
    log, (inserted, _, deleted) = committed(database)
    first = {"id": 3, "note": "new", "total": Decimal("3")}
    second = {"id": 7, "note": "new", "total": Decimal("1.50")}
    assert log.rows_as_of("orders", inserted, order_by=["id"]) == [first, second]
    assert log.rows_as_of("orders", deleted) == [first]
    assert log.rows_as_of("orders", inserted, order_by=("note", "id"), limit=1) == [first]
    tuples = log.rows_as_of("orders", deleted, row_factory=tuple_row)
    assert tuples == [(3, "new", Decimal("3"))]
    assert log.rows_as_of("orders", inserted, order_by=["id"], row_factory=scalar_row) == [3, 7]


def test_table_with_a_name_that_needs_quotes_is_read_whatever_the_search_path(
    db: Connection,
) -> None:
    name, column = 'We "ird.%s; drop', 'a "b" %s'
    table = sql.Identifier("public", name)
    create = sql.SQL("create table {} ({} integer primary key)")
    db.execute(create.format(table, sql.Identifier(column)))
    log = Chronicle(db)
    log.enable_tracking(table)
    db.execute(sql.SQL("insert into {} values (2), (1)").format(table))
    run(db, "set local search_path = pg_catalog")
    quoted = table.as_string(None)
    for named in (table, quoted):
        assert log.rows_as_of(named, ALWAYS, order_by=[column]) == [{column: 1}, {column: 2}]
        assert log.record_as_of(named, 1, ALWAYS) == {column: 1}
        assert len(log.record_history(named, 2)) == 1


def test_name_cannot_smuggle_in_sql(log: Chronicle, db: Connection) -> None:
    for name in ("orders, now()); select (1", "orders) --", "public.orders; drop table orders"):
        with pytest.raises((psycopg.Error, ChronicleError)), db.transaction():
            log.rows_as_of(name, ALWAYS)
    with pytest.raises(psycopg.errors.UndefinedColumn), db.transaction():
        log.rows_as_of("orders", ALWAYS, order_by=["id; drop table orders"])
    assert log.rows_as_of("orders", ALWAYS) == []


def test_time_before_tracking_is_refused_not_guessed(log: Chronicle, db: Connection) -> None:
    before = datetime(2000, 1, 1, tzinfo=UTC)
    ask: list[Callable[[], object]] = [
        lambda: log.record_as_of("orders", 7, before),
        lambda: log.rows_as_of("orders", before),
    ]
    for each in ask:
        with pytest.raises(HistoryIncompleteError) as refused, db.transaction():
            each()
        assert refused.value.sqlstate == "ZC007"


def test_time_needs_a_zone(log: Chronicle) -> None:
    naive = datetime(2026, 1, 1)
    with pytest.raises(WrongFieldError, match="at has no time zone"):
        log.record_as_of("orders", 7, naive)
    with pytest.raises(WrongFieldError, match="at has no time zone"):
        log.rows_as_of("orders", naive)


def test_table_that_is_not_tracked_has_no_past(log: Chronicle, db: Connection) -> None:
    run(db, "create table other (id integer primary key)")
    ask: list[Callable[[], object]] = [
        lambda: log.record_history("other", 1),
        lambda: log.record_as_of("other", 1, ALWAYS),
        lambda: log.rows_as_of("other", ALWAYS),
        lambda: log.refresh_tracking("other"),
    ]
    for each in ask:
        with pytest.raises(NotTrackedError), db.transaction():
            each()


# The contract with the SQL


@pytest.mark.parametrize(
    ("call", "model"),
    [
        ("record_history(null, null)", RecordChange),
        ("refresh_tracking(null)", RefreshedTable),
    ],
)
def test_fields_are_what_the_function_returns(db: Connection, call: str, model: type[Any]) -> None:
    # The function is not executed.
    columns = run(db, f"select * from chronicle.{call} where false").description or ()
    assert [field.name for field in fields(model)] == [column.name for column in columns]
