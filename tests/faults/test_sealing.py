"""Every committed event is sealed exactly once, whatever the sessions do that write and seal. First
they are stepped by hand; in the end all do so at once."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from operator import attrgetter
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel

from ask import Refusal, refusal, rows, run, sqlstate, value, values, wait_until_blocked
from capturing import track
from faults.readers import ColumnReader, StreamReader
from faults.sealers import Declarer, DoomedSealer, Sealer, Witness
from faults.standby import standby_of, wait_for_replay
from faults.storm import Storm
from sealing import batches_of, checkpoint, findings, seal, seal_all, sealed, status
from streaming import Consumer, log, migrated_database, quiet_cluster, take_id
from support import Cluster, Connection, Database

REPEATABLE_READ = IsolationLevel.REPEATABLE_READ
SERIALIZABLE = IsolationLevel.SERIALIZABLE


@pytest.fixture(scope="module")
def alone() -> Iterator[Cluster]:
    """A server of this module's."""
    with quiet_cluster() as cluster:
        yield cluster


@pytest.fixture
def log_database(alone: Cluster, database_names: Iterator[str]) -> Iterator[Database]:
    """A database on it, whose log is empty."""
    yield from migrated_database(alone, next(database_names))


@pytest.fixture
def admin(log_database: Database) -> Connection:
    """Who seals; each call is a transaction."""
    return log_database.connect("admin", autocommit=True)


@pytest.fixture
def auditor(log_database: Database) -> Connection:
    """Who looks."""
    return log_database.connect("auditor", autocommit=True)


@pytest.fixture
def app(log_database: Database) -> Connection:
    """A session of the application, which commits each statement."""
    return log_database.connect("app", autocommit=True)


@pytest.fixture
def superuser(log_database: Database) -> Connection:
    """Who ends the sessions of others."""
    return log_database.connect(log_database.cluster.superuser, autocommit=True)


def writers(database: Database, count: int) -> list[Connection]:
    """Sessions of the application."""
    return [database.connect("app") for _ in range(count)]


def log_at(session: Connection, *times: str) -> None:
    """Logs something that happened at each of these times, and is called as the time."""
    for time in times:
        session.execute(
            """
            select chronicle.log_audit_event(
                _actor_type => 'user', _action_type => 'read', _resource_type => 'page',
                _resource_id => %(time)s::text, _occurred_at => %(time)s::text::timestamptz
            )
            """,
            {"time": time},
        )


def terminate(superuser: Connection, session: Connection) -> None:
    """Ends a session from outside, and returns when it is gone."""
    assert value(superuser, "select pg_terminate_backend(%s, 30000)", (session.info.backend_pid,))
    session.close()


# Commits out of order.


def test_an_empty_log_has_nothing_to_seal(admin: Connection, auditor: Connection) -> None:
    assert seal(admin) == 0
    assert sealed(auditor) == []


def test_what_is_committed_before_an_older_transaction_waits_for_it(
    log_database: Database, admin: Connection, auditor: Connection
) -> None:
    older, younger = writers(log_database, 2)
    log(older, "a")
    log(younger, "b")
    younger.commit()
    assert seal(admin) == 0
    log(older, "c")
    older.commit()
    assert seal(admin) == 3
    assert seal(admin) == 0
    assert sealed(auditor) == [["a", "c", "b"]]


def test_what_was_settled_before_the_older_transaction_began_does_not_wait(
    log_database: Database, app: Connection, admin: Connection, auditor: Connection
) -> None:
    log(app, "a")
    older, younger = writers(log_database, 2)
    take_id(older)
    log(younger, "b")
    younger.commit()
    assert seal(admin) == 1
    assert sealed(auditor) == [["a"]]
    older.rollback()
    assert seal(admin) == 1
    assert sealed(auditor) == [["a"], ["b"]]


