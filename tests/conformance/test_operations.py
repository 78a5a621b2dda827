"""Conformance, cases 60 to 69 as far as the log goes: it is enabled, interrupted and written to by
many at once. README.md says which test holds which case."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ask import row, rows, sqlstate, value, values
from capturing import ITEM, changes, make, track
from support import Connection, Database


def moment(db: Connection) -> Any:
    return value(db, "select clock_timestamp()")


def test_an_interruption_of_tracking_is_not_passed_over_in_silence(db: Connection) -> None:
    """Case 61: rows that changed while tracking was off."""
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1), (2, 'b', 2)")
    before = moment(db)
    db.execute("select chronicle.disable_tracking('public.item')")
    db.execute("update public.item set name = 'unseen' where id = 1")
    db.execute("delete from public.item where id = 2")
    db.execute("insert into public.item values (3, 'unseen', 3)")
    meanwhile = moment(db)
    track(db)
    resumed = moment(db)
    db.execute("update public.item set name = 'seen' where id = 1")
    # Since then all is known; before, it can not be told what was.
    now = [(1, "seen"), (3, "unseen")]
    query = "select id, name from chronicle.rows_as_of(null::public.item, %s) order by id"
    assert rows(db, query, (moment(db),)) == now
    assert rows(db, query, (resumed,)) == [(1, "unseen"), (3, "unseen")]
    for at in (before, meanwhile):
        assert sqlstate(db, query, (at,)) == "ZC007"
    history = rows(
        db,
        """
        select action, new_values ->> 'name', is_complete
        from chronicle.record_history('public.item', '1')
        """,
    )
    assert history[-1] == ("UPDATE", "seen", True)
    assert [each[0] for each in history] == ["INSERT", "UPDATE"]


def test_tracking_that_is_enabled_again_without_an_interruption_keeps_the_history(
    db: Connection,
) -> None:
    """Case 60: neither enabling twice nor other options make a gap."""
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    at = moment(db)
    track(db)
    track(db, "_capture => 'full'")
    db.execute("update public.item set name = 'b'")
    track(db)
    db.execute("update public.item set name = 'c'")
    assert value(db, "select chronicle.record_as_of('public.item', '1', %s) ->> 'name'", (at,)) == (
        "a"
    )
    assert [each[2:4] for each in changes(db)[1:]] == [
        ({"id": 1, "name": "a", "price": 1}, {"id": 1, "name": "b", "price": 1}),
        ({"name": "b"}, {"name": "c"}),
    ]


def test_options_that_change_while_others_write_lose_nothing(database: Database) -> None:
    """Case 66: capture is written anew beneath writers, as an upgrade does."""
    installer = database.connect(autocommit=True)
    make(installer, "id serial primary key, writer integer, n integer")
    installer.execute("insert into public.item (writer, n) values (1, 0), (2, 0), (3, 0), (4, 0)")
    sessions = [database.connect(autocommit=True) for _ in range(4)]
    done = threading.Event()

    def write(writer: int) -> int:
        session = sessions[writer - 1]
        count = 0
        while not done.is_set() or count < 20:
            session.execute("update public.item set n = n + 1 where writer = %s", (writer,))
            count += 1
        return count

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, number) for number in range(1, 5)]
        try:
            for capture in ("full", "changes") * 4:
                track(installer, f"_capture => '{capture}'")
        finally:
            done.set()
        counts = [each.result(60) for each in writers]
    steps = rows(
        installer,
        """
        select i.writer, (c.old_values ->> 'n')::integer, (c.new_values ->> 'n')::integer
        from chronicle.row_changes as c inner join public.item as i on i.id::text = c.record_id
        where c.action = 'UPDATE' order by i.writer, c.seq
        """,
    )
    assert steps == [
        (writer, n, n + 1) for writer, count in enumerate(counts, 1) for n in range(count)
    ]


def test_a_reader_who_goes_by_transactions_skips_none_that_commits_late(
    database: Database,
) -> None:
    """Case 68: two writers commit in the reverse order. seq says in which order things were
    recorded; what is behind the oldest transaction that still runs does not change any more."""
    installer = database.connect(autocommit=True)
    make(installer, ITEM)
    first, second = database.connect(), database.connect()
    first.execute("insert into public.item values (1, 'first', 1)")
    second.execute("insert into public.item values (2, 'second', 2)")
    second.commit()
    # By seq alone, the second one would be read, and the first one skipped for ever.
    assert values(installer, "select record_id from chronicle.row_changes") == ["2"]
    assert read_up_to_the_horizon(installer, 0)[0] == []
    first.commit()
    found: list[str] = []
    horizon = 0
    # Transactions of other databases hold it back as well.
    deadline = time.monotonic() + 60
    while len(found) < 2:
        assert time.monotonic() < deadline
        more, horizon = read_up_to_the_horizon(installer, horizon)
        found += more
    assert found == ["1", "2"]


def read_up_to_the_horizon(reader: Connection, seen: int) -> tuple[list[str], int]:
    """What was recorded since by transactions that are older than any that runs, and their end."""
    (horizon, found) = row(
        reader,
        """
        with horizon as (
            select (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint as below
        )
        select h.below, array(
            select c.record_id from chronicle.row_changes as c
            where c.transaction_id >= %s and c.transaction_id < h.below
            order by c.seq
        )
        from horizon as h
        """,
        (seen,),
    )
    return found, horizon


def test_fifty_writers_at_once_lose_nothing(database: Database) -> None:
    """Case 69: each step of each record is there once, and follows the one before."""
    writers, rounds = 50, 10
    installer = database.connect(autocommit=True)
    make(installer, "id integer primary key, n integer")
    installer.execute("insert into public.item select g, 0 from generate_series(1, 5) as g")
    sessions = [database.connect() for _ in range(writers)]
    barrier = threading.Barrier(writers)

    def write(number: int) -> None:
        session = sessions[number]
        barrier.wait(30)
        for step in range(rounds):
            session.execute(
                "update public.item set n = n + 1 where id = %s", ((number + step) % 5 + 1,)
            )
            session.commit()

    with ThreadPoolExecutor(writers) as pool:
        for each in [pool.submit(write, number) for number in range(writers)]:
            each.result(60)
    steps = writers * rounds // 5
    assert rows(
        installer,
        """
        select record_id::integer, (old_values ->> 'n')::integer, (new_values ->> 'n')::integer
        from chronicle.row_changes where action = 'UPDATE' order by record_id::integer, seq
        """,
    ) == [(id_, n, n + 1) for id_ in range(1, 6) for n in range(steps)]
    assert row(
        installer,
        """
        select count(*) = count(distinct seq), count(*) = count(distinct event_id)
        from chronicle.events
        """,
    ) == (True, True)
