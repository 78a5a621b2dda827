"""The log as a stream: what it gives, from which cursor, how much, to whom, and what it refuses.
That nothing is lost on the way is in faults/test_stream.py."""

import re
from collections.abc import Iterator

import pytest

from ask import Refusal, refusal, rows, run, sqlstate, value, values
from capturing import ITEM, track
from streaming import Consumer, log, migrated_database, quiet_cluster, take_id
from support import Cluster, Connection, Database

CURSOR = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")


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
def app(log_database: Database) -> Connection:
    """A session of the application, which commits each statement."""
    return log_database.connect("app", autocommit=True)


@pytest.fixture
def auditor(log_database: Database) -> Connection:
    """A session of an auditor, who sees all."""
    return log_database.connect("auditor", autocommit=True)


def head(session: Connection) -> str:
    """The cursor behind all that is settled."""
    cursor: str = value(session, "select chronicle.stream_head()")
    return cursor


# What it gives.


def test_an_empty_log_is_an_empty_stream_that_begins_anywhere(
    app: Connection, auditor: Connection
) -> None:
    consumer, follower = Consumer(auditor), Consumer(auditor, cursor=head(auditor))
    assert consumer.names() == follower.names() == []
    assert consumer.cursor is None
    log(app, "a")
    assert consumer.names() == follower.names() == ["read a"]


def test_without_a_cursor_it_begins_with_the_first_event(
    app: Connection, auditor: Connection
) -> None:
    for name in ("a", "b", "c"):
        log(app, name)
    assert Consumer(auditor).names() == ["read a", "read b", "read c"]
    assert values(auditor, "select resource_id from chronicle.events_since()") == ["a", "b", "c"]


def test_what_it_gives_are_events_whole(
    log_database: Database, app: Connection, auditor: Connection
) -> None:
    owner = log_database.connect(autocommit=True)
    run(owner, f"create table public.item ({ITEM})")
    track(owner)
    owner.execute("insert into public.item values (1, 'a', 1)")
    owner.execute("update public.item set name = 'b'")
    log(app, "a")
    expected = rows(auditor, "select * from chronicle.events order by seq")
    assert len(expected) == 4
    assert rows(auditor, "select * from chronicle.events_since()") == expected


def test_events_of_all_partitions_come_in_the_order_of_their_recording(
    app: Connection, auditor: Connection
) -> None:
    times = ("1999-01-01", "2019-05-01", "now", "0101-01-01", "2019-04-01")
    for time in times:
        app.execute(
            """
            select chronicle.log_audit_event(
                _actor_type => 'user', _action_type => 'read', _resource_type => 'page',
                _resource_id => %(time)s::text, _occurred_at => %(time)s::text::timestamptz
            )
            """,
            {"time": time},
        )
    consumer = Consumer(auditor, limit=2)
    assert consumer.names() == [f"read {time}" for time in times]


def test_a_partition_that_is_made_while_somebody_reads_is_read(
    log_database: Database, app: Connection, auditor: Connection
) -> None:
    consumer = Consumer(auditor)
    for name in ("a", "b", "c"):
        log(app, name)
        assert consumer.names() == [f"read {name}"]
    admin = log_database.connect("admin", autocommit=True)
    assert len(values(admin, "select chronicle.ensure_partitions(9)")) == 6
    writer = log_database.connect(log_database.cluster.superuser, autocommit=True)
    writer.execute("set role chronicle_writer")
    writer.execute(
        """
        insert into chronicle.events (
            occurred_at, actor_type, context_state, origin, action_type, action, resource_type,
            resource_id
        ) values (
            now() + interval '8 months', 'user', 'absent', 'logged', 'read', 'page.read', 'page',
            'd'
        )
        """
    )
    assert consumer.names() == ["read d"]


# Cursors.