def test_what_is_rolled_back_is_never_sealed_and_sets_the_others_free(
    log_database: Database, admin: Connection, auditor: Connection
) -> None:
    older, younger = writers(log_database, 2)
    log(older, "undone")
    log(younger, "a")
    younger.commit()
    assert seal(admin) == 0
    older.rollback()
    assert seal(admin) == 1
    assert sealed(auditor) == [["a"]]


def test_an_id_that_is_taken_early_and_used_late_is_waited_for(
    log_database: Database, admin: Connection, auditor: Connection
) -> None:
    early, other = writers(log_database, 2)
    take_id(early)
    for name in ("a", "b"):
        log(other, name)
        other.commit()
        assert seal(admin) == 0
    log(early, "c")
    early.commit()
    assert seal(admin) == 3
    assert sealed(auditor) == [["c", "a", "b"]]


def test_an_id_that_a_rolled_back_savepoint_took_is_waited_for(
    log_database: Database, admin: Connection, auditor: Connection
) -> None:
    early, other = writers(log_database, 2)
    early.execute("savepoint s")
    log(early, "undone")
    early.execute("rollback to s")
    log(other, "a")
    other.commit()
    assert seal(admin) == 0
    log(early, "b")
    early.commit()
    assert seal(admin) == 2
    assert sealed(auditor) == [["b", "a"]]


def test_a_transaction_that_writes_before_between_and_after_is_sealed_whole(
    log_database: Database, app: Connection, admin: Connection, auditor: Connection
) -> None:
    (session,) = writers(log_database, 1)
    for name in ("a", "b", "c"):
        session.execute("savepoint s")
        log(session, name)
        session.execute("release s")
        log(app, f"beside {name}")
        assert seal(admin) == 0
    session.commit()
    assert seal(admin) == 6
    assert sealed(auditor) == [["a", "b", "c", "beside a", "beside b", "beside c"]]


def test_more_savepoints_than_the_server_keeps_in_mind_lose_nothing(
    log_database: Database, admin: Connection, auditor: Connection
) -> None:
    """Beyond 64 of them, a snapshot no longer names each."""
    many, other = writers(log_database, 2)
    kept: list[str] = []
    for number in range(100):
        many.execute("savepoint s")
        log(many, number)
        if number % 3:
            many.execute("release s")
            kept.append(str(number))
        else:
            many.execute("rollback to s")
        if number == 70:
            log(other, "other")
            other.commit()
            assert seal(admin) == 0
    many.commit()
    assert seal(admin) == len(kept) + 1
    assert sealed(auditor) == [[*kept, "other"]]


@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_a_prepared_transaction_is_waited_for_through_every_run(
    log_database: Database, admin: Connection, auditor: Connection, ends: str
) -> None:
    preparing, other = writers(log_database, 2)
    log(preparing, "prepared")
    preparing.execute("prepare transaction 'p'")
    preparing.close()
    for name in ("a", "b"):
        log(other, name)
        other.commit()
        assert seal(admin) == 0
    with log_database.connect("app", autocommit=True) as later:
        run(later, f"{ends} prepared 'p'")
    expected = {"commit": ["prepared", "a", "b"], "rollback": ["a", "b"]}[ends]
    assert seal(admin) == len(expected)
    assert sealed(auditor) == [expected]


def test_a_transaction_that_writes_in_another_database_holds_back_and_loses_nothing(
    log_database: Database, app: Connection, admin: Connection, auditor: Connection
) -> None:
    with psycopg.connect(log_database.cluster.dsn("postgres")) as elsewhere:
        number = take_id(elsewhere)
        log(app, "a")
        assert seal(admin) == 0
        found = status(auditor)
        assert (found.batches, found.sealed_events, found.last_sealed_at) == (0, 0, None)
        assert (found.oldest_transaction_id, found.held_back_by, found.problem) == (
            *(number, f"pid {elsewhere.info.backend_pid}", None),
        )
        assert found.unsealed_since == value(auditor, "select recorded_at from chronicle.events")
        assert found.lag is not None
        elsewhere.rollback()
    assert seal(admin) == 1
    assert sealed(auditor) == [["a"]]


