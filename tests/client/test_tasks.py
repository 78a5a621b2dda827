"""The client among tasks: each acts for itself, and nothing outlives the block it was said in."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool, ConnectionPool

import pgchronicle
from ask import rows
from pgchronicle import AsyncChronicle, ambient
from pgchronicle.errors import ChronicleError
from support import Database

PAGE: Any = {"action_type": "read", "resource_type": "page"}
EVENTS = (
    "select resource_id, actor_id, dense_rank() over (order by transaction_id) "
    "from chronicle.events order by resource_id"
)


def ran(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


@asynccontextmanager
async def pooled(database: Database, size: int = 3) -> AsyncGenerator[AsyncConnectionPool[Any]]:
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        database.dsn("app"), min_size=size, max_size=size, open=False
    )
    async with pool:
        await pool.wait(30)
        yield pool


def test_tasks_over_one_pool_have_a_context_each(database: Database) -> None:
    async def work() -> None:
        async with pooled(database) as pool:
            log = AsyncChronicle(pool)
            together = asyncio.Barrier(2)

            async def act(actor: str) -> None:
                async with log.context(actor_type="user", actor_id=actor):
                    await together.wait()
                    await log.log_audit_event(**PAGE, resource_id=actor)
                    await together.wait()

            await asyncio.gather(act("ada"), act("bob"))

    ran(work)
    assert [row[:2] for row in rows(database.connect(), EVENTS)] == [("ada", "ada"), ("bob", "bob")]


def test_what_a_block_gathers_is_of_its_transaction(database: Database) -> None:
    async def work() -> None:
        async with pooled(database) as pool:
            log = AsyncChronicle(pool)
            async with log.context(actor_type="user", actor_id="ada"):
                await asyncio.gather(*(log.log_audit_event(**PAGE, resource_id=n) for n in (1, 2)))

    ran(work)
    assert rows(database.connect(), EVENTS) == [("1", "ada", 1), ("2", "ada", 1)]


def test_tasks_within_a_block_that_say_who_acts_do_not_mix(database: Database) -> None:
    """One goes on in the transaction of the block, the other gets one of its own."""

    async def work() -> None:
        async with pooled(database) as pool:
            log = AsyncChronicle(pool)
            together = asyncio.Barrier(2)

            async def act(actor: str) -> None:
                async with log.context(actor_type="user", actor_id=actor):
                    await together.wait()
                    await log.log_audit_event(**PAGE, resource_id=actor)
                    await together.wait()

            async with log.context(actor_type="service", actor_id="worker", request_id="r"):
                await asyncio.gather(act("ada"), act("bob"))
                await log.log_audit_event(**PAGE, resource_id="worker")

    ran(work)
    found = rows(database.connect(), EVENTS)
    assert [row[:2] for row in found] == [("ada", "ada"), ("bob", "bob"), ("worker", "worker")]
    ada, bob, worker = (transaction for *_, transaction in found)
    assert ada == worker != bob


def test_task_beside_an_inner_block_is_not_taken_for_who_acts_there(database: Database) -> None:
    async def work() -> None:
        async with pooled(database) as pool:
            log = AsyncChronicle(pool)
            inside, done = asyncio.Event(), asyncio.Event()

            async def beside() -> None:
                await inside.wait()
                try:
                    await log.log_audit_event(**PAGE, resource_id="beside")
                finally:
                    done.set()

            async with log.context(actor_type="user", actor_id="ada"):
                task = asyncio.create_task(beside())
                async with log.context(actor_type="ai", actor_id="bot"):
                    inside.set()
                    await log.log_audit_event(**PAGE, resource_id="inside")
                    await done.wait()
                await task

    ran(work)
    assert [row[:2] for row in rows(database.connect(), EVENTS)] == [
        ("beside", "ada"),
        ("inside", "bot"),
    ]


def test_end_of_one_inner_block_does_not_hide_that_another_goes_on(database: Database) -> None:
    async def work() -> None:
        async with pooled(database) as pool:
            log = AsyncChronicle(pool)
            inside, done = asyncio.Event(), asyncio.Event()

            async def act() -> None:
                async with log.context(actor_type="user", actor_id="ada"):
                    inside.set()
                    await done.wait()

            async with log.context(actor_type="service", actor_id="worker"):
                task = asyncio.create_task(act())
                await inside.wait()
                async with log.context(actor_type="user", actor_id="bob"):
                    pass
                await log.log_audit_event(**PAGE, resource_id="beside ada")
                done.set()
                await task

    ran(work)
    assert [row[:2] for row in rows(database.connect(), EVENTS)] == [("beside ada", "worker")]


def test_task_that_outlives_the_block_does_not_use_its_connection(database: Database) -> None:
    async def work() -> None:
        async with pooled(database, size=1) as pool:
            log = AsyncChronicle(pool)
            over = asyncio.Event()

            async def late() -> None:
                await over.wait()
                await log.log_audit_event(**PAGE, resource_id="late")

            async with log.context(actor_type="user", actor_id="ada"):
                await log.log_audit_event(**PAGE, resource_id="early")
                task = asyncio.create_task(late())
            async with pool.connection() as others:
                over.set()
                while not (task.done() or pool.get_stats().get("requests_waiting")):
                    await asyncio.sleep(0)
                await others.rollback()
            await task

    ran(work)
    assert rows(database.connect(), EVENTS) == [("early", "ada", 1), ("late", "ada", 2)]


def test_two_tasks_can_not_say_who_acts_over_one_connection(database: Database) -> None:
    async def work() -> None:
        connection = await psycopg.AsyncConnection.connect(database.dsn("app"))
        async with connection:
            log = AsyncChronicle(connection)
            together = asyncio.Barrier(2)

            async def first() -> None:
                async with log.context(actor_type="user", actor_id="bob"):
                    await together.wait()
                    await together.wait()

            async with log.context(actor_type="user", actor_id="ada"):
                task = asyncio.create_task(first())
                await together.wait()
                with pytest.raises(ChronicleError, match="another task or thread is in a context"):
                    async with log.context(reason="why"):
                        raise AssertionError("it was accepted")
                await together.wait()
                await task
                async with log.context(reason="why"):
                    assert (await log.current_context())["actor_id"] == "ada"

    ran(work)


def test_cancelled_block_gives_back_its_connection_and_leaves_nothing(database: Database) -> None:
    async def work() -> None:
        async with pooled(database, size=1) as pool:
            log = AsyncChronicle(pool)
            inside = asyncio.Event()

            async def act() -> None:
                async with log.context(actor_type="user", actor_id="ada") as connection:
                    await log.log_audit_event(**PAGE, resource_id="lost")
                    inside.set()
                    await connection.execute("select pg_sleep(600)")

            task = asyncio.create_task(act())
            await inside.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await log.current_context())["context_state"] == "absent"

    ran(work)
    assert rows(database.connect(), EVENTS) == []


def test_thread_that_takes_the_block_along_does_not_outlive_it_on_its_connection(
    database: Database,
) -> None:
    with ConnectionPool(database.dsn("app"), min_size=1, max_size=1) as pool:
        log = pgchronicle.Chronicle(pool)
        over = threading.Event()

        def late() -> None:
            over.wait(30)
            log.log_audit_event(**PAGE, resource_id="late")

        with ThreadPoolExecutor(1) as threads:
            with log.context(actor_type="user", actor_id="ada"):
                log.log_audit_event(**PAGE, resource_id="early")
                done = threads.submit(copy_context().run, late)
            over.set()
            done.result()
    assert rows(database.connect(), EVENTS) == [("early", "ada", 1), ("late", "ada", 2)]


def test_scope_around_tasks_says_who_acts_in_each(database: Database) -> None:
    async def work() -> None:
        async with pooled(database) as pool:
            log = AsyncChronicle(pool)
            with ambient.scope(actor_type="user", actor_id="ada"):
                await asyncio.gather(*(log.log_audit_event(**PAGE, resource_id=n) for n in (1, 2)))

    ran(work)
    assert [row[:2] for row in rows(database.connect(), EVENTS)] == [("1", "ada"), ("2", "ada")]


def test_pool_or_connection_of_the_other_kind_is_refused(database: Database) -> None:
    others: list[Any] = [
        (pgchronicle.Chronicle, AsyncConnectionPool(database.dsn(), open=False)),
        (AsyncChronicle, ConnectionPool(database.dsn(), open=False)),
        (AsyncChronicle, database.connect()),
    ]
    for client, source in others:
        with pytest.raises(TypeError, match=f"is needed, not {type(source).__name__}"):
            client(source)
