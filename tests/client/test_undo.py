"""The client undoes: changes and transactions, as the caller's own."""

import uuid
from typing import Any

import psycopg
import pytest

from ask import rows, run, values
from pgchronicle import Chronicle
from pgchronicle.errors import (
    ActorRequiredError,
    ChronicleError,
    NotFoundError,
    RevertConflictError,
)
from support import Connection, Database, acting_as


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


def last_change(log: Chronicle) -> Any:
    return log.row_changes(table="orders", limit=1).row_changes[0]


def test_change_is_undone_and_recorded_under_its_parent(db: Connection) -> None:
    log = track(db, "orders", "id integer primary key, note text")
    run(db, "insert into orders values (1, 'a')")
    run(db, "update orders set note = 'b'")
    event_id = values(db, "select event_id from chronicle.events order by seq desc limit 1")[0]
    planned = log.revert_event(event_id, dry_run=True)
    assert rows(db, "select * from orders") == [(1, "b")]
    assert log.revert_event(str(event_id)) == planned
    assert rows(db, "select * from orders") == [(1, "a")]
    (revert,) = log.events(action="chronicle.revert").events
    assert revert.parent_event_id == event_id
    (undone,) = log.events(parent_event_id=revert.event_id).events
    assert (undone.action, undone.details_after) == ("orders.update", {"note": "a"})


def test_transaction_is_undone_whole(database: Database) -> None:
    connection = database.connect(autocommit=True)
    log = track(connection, "orders", "id integer primary key, note text")
    run(connection, "insert into orders values (1, 'a'), (2, 'a')")
    with connection.transaction():
        run(connection, "update orders set note = 'b' where id = 1")
        run(connection, "delete from orders where id = 2")
        run(connection, "insert into orders values (3, 'c')")
    change = last_change(log)
    (event,) = (each for each in log.events().events if each.event_id == change.event_id)
    planned = log.revert_transaction(change.transaction_id, dry_run=True)
    assert len(rows(connection, "select from orders")) == 2
    assert log.revert_transaction(change.transaction_id, epoch=event.epoch) == planned
    assert rows(connection, "select * from orders order by id") == [(1, "a"), (2, "a")]
    with pytest.raises(NotFoundError):
        log.revert_transaction(change.transaction_id, epoch=event.epoch + 1)


def test_transaction_that_changed_nothing_in_the_end_needs_no_undo(database: Database) -> None:
    connection = database.connect(autocommit=True)
    log = track(connection, "orders", "id integer primary key")
    with connection.transaction():
        run(connection, "insert into orders values (1)")
        run(connection, "delete from orders")
    assert log.revert_transaction(last_change(log).transaction_id) is None
    assert log.events(action="chronicle.revert").events == []


def test_undo_is_the_callers_to_commit(database: Database) -> None:
    connection = database.connect()
    log = track(connection, "orders", "id integer primary key")
    run(connection, "insert into orders values (1)")
    connection.commit()
    log.revert_event(last_change(log).event_id)
    connection.rollback()
    assert values(connection, "select id from orders") == [1]


def test_row_that_was_changed_since_is_a_conflict(log: Chronicle, db: Connection) -> None:
    run(db, "insert into orders values (8, 'a', 1)")
    inserted = last_change(log).event_id
    run(db, "update orders set note = 'b' where id = 8")
    with pytest.raises(RevertConflictError) as refused, db.transaction():
        log.revert_event(inserted)
    assert refused.value.sqlstate == "ZC008"
    assert refused.value.hint


def test_what_is_not_there_can_not_be_undone(log: Chronicle, db: Connection) -> None:
    with pytest.raises(ChronicleError), db.transaction():
        log.revert_event(uuid.UUID(int=7))
    with pytest.raises(NotFoundError), db.transaction():
        log.revert_transaction(1)


def test_change_without_an_actor_is_refused_where_one_is_required(db: Connection) -> None:
    run(db, "create table orders (id integer primary key)")
    log = Chronicle(db)
    log.enable_tracking("orders", require_actor=True)
    run(db, "grant insert on orders to app")
    # The statement is the application's, and so is its error.
    with acting_as(db, "app"), pytest.raises(psycopg.Error) as refused, db.transaction():
        run(db, "insert into orders values (1)")
    assert refused.value.sqlstate == "ZC006"
    with log.context(actor_type="user", actor_id="ada"):
        run(db, "insert into orders values (1)")
    with pytest.raises(ActorRequiredError), db.transaction():
        log.revert_event(last_change(log).event_id)