def test_a_prepared_transaction_that_holds_back_is_named(
    log_database: Database, app: Connection, admin: Connection, auditor: Connection
) -> None:
    (preparing,) = writers(log_database, 1)
    number = take_id(preparing)
    preparing.execute("prepare transaction 'shop 1'")
    log(app, "a")
    assert seal(admin) == 0
    found = status(auditor)
    assert (found.oldest_transaction_id, found.held_back_by, found.problem) == (
        *(number, 'prepared transaction "shop 1"', None),
    )


def test_who_only_reads_holds_nothing_back(
    log_database: Database, app: Connection, admin: Connection, auditor: Connection
) -> None:
    reader = log_database.connect("auditor")
    reader.isolation_level = SERIALIZABLE
    assert values(reader, "select event_id from chronicle.events") == []
    log(app, "a")
    assert seal(admin) == 1
    assert sealed(auditor) == [["a"]]


# Who seals.


@pytest.mark.parametrize("isolation", [REPEATABLE_READ, SERIALIZABLE], ids=attrgetter("name"))
def test_under_one_snapshot_sealing_is_refused(
    log_database: Database, app: Connection, auditor: Connection, isolation: IsolationLevel
) -> None:
    """It would be older than the lock that keeps others from sealing."""
    log(app, "a")
    old = log_database.connect("admin")
    old.isolation_level = isolation
    assert refusal(old, "select chronicle.seal_events()") == Refusal(
        "25001",
        "sealing needs the isolation level READ COMMITTED",
        f"This transaction runs under {isolation.name.replace('_', ' ')}.",
        "Call it in a transaction of its own: begin transaction isolation level read committed.",
    )
    old.rollback()
    old.isolation_level = IsolationLevel.READ_COMMITTED
    assert seal(old) == 1
    old.commit()
    assert sealed(auditor) == [["a"]]


def test_a_transaction_that_seals_leaves_what_it_writes_itself_to_the_next(
    log_database: Database, app: Connection, admin: Connection, auditor: Connection
) -> None:
    log(app, "a")
    owner = log_database.connect()
    log(owner, "before")
    assert seal(owner) == 1
    log(owner, "after")
    log(app, "b")
    assert seal(owner) == 0
    log(owner, "in the end")
    owner.commit()
    assert sealed(auditor) == [["a"]]
    assert seal(admin) == 4
    assert sealed(auditor) == [["a"], ["before", "after", "in the end", "b"]]


def test_who_seals_first_in_a_transaction_may_write_in_it_and_lose_nothing(
    log_database: Database, app: Connection, admin: Connection, auditor: Connection
) -> None:
    """Sealing gives the transaction its id, behind which others have come by now."""
    log(app, "a")
    owner = log_database.connect()
    assert seal(owner) == 1
    log(app, "b")
    log(owner, "c")
    log(app, "d")
    owner.commit()
    assert seal(admin) == 3
    assert sealed(auditor) == [["a"], ["c", "b", "d"]]


def test_what_is_sealed_in_a_savepoint_that_is_rolled_back_is_sealed_later(
    log_database: Database, app: Connection, auditor: Connection
) -> None:
    log(app, "a")
    session = log_database.connect("admin")
    session.execute("savepoint s")
    assert seal(session) == 1
    session.execute("rollback to s")
    assert seal(session) == 1
    assert seal(session) == 0
    session.commit()
    assert sealed(auditor) == [["a"]]


def test_a_sealer_that_is_terminated_before_it_commits_has_sealed_nothing(
    log_database: Database,
    app: Connection,
    admin: Connection,
    auditor: Connection,
    superuser: Connection,
) -> None:
    log(app, "a")
    for _ in range(3):
        doomed = log_database.connect("admin")
        assert seal(doomed) == 1
        assert value(doomed, "select split_part(chronicle.checkpoint(), e'\\n', 2)") == "1"
        terminate(superuser, doomed)
        assert sealed(auditor) == []
    log(app, "b")
    assert seal(admin) == 2
    assert sealed(auditor) == [["a", "b"]]


