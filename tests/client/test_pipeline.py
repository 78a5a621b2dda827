"""The client within a pipeline of the caller's, where statements are sent before the earlier ones
are answered."""

import asyncio
from typing import Any

import psycopg
import pytest

import pgchronicle
from ask import rows
from pgchronicle import AsyncChronicle
from pgchronicle.errors import WrongFieldError
from support import Database

PAGE: Any = {"actor_type": "user", "action_type": "read", "resource_type": "page"}
COUNTS = "select actor_id, count(*) from chronicle.events group by actor_id order by actor_id"


def pages(number: int, **more: Any) -> list[Any]:
    return [PAGE | more for _ in range(number)]


@pytest.mark.parametrize("autocommit", [False, True])
def test_sets_events_and_contexts_are_recorded_within_a_pipeline(
    database: Database, autocommit: bool
) -> None:
    connection = database.connect("app", autocommit=autocommit)
    log = pgchronicle.Chronicle(connection)
    with connection.pipeline():
        connection.execute("select 1")
        ids = log.log_audit_events(pages(1500, actor_id="set"))
        ids.append(log.log_audit_event(**PAGE, actor_id="single"))
        with log.context(actor_type="user", actor_id="block"):
            ids += log.log_audit_events([{"action_type": "read", "resource_type": "page"}])
    connection.commit()
    assert len(set(ids)) == 1502
    assert rows(database.connect(), COUNTS) == [("block", 1), ("set", 1500), ("single", 1)]


def test_set_is_awaited_within_a_pipeline(database: Database) -> None:
    async def work() -> None:
        connection = await psycopg.AsyncConnection.connect(database.dsn("app"), autocommit=True)
        async with connection, connection.pipeline():
            log = AsyncChronicle(connection)
            async with log.context(actor_type="user", actor_id="ada"):
                assert len(set(await log.log_audit_events(pages(1500)))) == 1500

    asyncio.run(work())
    assert rows(database.connect(), COUNTS) == [("ada", 1500)]


@pytest.mark.parametrize("place", [2, 1400])
def test_refusal_within_a_pipeline_is_told_and_leaves_nothing(
    database: Database, place: int
) -> None:
    connection = database.connect("app", autocommit=True)
    log = pgchronicle.Chronicle(connection)
    events = pages(1500)
    events[place - 1] = PAGE | {"duration_ms": -1}
    with pytest.raises(WrongFieldError, match="_duration_ms is -1"), connection.pipeline():
        log.log_audit_events(events)
    log.log_audit_event(**PAGE, actor_id="after")
    assert rows(database.connect(), COUNTS) == [("after", 1)]
