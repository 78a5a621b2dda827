"""The stream gives every committed event exactly once, and those of a record in the order of its
changes, whatever the sessions do that write them. Here they are stepped by hand."""

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from operator import attrgetter
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel
from psycopg_pool import ConnectionPool

from ask import rows, run, value, values, wait_until_blocked
from capturing import track
from faults.readers import ClientReader, ColumnReader, StreamReader
from faults.standby import standby_of, wait_for_replay
from faults.storm import Storm
from streaming import Consumer, log, migrated_database, quiet_cluster, take_id
from support import Cluster, Connection, Database

READ_COMMITTED = IsolationLevel.READ_COMMITTED
REPEATABLE_READ = IsolationLevel.REPEATABLE_READ
SERIALIZABLE = IsolationLevel.SERIALIZABLE

at_every_isolation = pytest.mark.parametrize(
    "isolation", [READ_COMMITTED, REPEATABLE_READ, SERIALIZABLE], ids=attrgetter("name")
)


@pytest.fixture(scope="module")
def alone() -> Iterator[Cluster]:
    """A server of this module's."""
    with quiet_cluster() as cluster:
        yield cluster


@pytest.fixture
def log_database(alone: Cluster, database_names: Iterator[str]) -> Iterator[Database]:
    """A database on it, in which the table public.item is tracked and app may write to it."""
    for database in migrated_database(alone, next(database_names)):
        owner = database.connect(autocommit=True)
        owner.execute("create table public.item (id integer primary key, version integer)")
        owner.execute("insert into public.item values (1, 0), (2, 0)")
        owner.execute("grant all on public.item to app")
        track(owner)
        yield database


@pytest.fixture
def consumer(log_database: Database) -> Consumer:
    """Reads the stream from where it stands when the test begins."""
    auditor = log_database.connect("auditor", autocommit=True)
    return Consumer(auditor, cursor=value(auditor, "select chronicle.stream_head()"))


def writers(
    database: Database, count: int, isolation: IsolationLevel = READ_COMMITTED
) -> list[Connection]:
    """Sessions of the application."""
    sessions = [database.connect("app") for _ in range(count)]
    for session in sessions:
        session.isolation_level = isolation
    return sessions


def item_changes(session: Connection) -> list[Any]:
    """What was recorded of the table item, in the order of seq."""
    return rows(
        session,
        """
        select seq, resource_id, details_before, details_after
        from chronicle.events where table_id is not null and resource_id is not null order by seq
        """,
    )


def of_items(events: list[Any]) -> list[Any]:
    """What a consumer got of the table item, in the order in which it came."""
    return [
        (each.seq, each.resource_id, each.details_before, each.details_after)
        for each in events
        if each.table_id is not None and each.resource_id is not None
    ]


# Commits out of order.


@at_every_isolation
def test_what_is_committed_before_an_older_transaction_waits_for_it(
    log_database: Database, consumer: Consumer, isolation: IsolationLevel
) -> None:
    older, younger = writers(log_database, 2, isolation)
    log(older, "a")
    log(younger, "b")
    younger.commit()
    assert consumer.names() == []
    log(older, "c")
    older.commit()
    came = consumer.names()
    came.remove("read b")
    assert came == ["read a", "read c"]
    assert consumer.names() == []


def test_what_is_rolled_back_never_comes_and_sets_the_others_free(
    log_database: Database, consumer: Consumer
) -> None:
    older, younger = writers(log_database, 2)
    log(older, "a")
    log(younger, "b")
    younger.commit()
    older.rollback()
    assert consumer.names() == ["read b"]


def test_a_session_that_ends_in_its_transaction_sets_the_others_free(
    log_database: Database, consumer: Consumer
) -> None:
    older, younger = writers(log_database, 2)
    log(older, "a")
    log(younger, "b")
    younger.commit()
    with log_database.connect(log_database.cluster.superuser, autocommit=True) as superuser:
        superuser.execute("select pg_terminate_backend(%s, 30000)", (older.info.backend_pid,))
    assert consumer.names() == ["read b"]


def test_an_id_that_is_taken_early_and_used_late_is_waited_for(
    log_database: Database, consumer: Consumer
) -> None:
    early, other = writers(log_database, 2)
    take_id(early)
    for name in ("a", "b"):
        log(other, name)
        other.commit()
        assert consumer.names() == []
    log(early, "c")
    early.commit()
    assert sorted(consumer.names()) == ["read a", "read b", "read c"]