@pytest.mark.parametrize("end", ["commit", "rollback", "terminate"])
def test_of_two_sealers_the_second_goes_on_behind_the_first(
    log_database: Database,
    app: Connection,
    auditor: Connection,
    superuser: Connection,
    end: str,
) -> None:
    first, second = (log_database.connect("admin") for _ in range(2))
    log(app, "a")
    assert seal(first) == 1
    log(app, "b")
    with ThreadPoolExecutor(1) as thread:
        waits = thread.submit(seal, second)
        wait_until_blocked(superuser, second, first)
        # What comes while it waits is not too late for it.
        log(app, "c")
        if end == "terminate":
            terminate(superuser, first)
        else:
            run(first, end)
        assert waits.result(30) == {"commit": 2}.get(end, 3)
    second.commit()
    assert sealed(auditor) == {"commit": [["a"], ["b", "c"]]}.get(end, [["a", "b", "c"]])


def test_a_sealer_that_is_terminated_while_it_waits_leaves_no_trace(
    log_database: Database, app: Connection, auditor: Connection, superuser: Connection
) -> None:
    first, second, third = (log_database.connect("admin") for _ in range(3))
    log(app, "a")
    assert seal(first) == 1
    with ThreadPoolExecutor(1) as thread:
        waits = thread.submit(seal, second)
        wait_until_blocked(superuser, second, first)
        terminate(superuser, second)
        with pytest.raises(psycopg.errors.AdminShutdown):
            waits.result(30)
    log(app, "b")
    first.commit()
    assert seal(third) == 1
    third.commit()
    assert sealed(auditor) == [["a"], ["b"]]


def test_while_a_sealer_holds_its_transaction_open_writers_and_readers_go_on(
    log_database: Database, app: Connection, auditor: Connection
) -> None:
    log(app, "a")
    sealer = log_database.connect("admin")
    assert seal(sealer) == 1
    for session in (app, auditor, sealer):
        session.execute("set lock_timeout = '1ms'")
    log(app, "b")
    assert sealed(auditor) == []
    assert status(auditor).held_back_by == f"pid {sealer.info.backend_pid}"
    sealer.commit()
    assert sealed(auditor) == [["a"]]


@pytest.mark.parametrize(
    ("setting", "becomes"),
    [
        *((weaker, "on") for weaker in ("off", "local", "remote_write")),
        *((kept, kept) for kept in ("on", "remote_apply")),
    ],
)
def test_a_seal_is_committed_no_weaker_than_to_the_disk(
    log_database: Database, app: Connection, setting: str, becomes: str
) -> None:
    """A checkpoint that was given out must not be lost in a crash."""
    session = log_database.connect(
        "admin", autocommit=True, options=f"-c synchronous_commit={setting}"
    )
    log(app, "a")
    with session.transaction():
        assert seal(session) == 1
        assert value(session, "show synchronous_commit") == becomes
    assert value(session, "show synchronous_commit") == setting


def test_a_seal_in_a_prepared_transaction_counts_when_that_is_committed(
    log_database: Database, app: Connection, admin: Connection, auditor: Connection
) -> None:
    log(app, "a")
    preparing = log_database.connect("admin")
    assert seal(preparing) == 1
    preparing.execute("prepare transaction 'sealing'")
    log(app, "b")
    admin.execute("set lock_timeout = '1ms'")
    assert sqlstate(admin, "select chronicle.seal_events()") == "55P03"
    assert sealed(auditor) == []
    assert status(auditor).held_back_by == 'prepared transaction "sealing"'
    run(admin, "commit prepared 'sealing'")
    assert sealed(auditor) == [["a"]]
    assert seal(admin) == 1
    assert sealed(auditor) == [["a"], ["b"]]


