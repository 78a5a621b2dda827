"""The client's stream: an iterator over all that is settled, whose cursor can be kept."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count, islice
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from pgchronicle import Chronicle, Event
from pgchronicle.errors import NotAllowedError, WrongFieldError
from streaming import migrated_database, quiet_cluster
from support import Cluster, Connection, Database

PAGE: Any = {"actor_type": "user", "action_type": "read", "resource_type": "page"}

_numbers = count(1)


@pytest.fixture(scope="module")
def quiet() -> Iterator[Cluster]:
    with quiet_cluster() as cluster:
        yield cluster


@pytest.fixture
def own(quiet: Cluster) -> Iterator[Database]:
    """A database on a server where nothing else holds the stream back."""
    yield from migrated_database(quiet, f"streamed_{next(_numbers)}")


@pytest.fixture
def session(own: Database) -> Connection:
    return own.connect(autocommit=True)


def names(stream: Any) -> list[str | None]:
    # None of these tests has more: a stream that gives an event twice may never end.
    return [event.resource_id for event in islice(stream, 100)]


def log_pages(log: Chronicle, *names: object) -> None:
    log.log_audit_events(PAGE | {"resource_id": name} for name in names)


def test_stream_gives_whole_events_in_order_and_ends(session: Connection) -> None:
    log = Chronicle(session)
    log_pages(log, 1, 2, 3)
    found = list(islice(log.events_since(), 100))
    assert [event.resource_id for event in found] == ["1", "2", "3"]
    assert all(isinstance(event, Event) for event in found)
    assert found == list(reversed(log.events().events))


@pytest.mark.parametrize("batch_size", [1, 2, 1000])
def test_cursor_stands_behind_the_event_last_given(session: Connection, batch_size: int) -> None:
    log = Chronicle(session)
    log_pages(log, *range(5))
    stream = log.events_since(batch_size=batch_size)
    assert stream.cursor is None
    kept: list[str | None] = []
    for _ in islice(stream, 100):
        kept.append(stream.cursor)
    assert [names(log.events_since(cursor)) for cursor in [None, *kept]] == [
        [str(n) for n in range(first, 5)] for first in range(6)
    ]


def test_events_that_the_caller_may_not_see_are_passed_once(own: Database) -> None:
    log_pages(Chronicle(own.connect(autocommit=True)), *range(5))
    reader = Chronicle(own.connect("reader_a", autocommit=True))
    stream = reader.events_since(batch_size=2)
    assert names(stream) == []
    assert stream.cursor == reader.stream_head()


def test_head_is_where_one_begins_who_wants_no_past(session: Connection) -> None:
    log = Chronicle(session)
    log_pages(log, "past")
    head = log.stream_head()
    assert names(log.events_since(head)) == []
    log_pages(log, "new")
    assert names(log.events_since(head)) == ["new"]


def test_stream_that_has_ended_goes_on_when_there_is_more(session: Connection) -> None:
    log = Chronicle(session)
    stream = log.events_since()
    assert names(stream) == []
    log_pages(log, 1)
    assert names(stream) == ["1"]
    assert names(stream) == []


def test_polling_waits_for_what_comes(session: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Chronicle(session)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) % 2 == 0:
            session.execute(
                "select chronicle.log_audit_event(_actor_type => 'user', _action_type => 'read', "
                "_resource_type => 'page', _resource_id => %s::text)",
                (str(len(waits)),),
            )

    async def awaited_wait(seconds: float) -> None:
        wait(seconds)

    monkeypatch.setattr("pgchronicle.stream.time", SimpleNamespace(sleep=wait))
    monkeypatch.setattr("pgchronicle.async_stream.asyncio", SimpleNamespace(sleep=awaited_wait))
    stream = log.events_since(poll=timedelta(milliseconds=250))
    assert [next(stream).resource_id, next(stream).resource_id] == ["2", "4"]
    assert waits == [0.25] * 4


def test_after_an_error_the_stream_goes_on_behind_the_last_event(session: Connection) -> None:
    log = Chronicle(session)
    log_pages(log, 1, 2)
    stream = log.events_since(batch_size=1)
    assert next(stream).resource_id == "1"
    session.execute("set session role chronicle_app")
    with pytest.raises(NotAllowedError):
        next(stream)
    session.execute("reset role")
    assert names(stream) == ["2"]


def test_over_a_pool_each_batch_is_a_transaction_of_its_own(own: Database) -> None:
    log_pages(Chronicle(own.connect(autocommit=True)), 1, 2, 3)
    with ConnectionPool(own.dsn(), min_size=1, max_size=1) as pool:
        log = Chronicle(pool)
        stream = log.events_since(batch_size=2)
        assert next(stream).resource_id == "1"
        # The one connection is free between batches.
        log_pages(log, 4)
        assert names(stream) == ["2", "3", "4"]


def test_reader_is_given_what_they_may_see(own: Database, session: Connection) -> None:
    log = Chronicle(session)
    log.add_administrator("reader_a", "a")
    log.log_audit_events(PAGE | {"organization_id": each} for each in ("a", "b", "a"))
    reader = Chronicle(own.connect("reader_a", autocommit=True))
    assert [e.organization_id for e in reader.events_since(batch_size=1)] == ["a", "a"]


def test_cursor_that_is_none_or_from_elsewhere_is_refused(session: Connection) -> None:
    log = Chronicle(session)
    with pytest.raises(WrongFieldError, match="the cursor is not one of this stream"):
        names(log.events_since("yesterday"))
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="ahead of this server"):
        names(log.events_since("1.99999999999.1"))
    with pytest.raises(WrongFieldError, match="_limit is 0"):
        names(log.events_since(batch_size=0))
    with pytest.raises(ValueError, match="poll is 0:00:00"):
        log.events_since(poll=timedelta(0))