def test_an_id_that_a_rolled_back_savepoint_took_is_waited_for(
    log_database: Database, consumer: Consumer
) -> None:
    early, other = writers(log_database, 2)
    early.execute("savepoint s")
    log(early, "undone")
    early.execute("rollback to s")
    log(other, "a")
    other.commit()
    assert consumer.names() == []
    log(early, "b")
    early.commit()
    assert sorted(consumer.names()) == ["read a", "read b"]


def test_of_savepoints_only_what_was_kept_comes(log_database: Database, consumer: Consumer) -> None:
    (session,) = writers(log_database, 1)
    log(session, "a")
    for name in ("b", "c", "d"):
        session.execute("savepoint s")
        log(session, name)
        session.execute("savepoint t")
        log(session, name + "'")
        session.execute("rollback to t" if name == "b" else "release t")
        session.execute("rollback to s" if name == "c" else "release s")
    log(session, "e")
    session.commit()
    assert consumer.names() == [f"read {name}" for name in ("a", "b", "d", "d'", "e")]


def test_more_savepoints_than_the_server_keeps_in_mind_lose_nothing(
    log_database: Database, consumer: Consumer
) -> None:
    """Beyond 64 of them, a snapshot no longer names each."""
    many, other = writers(log_database, 2)
    kept: list[str] = []
    for number in range(100):
        many.execute("savepoint s")
        log(many, number)
        if number % 3:
            many.execute("release s")
            kept.append(f"read {number}")
        else:
            many.execute("rollback to s")
        if number == 70:
            log(other, "other")
            other.commit()
            assert consumer.names() == []
    many.commit()
    came = consumer.names()
    came.remove("read other")
    assert came == kept


@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_a_prepared_transaction_is_waited_for_whoever_ends_it(
    log_database: Database, consumer: Consumer, ends: str
) -> None:
    preparing, other = writers(log_database, 2)
    log(preparing, "a")
    run(preparing, "update public.item set version = 1 where id = 1")
    preparing.execute("prepare transaction 'p'")
    preparing.close()
    log(other, "b")
    other.commit()
    assert consumer.names() == []
    with log_database.connect("app", autocommit=True) as later:
        run(later, f"{ends} prepared 'p'")
    came = {"commit": ["read a", "update 1", "read b"], "rollback": ["read b"]}
    assert consumer.names() == came[ends]


def test_a_transaction_that_writes_in_another_database_holds_back_and_loses_nothing(
    log_database: Database, consumer: Consumer
) -> None:
    elsewhere = psycopg.connect(log_database.cluster.dsn("postgres"))
    take_id(elsewhere)
    (session,) = writers(log_database, 1)
    log(session, "a")
    session.commit()
    assert consumer.names() == []
    elsewhere.rollback()
    elsewhere.close()
    assert consumer.names() == ["read a"]


def test_who_only_reads_holds_nothing_back(log_database: Database, consumer: Consumer) -> None:
    (reader,) = writers(log_database, 1, SERIALIZABLE)
    assert value(reader, "select count(*) from public.item") == 2
    (session,) = writers(log_database, 1)
    log(session, "a")
    session.commit()
    assert consumer.names() == ["read a"]


# The order of a record.


def test_what_is_over_comes_at_once_though_nothing_follows(
    log_database: Database, consumer: Consumer
) -> None:
    """On a server that has gone quiet nobody takes the next transaction id."""
    early, other = writers(log_database, 2)
    take_id(early)
    run(other, "update public.item set version = 1 where id = 1")
    other.commit()
    run(early, "update public.item set version = 2 where id = 1")
    early.commit()
    assert consumer.names() == ["update 1", "update 1"]