def test_a_standby_seals_nothing_and_is_verified(
    log_database: Database,
    app: Connection,
    admin: Connection,
    auditor: Connection,
    superuser: Connection,
) -> None:
    for name in ("a", "b", "c"):
        log(app, name)
        assert seal(admin) == 1
    log(app, "d")
    with standby_of(log_database.cluster) as cluster:
        replica = Database(cluster, log_database.name)
        try:
            there = replica.connect("auditor", autocommit=True)
            wait_for_replay(superuser, there)
            sealer = replica.connect("admin", autocommit=True)
            assert refusal(sealer, "select chronicle.seal_events()") == Refusal(
                "55000",
                "nothing is sealed: the server is a standby",
                None,
                "Seal on the primary.",
            )
            assert sealed(there) == sealed(auditor) == [["a"], ["b"], ["c"]]
            for size in range(4):
                assert checkpoint(there, size) == checkpoint(auditor, size)
                proof = "select chronicle.consistency_proof(%s, 3)"
                assert value(there, proof, (size,)) == value(auditor, proof, (size,))
            assert (status(there).batches, status(there).problem) == (3, "the server is a standby")
            assert seal(admin) == 1
            wait_for_replay(superuser, there)
            assert sealed(there) == [["a"], ["b"], ["c"], ["d"]]
        finally:
            replica.close()


# How much, and of when.


def test_a_huge_transaction_is_sealed_by_parts(
    log_database: Database, admin: Connection, auditor: Connection
) -> None:
    huge, other = writers(log_database, 2)
    take_id(huge)
    log(other, "other")
    for number in range(50):
        log(huge, number)
    huge.commit()
    other.commit()
    assert [seal(admin, 20) for _ in range(4)] == [20, 20, 11, 0]
    names = [str(number) for number in range(50)]
    assert sealed(auditor) == [names[:20], names[20:40], [*names[40:], "other"]]


def test_between_two_parts_of_a_transaction_others_may_write(
    log_database: Database, app: Connection, admin: Connection, auditor: Connection
) -> None:
    (session,) = writers(log_database, 1)
    for name in ("a", "b", "c"):
        log(session, name)
    session.commit()
    assert seal(admin, 1) == 1
    log(app, "d")
    assert seal(admin, 1) == 1
    log(app, "e")
    assert seal(admin) == 3
    assert sealed(auditor) == [["a"], ["b"], ["c", "d", "e"]]


def test_two_transactions_whose_seqs_cross_are_sealed_one_by_one(
    log_database: Database, admin: Connection, auditor: Connection
) -> None:
    """Neither transaction ids nor seqs alone tell which batch an event is in."""
    first, second = writers(log_database, 2)
    for name in ("1", "3", "5"):
        log(first, f"first {name}")
        log(second, f"second {name}")
    second.commit()
    first.commit()
    expected = [f"{session} {name}" for session in ("first", "second") for name in "135"]
    assert [seal(admin, 1) for _ in range(7)] == [1] * 6 + [0]
    assert sealed(auditor) == [[name] for name in expected]


def bucketed(session: Connection) -> list[Any]:
    """The first day of each batch, the first day after, and the names of its events."""
    return [
        (*days, names)
        for days, names in zip(
            rows(
                session,
                "select bucket_from, bucket_to from chronicle.seal_batches order by batch_number",
            ),
            sealed(session),
            strict=True,
        )
    ]


def test_events_of_several_months_are_a_batch_for_each_month(
    log_database: Database, admin: Connection, auditor: Connection
) -> None:
    first, second = writers(log_database, 2)
    take_id(first)
    log_at(second, "2025-12-31 23:59:59.999999+00", "2026-01-01 00:00+00", "2025-12-01 00:00+00")
    log_at(first, "2026-01-31 23:59:59.999999+00", "2024-02-29 12:00+00")
    second.commit()
    first.commit()
    assert seal(admin) == 5
    assert sorted(bucketed(auditor)) == [
        (date(2024, 2, 1), date(2024, 3, 1), ["2024-02-29 12:00+00"]),
        (
            *(date(2025, 12, 1), date(2026, 1, 1)),
            ["2025-12-31 23:59:59.999999+00", "2025-12-01 00:00+00"],
        ),
        (
            *(date(2026, 1, 1), date(2026, 2, 1)),
            ["2026-01-31 23:59:59.999999+00", "2026-01-01 00:00+00"],
        ),
    ]


