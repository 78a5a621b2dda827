"""Several sessions at once: nothing is lost, nothing is recorded twice, and nobody waits longer
than they must. What waits for whom is asked of the server; nothing here is a matter of time."""

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from ask import Refusal, refusal, row, rows, run, sqlstate, value, values, wait_until_blocked
from support import Connection, Database

LOG = """
    select chronicle.log_audit_event(
        _actor_type => 'user', _action_type => 'read', _resource_type => 'page', _resource_id => %s
    )
"""

LOG_ONCE = """
    select chronicle.log_audit_event(
        _actor_type => 'user', _action_type => 'read', _resource_type => 'page', _event_id => %s
    )
"""


@pytest.fixture
def pool(database: Database) -> Iterator[ThreadPoolExecutor]:
    """Threads; who still waits for a lock when the test has failed is sent away."""
    with ThreadPoolExecutor(10) as threads:
        yield threads
        with psycopg.connect(database.cluster.dsn(database.name)) as superuser:
            superuser.execute(
                """
                select pg_terminate_backend(a.pid) from pg_stat_activity as a
                where a.datname = current_database() and a.wait_event_type = 'Lock'
                """
            )


@pytest.fixture
def watcher(database: Database) -> Connection:
    """The installer's session that looks on."""
    return database.connect(autocommit=True)


def impatient(database: Database, user: str = "installer", **options: Any) -> Connection:
    """A session that fails rather than wait for a lock."""
    return database.connect(user, options="-c lock_timeout=2s", **options)


def waiting(
    pool: ThreadPoolExecutor,
    watcher: Connection,
    blocked: Connection,
    blocker: Connection,
    act: Callable[[], Any],
) -> Future[Any]:
    """Starts what has to wait, and returns when it does."""
    future = pool.submit(act)
    wait_until_blocked(watcher, blocked, blocker)
    return future


def in_all(pool: ThreadPoolExecutor, count: int, act: Callable[[int], Any]) -> list[Any]:
    """Does it in as many threads, which begin together."""
    barrier = threading.Barrier(count)

    def begin(number: int) -> Any:
        barrier.wait(30)
        return act(number)

    return [each.result(60) for each in [pool.submit(begin, number) for number in range(count)]]


# Logging.


def test_sessions_that_log_at_once_lose_nothing(
    database: Database, pool: ThreadPoolExecutor, watcher: Connection
) -> None:
    sessions = [database.connect("app", autocommit=True) for _ in range(8)]

    def log(number: int) -> list[uuid.UUID]:
        return [value(sessions[number], LOG, (f"{number}/{n}",)) for n in range(40)]

    ids = in_all(pool, 8, log)
    recorded = rows(watcher, "select event_id, resource_id, seq from chronicle.events order by seq")
    assert len(recorded) == len({seq for *_, seq in recorded}) == 320
    for number, own in enumerate(ids):
        # In the order in which the session logged them.
        assert [each[0] for each in recorded if each[1].startswith(f"{number}/")] == own


def test_sessions_that_retry_the_same_ids_record_each_once(
    database: Database, pool: ThreadPoolExecutor, watcher: Connection
) -> None:
    sessions = [database.connect("app", autocommit=True) for _ in range(6)]
    ids = [uuid.uuid4() for _ in range(25)]

    def log(number: int) -> list[uuid.UUID]:
        own = ids[number:] + ids[:number]
        return [value(sessions[number], LOG_ONCE, (each,)) for each in own]

    for number, returned in enumerate(in_all(pool, 6, log)):
        assert returned == ids[number:] + ids[:number]
    assert sorted(values(watcher, "select event_id from chronicle.events")) == sorted(ids)