ACTS = {
    "update": (
        "update public.item set version = 1 where id = 1",
        "update public.item set version = 2 where id = 1",
    ),
    "update of many": (
        "update public.item set version = version + 1",
        "update public.item set version = version + 1",
    ),
    "delete": (
        "update public.item set version = 1 where id = 1",
        "delete from public.item where id = 1",
    ),
    "insert after delete": (
        "delete from public.item where id = 1",
        "insert into public.item values (1, 2)",
    ),
    "upsert": (
        "insert into public.item values (3, 1)",
        "insert into public.item values (3, 2) on conflict (id) do update set version = 2",
    ),
    "new key": (
        "update public.item set id = 7 where id = 1",
        "update public.item set id = 1 where id = 7",
    ),
    "truncate": ("update public.item set version = 1", "truncate public.item"),
    "snapshot": (
        "update public.item set version = 1",
        "select * from chronicle.snapshot_table('public.item')",
    ),
    "undo": (
        "update public.item set version = 1 where id = 1",
        """
        select chronicle.revert_event((
            select event_id from chronicle.row_changes where action = 'UPDATE'
        ))
        """,
    ),
}
"""What one session does to a record, and then the other."""


@pytest.mark.parametrize("act", ACTS)
def test_a_record_keeps_its_order_though_the_ids_of_its_writers_have_another(
    log_database: Database, consumer: Consumer, act: str
) -> None:
    first, second = ACTS[act]
    # The owner, since not everybody may do all of it.
    late, between, soon = (log_database.connect() for _ in range(3))
    before = item_changes(log_database.connect())
    assert take_id(late) < take_id(between) < take_id(soon)
    run(soon, first)
    soon.commit()
    run(late, second)
    late.commit()
    came = consumer.drain()
    between.commit()
    came += consumer.drain()
    recorded = item_changes(log_database.connect())[len(before) :]
    assert of_items(came) == recorded
    assert len(recorded) > 1


def test_a_record_keeps_its_order_where_its_second_writer_waited_for_the_first(
    log_database: Database, consumer: Consumer
) -> None:
    """The second statement began before the first transaction was over."""
    late, between, soon = writers(log_database, 3)
    take_id(late)
    take_id(between)
    update = "update public.item set version = version + 1 where id = 1"
    with ThreadPoolExecutor(1) as thread:
        run(soon, update)
        waits = thread.submit(run, late, update)
        wait_until_blocked(consumer.connection, late, soon)
        soon.commit()
        waits.result(30)
    late.commit()
    came = consumer.drain()
    between.commit()
    came += consumer.drain()
    assert [(each.details_before, each.details_after) for each in came] == [
        ({"version": 0}, {"version": 1}),
        ({"version": 1}, {"version": 2}),
    ]


def test_a_record_keeps_its_order_through_a_chain_of_writers(
    log_database: Database, consumer: Consumer
) -> None:
    """Each took its id before the one that writes before it, and a stranger's lies between."""
    sessions = writers(log_database, 9)
    for session in sessions:
        take_id(session)
    came: list[Any] = []
    for session in reversed(sessions[::2]):
        run(session, "update public.item set version = version + 1 where id = 1")
        session.commit()
        came += consumer.drain()
    for session in sessions[1::2]:
        session.rollback()
        came += consumer.drain()
    assert [each.details_after for each in came] == [{"version": n} for n in range(1, 6)]


def test_a_key_that_came_back_may_change_places_under_repeatable_read_and_nothing_is_lost(
    log_database: Database, consumer: Consumer
) -> None:
    """The limit of the order: who inserts by an old snapshot a key that was deleted since does not
    see that the other is over. By seq, which the history goes by, they are in order."""
    old, other = writers(log_database, 2, REPEATABLE_READ)
    take_id(old)
    run(other, "delete from public.item where id = 1")
    other.commit()
    run(old, "insert into public.item values (1, 7)")
    old.commit()
    came = consumer.drain()
    assert [each.action_type for each in came] == ["create", "delete"]
    assert [each.action_type for each in sorted(came, key=attrgetter("seq"))] == [
        *("delete", "create")
    ]
    assert consumer.names() == []


# Who reads.


@pytest.mark.parametrize("isolation", [REPEATABLE_READ, SERIALIZABLE], ids=attrgetter("name"))
def test_a_consumer_with_one_snapshot_goes_by_it_and_goes_on_from_there(
    log_database: Database, isolation: IsolationLevel
) -> None:
    auditor = log_database.connect("auditor")
    auditor.isolation_level = isolation
    consumer = Consumer(auditor, cursor=value(auditor, "select chronicle.stream_head()"))
    auditor.commit()
    older, younger = writers(log_database, 2, isolation)
    log(older, "a")
    log(younger, "b")
    younger.commit()
    assert consumer.names() == []
    older.commit()
    log(younger, "c")
    younger.commit()
    assert consumer.names() == []
    auditor.commit()
    assert consumer.names() == ["read a", "read b", "read c"]