def test_what_is_in_a_month_does_not_depend_on_the_time_zone_of_who_seals(
    log_database: Database, app: Connection, auditor: Connection
) -> None:
    log_at(app, "2026-01-01 00:00+00", "2025-12-31 23:59+00")
    sealer = log_database.connect(
        "admin", autocommit=True, options="-c timezone=Pacific/Kiritimati -c datestyle=German"
    )
    assert seal(sealer) == 2
    assert sorted(bucketed(auditor)) == [
        (date(2025, 12, 1), date(2026, 1, 1), ["2025-12-31 23:59+00"]),
        (date(2026, 1, 1), date(2026, 2, 1), ["2026-01-01 00:00+00"]),
    ]


@pytest.mark.parametrize(
    ("interval", "buckets"),
    [
        ("quarter", [("2025-12-01", "2026-01-01", "bcd"), ("2026-01-01", "2026-02-01", "aef")]),
        (
            "week",
            [
                ("2025-12-22", "2025-12-29", "b"),
                ("2025-12-29", "2026-01-05", "acde"),
                ("2026-01-05", "2026-01-12", "f"),
            ],
        ),
        (
            "day",
            [
                ("2025-12-28", "2025-12-29", "b"),
                ("2025-12-29", "2025-12-30", "c"),
                ("2025-12-31", "2026-01-01", "d"),
                ("2026-01-01", "2026-01-02", "a"),
                ("2026-01-04", "2026-01-05", "e"),
                ("2026-01-05", "2026-01-06", "f"),
            ],
        ),
    ],
)
def test_smaller_partitions_have_smaller_batches(
    app: Connection,
    admin: Connection,
    auditor: Connection,
    interval: str,
    buckets: list[tuple[str, str, str]],
) -> None:
    admin.execute(
        "select chronicle.set_setting('partition_interval', to_jsonb(%s::text))", (interval,)
    )
    # The change is an event itself.
    assert seal(admin) == 1
    times = {
        "a": "2026-01-01 00:00+00",
        "b": "2025-12-28 23:59:59.999999+00",
        "c": "2025-12-29 00:00+00",
        "d": "2025-12-31 12:00+00",
        "e": "2026-01-04 23:59:59.999999+00",
        "f": "2026-01-05 00:00+00",
    }
    log_at(app, *times.values())
    assert seal(admin) == 6
    assert sorted(bucketed(auditor)[1:]) == [
        (
            *(date.fromisoformat(day) for day in (start, end)),
            [times[name] for name in names],
        )
        for start, end, names in buckets
    ]


def test_batches_of_another_interval_stand_beside_those_of_the_earlier(
    app: Connection, admin: Connection, auditor: Connection
) -> None:
    log_at(app, "2026-01-01 12:00+00", "2026-01-02 12:00+00")
    assert seal(admin, 1) == 1
    for interval in ("day", "month", "week"):
        admin.execute(
            "select chronicle.set_setting('partition_interval', to_jsonb(%s::text))", (interval,)
        )
        log_at(app, "2026-01-01 12:00+00", "2026-01-02 12:00+00")
        assert seal_all(admin, 2) > 0
    assert sorted(name for names in sealed(auditor) for name in names if name[:4] == "2026") == [
        *["2026-01-01 12:00+00"] * 4,
        *["2026-01-02 12:00+00"] * 4,
    ]


