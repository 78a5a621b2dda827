"""What random sequences have found, in as few statements as show it."""

from ask import row, rows, run, value
from capturing import track
from support import Connection, Database


def session_with(database: Database, columns: str) -> Connection:
    """A session whose statements commit, and the table item, tracked."""
    session = database.connect(autocommit=True)
    run(session, f"create table public.item ({columns})")
    track(session)
    return session


def revert_last(session: Connection) -> None:
    """Takes back the transaction that has changed a row last."""
    session.execute(
        """
        select chronicle.revert_transaction(r.transaction_id)
        from chronicle.row_changes as r order by r.seq desc limit 1
        """
    )


def now(session: Connection) -> object:
    return value(session, "select clock_timestamp()")


def test_rows_that_had_each_others_keys_before_they_went_come_back(database: Database) -> None:
    session = session_with(database, "id integer primary key, name text")
    session.execute("insert into public.item values (2, 'a'), (3, 'b')")
    with session.transaction():
        session.execute("update public.item set id = 1 where id = 2")
        session.execute("update public.item set id = 2 where id = 3")
        session.execute("delete from public.item where id in (1, 2)")
    revert_last(session)
    assert rows(session, "select * from public.item order by id") == [(2, "a"), (3, "b")]


def test_a_row_that_was_put_in_the_place_of_another_is_taken_back(database: Database) -> None:
    session = session_with(database, "id integer primary key, name text")
    session.execute("insert into public.item values (3, 'a')")
    with session.transaction():
        session.execute("delete from public.item")
        session.execute("insert into public.item values (3, 'b')")
    revert_last(session)
    assert rows(session, "select * from public.item") == [(3, "a")]


def test_undo_restores_the_scale_of_a_number(database: Database) -> None:
    session = session_with(database, "id integer primary key, name text, price numeric")
    session.execute("insert into public.item values (1, 'a', 1.0)")
    session.execute("update public.item set name = 'b', price = 1.00")
    revert_last(session)
    assert row(session, "select name, price::text from public.item") == ("a", "1.0")


def test_transactions_are_taken_back_one_after_another(database: Database) -> None:
    session = session_with(database, "id integer primary key, name text")
    ids: list[int] = []
    for statement in (
        "insert into public.item values (1, 'a')",
        "update public.item set name = 'b'",
        "update public.item set name = 'a'",
        "delete from public.item",
    ):
        with session.transaction():
            run(session, statement)
            ids.append(value(session, "select pg_current_xact_id()::text::bigint"))
    for id_, left in zip(reversed(ids), ([(1, "a")], [(1, "b")], [(1, "a")], []), strict=True):
        session.execute("select chronicle.revert_transaction(%s)", (id_,))
        assert rows(session, "select * from public.item") == left


def test_a_column_that_is_renamed_unnoticed_after_another_went_keeps_its_past(
    database: Database,
) -> None:
    session = session_with(database, "id integer primary key, name text, price numeric")
    session.execute("alter table public.item drop column price")
    session.execute("insert into public.item values (1, 'before')")
    moment = now(session)
    session.execute("update public.item set name = 'after'")
    session.execute("alter table public.item rename column name to title")
    past = "select * from chronicle.rows_as_of(null::public.item, %s)"
    assert rows(session, past, (moment,)) == [(1, "before")]
    session.execute("select chronicle.refresh_tracking()")
    assert rows(session, past, (moment,)) == [(1, "before")]


def test_a_column_that_came_and_went_unnoticed_is_not_in_the_way(database: Database) -> None:
    session = session_with(database, "id integer primary key, name text")
    session.execute("insert into public.item values (1, 'a')")
    moment = now(session)
    session.execute("alter table public.item add column price numeric default 1")
    session.execute("update public.item set name = 'b'")
    session.execute("alter table public.item drop column price")
    session.execute("update public.item set name = 'c'")
    past = "select * from chronicle.rows_as_of(null::public.item, %s)"
    assert rows(session, past, (moment,)) == [(1, "a")]