@at_every_isolation
def test_a_consumer_that_writes_gets_its_own_when_its_transaction_is_over(
    log_database: Database, isolation: IsolationLevel
) -> None:
    """The owner may do both."""
    session = log_database.connect()
    session.isolation_level = isolation
    consumer = Consumer(session, cursor=value(session, "select chronicle.stream_head()"))
    session.commit()
    (other,) = writers(log_database, 1)
    log(other, "a")
    other.commit()
    assert consumer.names() == ["read a"]
    log(session, "b")
    assert consumer.names() == []
    with session.transaction():
        log(session, "c")
        assert consumer.names() == []
    log(other, "d")
    other.commit()
    log(session, "e")
    assert consumer.names() == []
    session.commit()
    came = consumer.names()
    came.remove("read d")
    assert came == ["read b", "read c", "read e"]
    assert consumer.names() == []


@pytest.mark.parametrize("limit", [999, 1000, 4096, 9_999, 10_000, 10_001, 100_000])
def test_a_transaction_of_many_events_is_cut_anywhere(
    log_database: Database, consumer: Consumer, limit: int
) -> None:
    before, many, after = writers(log_database, 3)
    log(before, "before")
    before.commit()
    run(many, "insert into public.item select n, 0 from generate_series(11, 10010) as n")
    log(many, "within")
    many.commit()
    log(after, "after")
    after.commit()
    expected = [
        "read before",
        *(f"create {number}" for number in range(11, 10_011)),
        "read within",
        "read after",
    ]
    consumer.limit = limit
    polls: list[int] = []
    names: list[str] = []
    while found := consumer.poll():
        polls.append(len(found))
        names += [f"{each.action_type} {each.resource_id}" for each in found]
    assert names == expected
    whole, rest = divmod(len(expected), limit)
    assert polls == [limit] * whole + [rest] * (rest > 0)


def test_an_administrator_of_a_tenant_gets_its_events_each_once(log_database: Database) -> None:
    owner = log_database.connect(autocommit=True)
    owner.execute("select chronicle.add_administrator('reader_a', 'acme')")
    reader = log_database.connect("reader_a", autocommit=True)
    consumer = Consumer(reader, 2, value(reader, "select chronicle.stream_head()"))
    older, younger = writers(log_database, 2)
    came: list[Any] = []
    for turn in range(6):
        for session in (older, younger):
            for organization in ("acme", "other", None):
                session.execute(
                    """
                    select chronicle.log_audit_event(
                        _organization_id => %s, _actor_type => 'user', _action_type => 'read',
                        _resource_type => 'page', _resource_id => %s::text
                    )
                    """,
                    (organization, str(turn)),
                )
        younger.commit()
        came += consumer.drain()
        if turn % 2:
            older.commit()
            came += consumer.drain()
    assert {each.organization_id for each in came} == {"acme"}
    assert sorted(each.event_id for each in came) == sorted(
        values(owner, "select event_id from chronicle.events where organization_id = 'acme'")
    )
    assert len(came) == 12


# On a standby.


@pytest.fixture
def primary(log_database: Database) -> Connection:
    """A superuser's session on the server that is followed."""
    return log_database.connect(log_database.cluster.superuser, autocommit=True)


@contextmanager
def following(database: Database) -> Generator[Database]:
    """The database on a hot standby."""
    with standby_of(database.cluster) as cluster, closing(Database(cluster, database.name)) as it:
        yield it