def test_a_limit_counts_events_of_whichever_month(
    app: Connection, admin: Connection, auditor: Connection
) -> None:
    log_at(app, "2025-03-01", "2025-04-01", "2025-03-02", "2025-04-02", "2025-03-03")
    assert [seal(admin, 3) for _ in range(3)] == [3, 2, 0]
    assert sorted(sealed(auditor)[:2]) == [["2025-03-01", "2025-03-02"], ["2025-04-01"]]
    assert sorted(sealed(auditor)[2:]) == [["2025-03-03"], ["2025-04-02"]]


def test_imported_history_is_sealed_month_by_month_however_old(
    log_database: Database, admin: Connection, auditor: Connection
) -> None:
    owner = log_database.connect(autocommit=True)
    times = ("1999-12-31", "2000-01-01", "0101-02-28", "0001-01-01")
    owner.execute("create table public.audit_logs (id integer, created_at timestamptz)")
    owner.execute("set timezone = 'UTC'")
    for number, time in enumerate(times):
        owner.execute("insert into public.audit_logs values (%s, %s)", (number, time))
    owner.execute(
        """
        select chronicle.import_events('audit_logs', $$
            select id as source_id, created_at as occurred_at, 'user' as actor_type,
                7 as actor_id, 'update' as action_type, 'stock' as resource_type,
                id as resource_id
            from public.audit_logs
        $$)
        """
    )
    seal_all(admin)
    imported = [names for names in sealed(auditor) if names[0] in map(str, range(len(times)))]
    assert sorted(imported) == [[str(number)] for number in range(len(times))]
    buckets = rows(
        auditor,
        """
        select bucket_from, bucket_to from chronicle.seal_batches
        where bucket_from < '2000-02-01' order by bucket_from
        """,
    )
    assert buckets == [
        (date(1, 1, 1), date(1, 2, 1)),
        (date(101, 2, 1), date(101, 3, 1)),
        (date(1999, 12, 1), date(2000, 1, 1)),
        (date(2000, 1, 1), date(2000, 2, 1)),
    ]


# Beside a new epoch.


def test_a_check_that_waits_for_a_new_epoch_finds_nothing(
    log_database: Database,
    app: Connection,
    admin: Connection,
    auditor: Connection,
    superuser: Connection,
) -> None:
    log(app, "a")
    assert seal(admin) == 1
    declaring = log_database.connect("admin")
    assert value(declaring, "select chronicle.begin_epoch('a failover')") == 2
    with ThreadPoolExecutor(1) as thread:
        waits = thread.submit(findings, auditor)
        wait_until_blocked(superuser, auditor, declaring)
        declaring.commit()
        assert waits.result(30) == []
    assert findings(auditor) == []


def test_a_sealer_that_waits_for_a_new_epoch_goes_on_in_it(
    log_database: Database,
    app: Connection,
    admin: Connection,
    auditor: Connection,
    superuser: Connection,
) -> None:
    log(app, "a")
    declaring = log_database.connect("admin")
    assert value(declaring, "select chronicle.begin_epoch('a failover')") == 2
    with ThreadPoolExecutor(2) as threads:
        waits = threads.submit(seal, admin)
        wait_until_blocked(superuser, admin, declaring)
        logs = threads.submit(log, app, "b")
        wait_until_blocked(superuser, app, declaring)
        declaring.commit()
        logs.result(30)
        first = waits.result(30)
    assert first + seal_all(admin) == 3
    assert [names for names in sealed(auditor) if names != ["2"]] in (
        [["a"], ["2", "b"]],
        [["a"], ["b"]],
    )


@pytest.mark.parametrize("isolation", [REPEATABLE_READ, SERIALIZABLE], ids=attrgetter("name"))
def test_a_consumer_whose_snapshot_is_older_than_an_epoch_loses_nothing(
    log_database: Database, app: Connection, admin: Connection, isolation: IsolationLevel
) -> None:
    """To it, transactions of the epoch before are still open."""
    (early,) = writers(log_database, 1)
    log(early, "early")
    log(app, "a")
    old = log_database.connect("auditor")
    old.isolation_level = isolation
    assert value(old, "select 1") == 1
    early.commit()
    run(admin, "select chronicle.begin_epoch('a failover')")
    consumer = Consumer(old)
    came = consumer.names()
    old.commit()
    came += consumer.names()
    assert sorted(came) == ["create 2", "read a", "read early"]