def test_from_the_cursor_of_an_event_it_goes_on_behind_that(
    app: Connection, auditor: Connection
) -> None:
    for name in ("a", "b", "c", "d"):
        log(app, name)
    given = Consumer(auditor).poll()
    for place, event in enumerate(given):
        assert CURSOR.fullmatch(event.cursor)
        rest = [f"read {each.resource_id}" for each in given[place + 1 :]]
        assert Consumer(auditor, cursor=event.cursor).names() == rest
    assert [each.cursor for each in given] == [
        f"{each.epoch}.{each.transaction_id}.{each.seq}" for each in given
    ]


def test_the_cursor_of_an_event_that_was_overtaken_stands_where_it_settles(
    log_database: Database, app: Connection, auditor: Connection
) -> None:
    late = log_database.connect("app")
    number = take_id(late)
    log(app, "a")
    log(late, "b")
    late.commit()
    first, second = Consumer(auditor).poll()
    assert (first.resource_id, first.settled_after) == ("a", None)
    assert (second.resource_id, second.transaction_id) == ("b", number)
    assert second.settled_after == first.transaction_id > number
    assert second.cursor == f"{second.epoch}.{second.settled_after}.{second.seq}"
    assert Consumer(auditor, cursor=first.cursor).names() == ["read b"]


def test_a_cursor_can_be_had_of_any_event(app: Connection, auditor: Connection) -> None:
    for name in ("a", "b"):
        log(app, name)
    cursor = value(
        auditor,
        "select chronicle.event_cursor(e) from chronicle.events as e where resource_id = 'a'",
    )
    assert Consumer(auditor, cursor=cursor).names() == ["read b"]


def test_a_cursor_serves_again_and_serves_others(
    log_database: Database, app: Connection, auditor: Connection
) -> None:
    log(app, "a")
    consumer = Consumer(auditor)
    consumer.poll()
    log(app, "b")
    other = log_database.connect("auditor", autocommit=True)
    for session in (auditor, other, auditor):
        assert Consumer(session, cursor=consumer.cursor).names() == ["read b"]


def test_the_head_stands_behind_all_that_is_settled(app: Connection, auditor: Connection) -> None:
    log(app, "a")
    cursor = head(auditor)
    assert CURSOR.fullmatch(cursor)
    assert Consumer(auditor, cursor=cursor).names() == []
    assert head(auditor) == cursor
    log(app, "b")
    assert Consumer(auditor, cursor=cursor).names() == ["read b"]


def test_the_head_stands_before_all_that_is_not_settled(
    log_database: Database, app: Connection, auditor: Connection
) -> None:
    log(app, "a")
    older = log_database.connect("app")
    log(older, "b")
    log(app, "c")
    cursor = head(auditor)
    older.commit()
    assert Consumer(auditor, cursor=cursor).names() == ["read b", "read c"]


def test_the_head_stands_before_what_its_own_transaction_writes(log_database: Database) -> None:
    owner = log_database.connect()
    log(owner, "a")
    cursor = head(owner)
    log(owner, "b")
    assert head(owner) == cursor
    owner.commit()
    assert Consumer(owner, cursor=cursor).names() == ["read a", "read b"]


@pytest.mark.parametrize(
    "cursor",
    [
        *(
            "",
            " ",
            "0",
            "1",
            "1.2",
            "1.2.",
            ".2.3",
            "1..3",
            "1.2.3.4",
            "1.2.3 ",
            " 1.2.3",
            "1.2.3\n",
        ),
        *("1,2,3", "-1.2.3", "1.-2.3", "1.2.-3", "+1.2.3", "1e1.2.3", "0x1.2.3", "a.b.c", "null"),
        *(
            "1.2.x",
            "1.2.3;",
            "1.2.3'--",
            "%s.%s.%s",
            "\uff11.2.3",
            "1.2." + "9" * 40,
            "9" * 40 + ".2.3",
        ),
        *("1." + "9" * 40 + ".3", "1.2.3" * 100_000),
    ],
    ids=lambda cursor: repr(cursor[:12]),
)
def test_what_is_no_cursor_is_refused(auditor: Connection, cursor: str) -> None:
    assert refusal(auditor, "select * from chronicle.events_since(%s)", (cursor,)) == Refusal(
        "22023",
        "the cursor is not one of this stream",
        f"It is '{cursor[:100].replace(chr(39), chr(39) * 2)}'.",
        "Pass what chronicle.event_cursor or chronicle.stream_head gave, or null to begin.",
    )