def test_a_standby_gives_what_the_primary_gives(
    log_database: Database, primary: Connection, consumer: Consumer
) -> None:
    """The transactions that are open on the primary are known to it by what they left in the
    write-ahead log, and by the gaps."""
    first, early, other, preparing, many = writers(log_database, 5)
    take_id(first)
    log(other, "a")
    other.commit()
    with following(log_database) as replica:
        auditor = replica.connect("auditor", autocommit=True)
        follower = Consumer(auditor, cursor=consumer.cursor)

        def names() -> list[str]:
            wait_for_replay(primary, auditor)
            return follower.names()

        assert names() == []
        first.rollback()
        log(other, "b")
        other.commit()
        assert names() == ["read a", "read b"]

        take_id(early)
        log(other, "c")
        other.commit()
        assert names() == []
        log(early, "d")
        early.commit()
        assert sorted(names()) == ["read c", "read d"]

        log(preparing, "e")
        preparing.execute("prepare transaction 'p'")
        for number in range(100):
            many.execute("savepoint s")
            log(many, "f")
            many.execute("rollback to s" if number % 2 else "release s")
        log(other, "g")
        other.commit()
        assert names() == []
        many.commit()
        assert names() == []
        with log_database.connect("app", autocommit=True) as later:
            later.execute("commit prepared 'p'")
        assert sorted(names()) == ["read e", *["read f"] * 50, "read g"]
        assert follower.cursor == consumer.drain()[-1].cursor


def test_a_standby_that_lags_behind_a_cursor_gives_nothing_until_it_gets_there(
    log_database: Database, primary: Connection, consumer: Consumer
) -> None:
    (session,) = writers(log_database, 1)
    with following(log_database) as replica:
        superuser = replica.connect(replica.cluster.superuser, autocommit=True)
        wait_for_replay(primary, superuser)
        superuser.execute("select pg_wal_replay_pause()")
        for name in ("a", "b", "c"):
            log(session, name)
            session.commit()
        assert consumer.names() == ["read a", "read b", "read c"]
        follower = Consumer(replica.connect("auditor", autocommit=True), cursor=consumer.cursor)
        assert follower.names() == []
        superuser.execute("select pg_wal_replay_resume()")
        log(session, "d")
        session.commit()
        wait_for_replay(primary, superuser)
        assert follower.names() == ["read d"]


# All at once.


def out_of_order(events: Sequence[Any]) -> list[str]:
    """The changes that do not begin with what the change of the same record before them has left,
    or have no higher seq; and the events of a transaction that come before one with a lower seq."""
    wrong: list[str] = []
    seqs: dict[object, int] = {}
    versions: dict[object, object] = {}
    for event in events:
        record = (event.table_id, event.resource_id) if event.table_id else event.event_id
        groups = (record, event.transaction_id)
        is_wrong = any(seqs.get(group, 0) >= event.seq for group in groups)
        seqs |= dict.fromkeys(groups, event.seq)
        if event.table_id:
            before, after = (
                image and image["version"] for image in (event.details_before, event.details_after)
            )
            is_wrong |= versions.get(record, before) != before
            versions[record] = after
        if is_wrong:
            wrong.append(f"{event.cursor}: {event.action} of {event.resource_id}")
    return wrong


def test_in_a_storm_every_committed_event_comes_once_and_each_record_in_order(
    log_database: Database,
) -> None:
    auditor = partial(log_database.connect, "auditor")
    streams = [
        StreamReader(auditor, 1),
        StreamReader(auditor, 7, REPEATABLE_READ),
        StreamReader(auditor, 100),
        StreamReader(log_database.connect, 50, logs=100),
    ]
    controls = [
        ColumnReader(log_database.connect("auditor", autocommit=True), column)
        for column in ("event_id", "seq", "occurred_at", "recorded_at")
    ]
    dsn = log_database.dsn("auditor")
    with ConnectionPool[Connection](dsn, min_size=1, max_size=2, open=True) as pool:
        client = ClientReader(pool, 7)
        storm = Storm(log_database, 4, [*streams, client, *controls])
        storm.rage(30)

    asker = auditor(autocommit=True)
    logged = values(asker, "select event_id from chronicle.events where resource_type = 'page'")
    known = [each for stream in streams for each in stream.logged] + storm.ledger.logged
    assert sorted(logged) == sorted(known)
    captured = rows(
        asker,
        """
        select operation_id, count(*) from chronicle.events
        where resource_type = 'item' and operation_id is not null group by operation_id
        """,
    )
    assert dict(captured) == +storm.ledger.captured

    everything = values(asker, "select event_id from chronicle.events")
    for stream in streams:
        came = [each.event_id for each in stream.came]
        assert sorted(came) == sorted(everything), stream.name
        assert came == [each.event_id for each in streams[0].came], stream.name
        assert out_of_order(stream.came) == [], stream.name
    assert client.came == [each.event_id for each in streams[0].came]
    assert [control.name for control in controls if control.came >= set(everything)] == []