# All at once.


def test_in_a_storm_every_committed_event_is_sealed_once_and_naive_sealers_lose_some(
    log_database: Database, admin: Connection, auditor: Connection, superuser: Connection
) -> None:
    owner = log_database.connect(autocommit=True)
    owner.execute("create table public.item (id integer primary key, version integer)")
    owner.execute("insert into public.item values (1, 0), (2, 0)")
    owner.execute("grant all on public.item to app")
    track(owner)

    sealer = Sealer(log_database.connect("admin", autocommit=True), 40)
    doomed = DoomedSealer(lambda: log_database.connect("admin"), superuser, 7)
    naive = [
        ColumnReader(log_database.connect("auditor", autocommit=True), column)
        for column in ("seq", "occurred_at", "recorded_at")
    ]
    witness = Witness(log_database.connect("auditor", autocommit=True))
    storm = Storm(log_database, 5, [sealer, doomed, witness, *naive])
    storm.rage(30)
    seal_all(admin)

    everything = values(auditor, "select event_id from chronicle.events")
    pages = values(auditor, "select event_id from chronicle.events where resource_type = 'page'")
    assert sorted(pages) == sorted(storm.ledger.logged)
    captured = rows(
        auditor,
        """
        select operation_id, count(*) from chronicle.events
        where resource_type = 'item' and operation_id is not null group by operation_id
        """,
    )
    assert dict(captured) == +storm.ledger.captured

    held = batches_of(auditor)
    assert Counter(len(each) for each in held.values()) == {1: len(everything)}
    assert sum(map(len, sealed(auditor))) == len(everything)
    assert witness.findings == []
    assert min(doomed.deaths, len(witness.seen)) > 10
    assert [control.name for control in naive if control.came >= set(everything)] == []


def test_in_a_storm_in_which_epochs_begin_every_committed_event_is_sealed_once(
    log_database: Database, admin: Connection, auditor: Connection, superuser: Connection
) -> None:
    owner = log_database.connect(autocommit=True)
    owner.execute("create table public.item (id integer primary key, version integer)")
    owner.execute("grant all on public.item to app")
    track(owner)
    # Who waits for writers keeps others from writing meanwhile.
    superuser.execute("alter function chronicle.begin_epoch(text) set lock_timeout = '5ms'")

    sealer = Sealer(log_database.connect("admin", autocommit=True), 40)
    doomed = DoomedSealer(lambda: log_database.connect("admin"), superuser, 7)
    declarer = Declarer(log_database.connect("admin", autocommit=True))
    witness = Witness(log_database.connect("auditor", autocommit=True))
    streams = [
        StreamReader(partial(log_database.connect, "auditor"), limit, isolation)
        for limit, isolation in ((3, IsolationLevel.READ_COMMITTED), (20, REPEATABLE_READ))
    ]
    storm = Storm(log_database, 6, [sealer, doomed, declarer, witness, *streams])
    storm.rage(15)
    seal_all(admin)

    pages = values(auditor, "select event_id from chronicle.events where resource_type = 'page'")
    assert sorted(pages) == sorted(storm.ledger.logged)
    held = batches_of(auditor)
    assert Counter(len(each) for each in held.values()) == {1: len(held)}
    assert sum(map(len, sealed(auditor))) == len(held)
    assert witness.findings == []
    for stream in streams:
        # Who begins epochs may have gone on when it had read all.
        while stream.look():
            pass
        # What was not sealed when an epoch ended may come again.
        assert {each.event_id for each in stream.came} == set(held), stream.name
    assert declarer.epochs > 1