def test_a_cursor_of_another_server_is_refused_when_that_is_ahead(
    app: Connection, auditor: Connection
) -> None:
    log(app, "a")
    epoch, number, _ = (int(part) for part in head(auditor).split("."))
    for cursor in (f"{epoch}.{number + 1}.0", f"{epoch}.{'9' * 18}.1", f"{epoch + 1}.1.1"):
        assert refusal(auditor, "select * from chronicle.events_since(%s)", (cursor,)) == Refusal(
            "55000",
            "the stream is ahead of this server",
            f"The next transaction here is number {number}; the cursor or the log has one above "
            "that.",
            "A log that was restored or copied from another server: "
            "select chronicle.begin_epoch('…'), and go on from the same cursor. "
            "A cursor of another log: begin here from chronicle.stream_head().",
        )


def test_a_log_of_another_server_is_refused_when_that_is_ahead(
    log_database: Database, app: Connection, auditor: Connection
) -> None:
    """As after a dump is restored: its events would be waited for, and those that follow be taken
    for older ones."""
    log(app, "a")
    writer = log_database.connect(log_database.cluster.superuser, autocommit=True)
    writer.execute("set role chronicle_writer")
    writer.execute(
        """
        insert into chronicle.events (
            transaction_id, actor_type, context_state, origin, action_type, action, resource_type
        ) values (1000000000000, 'user', 'absent', 'logged', 'read', 'page.read', 'page')
        """
    )
    assert sqlstate(auditor, "select * from chronicle.events_since()") == "55000"
    assert sqlstate(auditor, "select * from chronicle.events_since(%s)", (head(auditor),)) == (
        "55000"
    )


# Limits.


def test_it_gives_a_thousand_events_unless_told_otherwise(
    app: Connection, auditor: Connection
) -> None:
    app.execute(
        """
        select count(chronicle.log_audit_event(
            _actor_type => 'user', _action_type => 'read', _resource_type => 'page',
            _resource_id => n::text
        )) from generate_series(1, 1200) as n
        """
    )
    names = [str(number) for number in range(1, 1201)]
    given = "select resource_id from chronicle.events_since(null{})"
    assert values(auditor, given.format("")) == names[:1000]
    for limit in (1, 2, 1000, 1199, 1200, 1201, 100_000):
        assert values(auditor, given.format(f", {limit}")) == names[:limit]


@pytest.mark.parametrize("limit", ["0", "-1", "100001", "2147483647", "null"])
def test_what_is_no_limit_is_refused(auditor: Connection, limit: str) -> None:
    assert refusal(auditor, f"select * from chronicle.events_since(null, {limit})") == Refusal(
        "22023",
        f"_limit is {limit}, not 1 to 100000",
        None,
        "Ask again from the cursor of the last event to get more.",
    )