def test_a_deadlock_of_claims_ends_with_each_id_recorded_once(
    database: Database, pool: ThreadPoolExecutor, watcher: Connection
) -> None:
    first, second = database.connect("app"), database.connect("app")
    one, other = uuid.uuid4(), uuid.uuid4()
    first.execute(LOG_ONCE, (one,))
    second.execute(LOG_ONCE, (other,))
    waits = waiting(
        pool, watcher, first, second, lambda: first.execute(LOG_ONCE, (other,)) and None
    )
    outcomes: list[bool] = []
    for session, attempt in (
        (second, lambda: second.execute(LOG_ONCE, (one,)) and None),
        (first, lambda: waits.result(30)),
    ):
        try:
            attempt()
            session.commit()
            outcomes.append(True)
        except psycopg.errors.DeadlockDetected:
            session.rollback()
            outcomes.append(False)
    assert sorted(outcomes) == [False, True]
    for session in (first, second):
        for each in (one, other):
            assert value(session, LOG_ONCE, (each,)) == each
            session.commit()
    assert sorted(values(watcher, "select event_id from chronicle.events")) == sorted([one, other])


def test_a_session_that_is_killed_leaves_nothing(database: Database, watcher: Connection) -> None:
    event_id = uuid.uuid4()
    doomed = database.connect("app")
    doomed.execute(LOG, ("x",))
    doomed.execute(LOG_ONCE, (event_id,))
    with psycopg.connect(database.cluster.dsn(database.name), autocommit=True) as superuser:
        superuser.execute("select pg_terminate_backend(%s, 30000)", (doomed.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        doomed.commit()
    assert rows(watcher, "select * from chronicle.events") == []
    assert value(database.connect("app"), LOG_ONCE, (event_id,)) == event_id


def test_the_same_name_declared_twice_at_once_is_declared_once(
    database: Database, pool: ThreadPoolExecutor, watcher: Connection
) -> None:
    first, second = database.connect("admin"), database.connect("admin")
    declare = "select chronicle.register_resource_type('page', %s)"
    first.execute(declare, ("A page",))
    waits = waiting(
        pool, watcher, second, first, lambda: second.execute(declare, ("One page",)) and None
    )
    first.commit()
    waits.result(30)
    second.commit()
    assert rows(
        watcher,
        "select action_type, details_before, details_after from chronicle.events order by seq",
    ) == [
        ("create", None, {"description": "A page"}),
        ("update", {"description": "A page"}, {"description": "One page"}),
    ]


def test_two_changes_of_a_setting_follow_one_another(
    database: Database, pool: ThreadPoolExecutor, watcher: Connection
) -> None:
    first, second = database.connect("admin"), database.connect("admin")
    first.execute("select chronicle.set_setting('partitions_ahead', '5')")
    waits = waiting(
        pool,
        watcher,
        second,
        first,
        lambda: second.execute("select chronicle.set_setting('partitions_ahead', '6')") and None,
    )
    first.commit()
    waits.result(30)
    second.commit()
    assert rows(
        watcher, "select details_before, details_after from chronicle.events order by seq"
    ) == [({"value": 3}, {"value": 5}), ({"value": 5}, {"value": 6})]


def test_two_changes_of_different_settings_do_not_undo_each_other(
    database: Database, pool: ThreadPoolExecutor, watcher: Connection
) -> None:
    first, second = database.connect("admin"), database.connect("admin")
    first.execute("select chronicle.set_setting('enforce_actions', 'true')")
    change = "select chronicle.set_setting('payload_limit_bytes', '5000')"
    waits = waiting(pool, watcher, second, first, lambda: second.execute(change) and None)
    first.commit()
    waits.result(30)
    second.commit()
    # What logging goes by is derived from both.
    owner = database.connect()
    run(owner, "set role chronicle_owner")
    assert rows(owner, "select chronicle.enforces_actions(), chronicle.payload_limit_bytes()") == [
        (True, 5000)
    ]


def test_settings_that_are_changed_at_once_are_all_changed(
    database: Database, pool: ThreadPoolExecutor, watcher: Connection
) -> None:
    changes = {
        "enforce_actions": ["true", "false"],
        "enforce_resource_types": ["true", "false"],
        "partitions_ahead": ["5", "6"],
        "payload_limit_bytes": ["5000", "6000"],
        "masked_keys": ['["abc"]', '["abcd"]'],
        "partition_interval": ['"week"', '"day"'],
        "truncate_row_limit": ["7", "0"],
    }
    sessions = {name: database.connect("admin", autocommit=True) for name in changes}

    def change(number: int) -> None:
        name = list(changes)[number]
        for _ in range(8):
            for setting in changes[name]:
                sessions[name].execute(
                    "select chronicle.set_setting(%s, %s::jsonb)", (name, setting)
                )

    in_all(pool, len(changes), change)
    assert dict(rows(watcher, "select name, value::text from chronicle.settings")) == {
        name: settings[-1] for name, settings in changes.items()
    }
    assert value(watcher, "select count(*) from chronicle.events") == len(changes) * 8 * 2
    run(watcher, "set role chronicle_owner")
    assert row(watcher, "select chronicle.payload_limit_bytes(), chronicle.masked_key()") == (
        *(6000, "[_-]*(?:abcd)[_-]*"),
    )


def test_logging_goes_on_while_settings_change(
    database: Database, pool: ThreadPoolExecutor, watcher: Connection
) -> None:
    sessions = [database.connect("app", autocommit=True) for _ in range(3)]
    log = """
        select chronicle.log_audit_event(
            _actor_type => 'user', _action_type => 'read', _resource_type => 'page',
            _action_meta => '{"password": "secret", "abc": "secret", "n": 1}'
        )
    """
    done = threading.Event()

    def write(number: int) -> int:
        written = 0
        while not done.is_set():
            run(sessions[number], log)
            written += 1
        return written

    writers = [pool.submit(write, number) for number in range(3)]
    admin = database.connect("admin", autocommit=True)
    for _ in range(15):
        for keys in ('["abc"]', '["password"]', '["abc", "password"]'):
            admin.execute("select chronicle.set_setting('masked_keys', %s::jsonb)", (keys,))
    done.set()
    written = sum(writer.result(30) for writer in writers)
    recorded = values(
        watcher, "select action_meta from chronicle.events where resource_type = 'page'"
    )
    assert len(recorded) == written
    assert {each["n"] for each in recorded} == {1}
    # One of the settings held for each of them.
    assert [each for each in recorded if "[masked]" not in each.values()] == []


# Capture.


@pytest.fixture
def item(database: Database) -> str:
    """A table that is not tracked yet, with ten rows."""
    installer = database.connect()
    installer.execute("create table public.item (id integer primary key, version integer)")
    installer.execute("insert into public.item select n, 0 from generate_series(1, 10) as n")
    installer.execute("grant all on public.item to stranger")
    installer.commit()
    return "public.item"


@pytest.mark.parametrize(
    "change",
    [
        "insert into public.item (id, note) values (40, 'x')",
        "update public.item set note = 'y' where id = 4",
        "delete from public.item where id = 4",
    ],
)
def test_a_snapshot_older_than_an_alteration_has_to_be_taken_anew(
    database: Database, item: str, watcher: Connection, change: str
) -> None:
    """The server writes by the table as it is; a query of catalogs still sees it as it was."""
    run(watcher, f"select chronicle.enable_tracking('{item}')")
    writer = database.connect("stranger")
    writer.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    assert value(writer, "select count(*) from pg_class where relname = 'item'") == 1
    watcher.execute("alter table public.item add column note text default 'x'")
    assert refusal(writer, change) == Refusal(
        "40001",
        "could not serialize access due to concurrent change of table public.item",
        "Its columns were changed after this transaction began, so what they are called can not be "
        "told.",
        "Retry the transaction.",
    )
    writer.rollback()
    # Which helps, in the same session.
    run(writer, change)
    writer.commit()
    ((_, image),) = rows(
        watcher,
        "select action, coalesce(new_values, old_values) ->> 'note' from chronicle.row_changes",
    )
    assert image == ("y" if "update" in change else "x")


def test_tracking_begins_between_two_writers(
    database: Database, item: str, pool: ThreadPoolExecutor, watcher: Connection
) -> None:
    earlier, later = database.connect("stranger"), database.connect("stranger")
    old_snapshot = database.connect("stranger")
    old_snapshot.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    assert value(old_snapshot, "select count(*) from public.item") == 10
    installer = database.connect()
    update = "update public.item set version = version + 1 where id = %s"
    earlier.execute(update, (1,))
    enabling = waiting(
        pool,
        watcher,
        installer,
        earlier,
        lambda: run(installer, f"select chronicle.enable_tracking('{item}')"),
    )
    writing = waiting(pool, watcher, later, installer, lambda: later.execute(update, (2,)) and None)
    earlier.execute(update, (3,))
    earlier.commit()
    enabling.result(30)
    installer.commit()
    writing.result(30)
    later.commit()
    # It sees neither triggers nor what they were made of.
    assert sqlstate(old_snapshot, update, (4,)) == "40001"
    old_snapshot.rollback()
    old_snapshot.execute(update, (4,))
    old_snapshot.commit()
    assert rows(
        watcher,
        "select action, record_id, old_values, new_values from chronicle.row_changes order by seq",
    ) == [
        ("UPDATE", "2", {"version": 0}, {"version": 1}),
        ("UPDATE", "4", {"version": 0}, {"version": 1}),
    ]


def test_a_tracking_that_begins_under_load_loses_nothing(
    database: Database, item: str, pool: ThreadPoolExecutor, watcher: Connection
) -> None:
    sessions = [database.connect("stranger") for _ in range(5)]
    enabled = threading.Event()
    busy = threading.Barrier(6)

    def write(number: int) -> None:
        session = sessions[number]
        written = after = 0
        while after < 30:
            # Always in the order of the key, so that no two wait for each other.
            for key in sorted({written % 10 + 1, (written * 7 + number) % 10 + 1}):
                session.execute(
                    "update public.item set version = version + 1 where id = %s", (key,)
                )
            if written % 4 == 3:
                session.rollback()
            session.commit()
            written += 1
            after += enabled.is_set()
            if written == 10:
                busy.wait(30)

    writers = [pool.submit(write, number) for number in range(5)]
    busy.wait(30)
    installer = database.connect()
    run(installer, f"select chronicle.enable_tracking('{item}')")
    # No writer is in the table at this moment.
    versions = dict(rows(installer, "select id, version from public.item"))
    installer.commit()
    enabled.set()
    for writer in writers:
        writer.result(60)
    for key, version in rows(watcher, "select id, version from public.item"):
        recorded = rows(
            watcher,
            """
            select (old_values -> 'version')::integer, (new_values -> 'version')::integer
            from chronicle.row_changes where record_id = %s order by seq
            """,
            (str(key),),
        )
        assert recorded == [(n, n + 1) for n in range(versions[key], version)]
        assert recorded


def test_changes_of_a_row_are_numbered_in_the_order_in_which_they_were_made(
    database: Database, item: str, pool: ThreadPoolExecutor, watcher: Connection
) -> None:
    run(watcher, f"select chronicle.enable_tracking('{item}')")
    first, second = database.connect("stranger"), database.connect("stranger")
    update = "update public.item set version = version + 1 where id = 1"
    # The second has the older transaction.
    second.execute("update public.item set version = 100 where id = 2")
    first.execute(update)
    waits = waiting(pool, watcher, second, first, lambda: second.execute(update) and None)
    first.execute(update)
    first.commit()
    waits.result(30)
    second.commit()
    recorded = rows(
        watcher,
        """
        select (new_values -> 'version')::integer, transaction_id
        from chronicle.row_changes where record_id = '1' order by seq
        """,
    )
    assert [version for version, _ in recorded] == [1, 2, 3]
    assert recorded[2][1] < recorded[0][1]


def test_two_who_enable_at_once_enable_once(
    database: Database, item: str, pool: ThreadPoolExecutor, watcher: Connection
) -> None:
    first, second = database.connect(), database.connect()
    enable = f"select chronicle.enable_tracking('{item}')"
    run(first, enable)
    waits = waiting(pool, watcher, second, first, lambda: run(second, enable))
    first.commit()
    waits.result(30)
    second.commit()
    assert rows(watcher, "select action from chronicle.events") == [("chronicle.tracking.enable",)]
    assert values(watcher, "select state from chronicle.tracked_tables") == ["tracked"]
    watcher.execute("update public.item set version = 1 where id = 1")
    assert len(rows(watcher, "select from chronicle.row_changes")) == 1


def test_who_enables_after_a_failure_enables_all_of_it(
    database: Database, item: str, pool: ThreadPoolExecutor, watcher: Connection
) -> None:
    first, second = database.connect(), database.connect()
    enable = f"select chronicle.enable_tracking('{item}')"
    run(first, enable)
    waits = waiting(pool, watcher, second, first, lambda: run(second, enable))
    first.rollback()
    waits.result(30)
    second.commit()
    assert values(watcher, "select state from chronicle.tracked_tables") == ["tracked"]
    watcher.execute("update public.item set version = 1 where id = 1")
    assert len(rows(watcher, "select from chronicle.row_changes")) == 1


def test_many_tables_are_enabled_at_once(
    database: Database, pool: ThreadPoolExecutor, watcher: Connection
) -> None:
    for number in range(6):
        run(watcher, f"create table public.t{number} (id integer primary key)")
    sessions = [database.connect(autocommit=True) for _ in range(6)]

    def enable(number: int) -> None:
        for _ in range(3):
            run(sessions[number], f"select chronicle.enable_tracking('public.t{number}')")
            run(sessions[number], f"insert into public.t{number} values (1)")
            run(sessions[number], f"delete from public.t{number}")
            run(sessions[number], f"select chronicle.disable_tracking('public.t{number}')")

    in_all(pool, 6, enable)
    assert row(
        watcher,
        "select count(*), count(distinct table_id), count(distinct table_name) "
        "from chronicle.row_changes",
    ) == (36, 6, 6)


def test_tracking_ends_between_two_writers(
    database: Database, item: str, pool: ThreadPoolExecutor, watcher: Connection
) -> None:
    run(watcher, f"select chronicle.enable_tracking('{item}')")
    earlier, later = database.connect("stranger"), database.connect("stranger")
    installer = database.connect()
    update = "update public.item set version = version + 1 where id = %s"
    earlier.execute(update, (1,))
    disabling = waiting(
        pool,
        watcher,
        installer,
        earlier,
        lambda: run(installer, f"select chronicle.disable_tracking('{item}')"),
    )
    writing = waiting(pool, watcher, later, installer, lambda: later.execute(update, (2,)) and None)
    earlier.commit()
    disabling.result(30)
    installer.commit()
    writing.result(30)
    later.commit()
    assert values(watcher, "select record_id from chronicle.row_changes") == ["1"]


def test_an_enabling_under_way_stops_no_reader(database: Database, item: str) -> None:
    installer = database.connect()
    run(installer, f"select chronicle.enable_tracking('{item}')")
    reader = impatient(database, "stranger")
    assert value(reader, "select count(*) from public.item") == 10


# Partitions.


def test_writers_do_not_wait_for_partitions(database: Database, item: str) -> None:
    run(database.connect(autocommit=True), f"select chronicle.enable_tracking('{item}')")
    admin = database.connect("admin")
    assert len(values(admin, "select chronicle.ensure_partitions(9)")) == 6
    app, writer = impatient(database, "app"), impatient(database, "stranger")
    app.execute(LOG, ("x",))
    app.execute(LOG_ONCE, (uuid.uuid4(),))
    app.execute("select chronicle.log_audit_events('[]')")
    writer.execute("update public.item set version = 1")
    app.commit()
    writer.commit()
    admin.commit()


def test_partitions_do_not_wait_for_writers(database: Database, item: str) -> None:
    run(database.connect(autocommit=True), f"select chronicle.enable_tracking('{item}')")
    app, writer = database.connect("app"), database.connect("stranger")
    app.execute(LOG, ("x",))
    app.execute(LOG_ONCE, (uuid.uuid4(),))
    writer.execute("update public.item set version = 1")
    admin = impatient(database, "admin")
    assert len(values(admin, "select chronicle.ensure_partitions(9)")) == 6
    admin.commit()
    # What they wrote is where it belongs, and what they write from now on as well.
    app.execute(LOG, ("y",))
    app.commit()
    writer.commit()
    assert value(database.connect(), "select count(*) from chronicle.events") == 14


def test_who_reads_the_log_waits_for_partitions_and_they_give_up_before_him(
    database: Database, pool: ThreadPoolExecutor, watcher: Connection
) -> None:
    # Whatever happens, it ends.
    admin = database.connect("admin", options="-c statement_timeout=30s")
    auditor = database.connect("auditor")
    admin.execute("select chronicle.ensure_partitions(5)")
    reading = waiting(
        pool, watcher, auditor, admin, lambda: rows(auditor, "select * from chronicle.events")
    )
    admin.commit()
    reading.result(30)
    # The other way round: the reader has a transaction open.
    assert sqlstate(admin, "select chronicle.ensure_partitions(7)") == "55P03"
    admin.rollback()
    auditor.commit()
    assert len(values(admin, "select chronicle.ensure_partitions(7)")) == 2


def test_two_who_make_partitions_make_each_once(
    database: Database, pool: ThreadPoolExecutor, watcher: Connection
) -> None:
    first, second = database.connect("admin"), database.connect("admin")
    made = values(first, "select chronicle.ensure_partitions(8)")
    waits = waiting(
        pool,
        watcher,
        second,
        first,
        lambda: values(second, "select chronicle.ensure_partitions(9)"),
    )
    first.commit()
    others = waits.result(30)
    second.commit()
    assert (len(made), len(others)) == (5, 1)
    assert not set(made) & set(others)
    assert (
        value(
            watcher,
            "select count(*) from pg_inherits where inhparent = 'chronicle.events'::regclass",
        )
        == 12
    )


def test_partitions_follow_one_another_without_a_gap(database: Database) -> None:
    admin, installer = database.connect("admin", autocommit=True), database.connect()
    admin.execute("set timezone = 'America/Los_Angeles'")
    admin.execute("set datestyle = 'SQL, DMY'")
    for interval in ("week", "day", "quarter", "month"):
        admin.execute(
            "select chronicle.set_setting('partition_interval', to_jsonb(%s::text))", (interval,)
        )
        admin.execute("select chronicle.ensure_partitions(40)")
    installer.execute("set timezone = 'UTC'")
    bounds = rows(
        installer,
        """
        select
            substring(b.bound from $r$FROM \\('?([^')]+)$r$),
            substring(b.bound from $r$TO \\('?([^')]+)$r$)
        from (
            select pg_get_expr(c.relpartbound, c.oid) as bound
            from pg_inherits as i inner join pg_class as c on c.oid = i.inhrelid
            where i.inhparent = 'chronicle.events'::regclass
        ) as b
        where b.bound <> 'DEFAULT'
        order by 2
        """,
    )
    assert bounds[0][0] == "MINVALUE"
    # Whatever the session thinks of time, they begin at midnight in UTC.
    assert {high[10:] for _, high in bounds} == {" 00:00:00+00"}
    assert [low for low, _ in bounds[1:]] == [high for _, high in bounds[:-1]]
    assert len(bounds) > 40