def test_a_few_events_are_read_without_the_others(
    log_database: Database, auditor: Connection
) -> None:
    writer = log_database.connect(log_database.cluster.superuser, autocommit=True)
    writer.execute("set role chronicle_writer")
    for _ in range(20):
        writer.execute(
            """
            insert into chronicle.events (
                actor_type, context_state, origin, action_type, action, resource_type, settled_after
            )
            select
                'user', 'absent', 'logged', 'read', 'page.read', 'page',
                case when n % 2 = 0 then pg_current_xact_id()::text::bigint + 1 end
            from generate_series(1, 2000) as n
            """
        )
    writer.execute("reset role")
    writer.execute("analyze chronicle.events")

    def pages(cursor: str | None, limit: int) -> int:
        """At how many pages of the log the server looks."""
        fetched = """
            select sum(pg_stat_get_xact_blocks_fetched(oid))::bigint from pg_class
            where relnamespace = 'chronicle'::regnamespace
        """
        with auditor.transaction():
            before: int = value(auditor, fetched)
            Consumer(auditor, limit, cursor).poll()
            after: int = value(auditor, fetched)
        return after - before

    middle = Consumer(auditor, 20_000).poll()[-1].cursor
    # The server goes over to another plan when it has made one a few times.
    few = [pages(cursor, 10) for cursor in (None, middle) for _ in range(7)]
    assert max(few) < pages(None, 100_000) / 10


# Who gets what.


def test_each_gets_the_events_that_they_may_see(
    log_database: Database, app: Connection, auditor: Connection
) -> None:
    admin = log_database.connect("admin", autocommit=True)
    for principal, organization in (
        *(
            ("reader_a", "acme"),
            ("reader_a", "other"),
            ("reader_b", "other"),
            ("root_reader", None),
        ),
    ):
        admin.execute("select chronicle.add_administrator(%s, %s)", (principal, organization))
    cursor = head(auditor)
    for number, organization in enumerate(("acme", "other", None, "third", "acme")):
        app.execute(
            """
            select chronicle.log_audit_event(
                _organization_id => %s::text, _actor_type => 'user', _action_type => 'read',
                _resource_type => 'page', _resource_id => %s::text
            )
            """,
            (organization, str(number)),
        )
    seen = {
        user: Consumer(log_database.connect(user, autocommit=True), 1, cursor).names()
        for user in ("reader_a", "reader_b", "root_reader", "auditor")
    }
    assert seen == {
        "reader_a": ["read 0", "read 1", "read 4"],
        "reader_b": ["read 1"],
        "root_reader": ["read 2"],
        "auditor": ["read 0", "read 1", "read 2", "read 3", "read 4"],
    }


def test_who_administers_nothing_gets_nothing_and_can_keep_a_cursor(
    log_database: Database, app: Connection
) -> None:
    log(app, "a")
    reader = log_database.connect("reader_a", autocommit=True)
    consumer = Consumer(reader, cursor=head(reader))
    assert Consumer(reader).names() == consumer.names() == []


def test_a_session_that_becomes_somebody_else_gets_what_they_may_see(
    log_database: Database, auditor: Connection
) -> None:
    """What the server keeps of the function between calls is not what it found for another."""
    admin = log_database.connect("admin", autocommit=True)
    for reader, organization in (("reader_a", "acme"), ("reader_b", "other")):
        admin.execute("select chronicle.add_administrator(%s, %s)", (reader, organization))
    cursor = head(auditor)
    session = log_database.connect(log_database.cluster.superuser, autocommit=True)
    for organization in ("acme", "other"):
        session.execute(
            """
            select chronicle.log_audit_event(
                _organization_id => %(name)s::text, _actor_type => 'user', _action_type => 'read',
                _resource_type => 'page', _resource_id => %(name)s::text
            )
            """,
            {"name": organization},
        )
    for _ in range(3):
        for reader, names in (
            ("reader_a", ["read acme"]),
            ("auditor", ["read acme", "read other"]),
            ("reader_b", ["read other"]),
        ):
            run(session, f"set role {reader}")
            assert Consumer(session, cursor=cursor).names() == names


@pytest.mark.parametrize("user", ["app", "admin", "stranger"])
@pytest.mark.parametrize(
    "call",
    [
        "select * from chronicle.events_since()",
        "select chronicle.stream_head()",
        "select chronicle.event_cursor(null)",
    ],
)
def test_who_may_not_read_the_log_may_not_read_its_stream(
    log_database: Database, user: str, call: str
) -> None:
    assert sqlstate(log_database.connect(user), call) == "42501"
