"""SQLAlchemy: every transaction of an instrumented engine says who acts."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from integrations.shop import ABSENT, MALFORMED, SIGNER, Shop, asserted, url, verified
from pgchronicle import ambient
from pgchronicle.integrations.sqlalchemy import instrument
from pgchronicle.signing import ContextSigner
from pgchronicle.testing import recording
from support import INSTALLER

ADA: Any = {"actor_id": "ada", "actor_type": "user"}
BOB: Any = {"actor_id": "bob", "actor_type": "user"}


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]


INSERT = sa.insert(Order).values(status="new")
PID = sa.select(sa.func.pg_backend_pid())


@asynccontextmanager
async def async_engine(shop: Shop, driver: str, **options: Any) -> AsyncGenerator[AsyncEngine]:
    """An instrumented engine of app's that is awaited."""
    engine = create_async_engine(url(shop, driver))
    instrument(engine, **options)
    try:
        yield engine
    finally:
        await engine.dispose()


def sent(engine: sa.Engine) -> list[str]:
    """What goes to the server from now on."""
    statements: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement.partition("(")[0])

    event.listen(engine, "before_cursor_execute", note)
    return statements


def test_core_says_who_acts(engine: sa.Engine, shop: Shop) -> None:
    with ambient.scope(**ADA, reason="ticket 7"), engine.begin() as connection:
        connection.execute(INSERT)
    assert shop.context() == asserted(**ADA, reason="ticket 7")


def test_an_autobegun_transaction_says_who_acts(engine: sa.Engine, shop: Shop) -> None:
    with ambient.scope(**ADA), engine.connect() as connection:
        connection.execute(INSERT)
        connection.commit()
        connection.execute(INSERT)
        connection.commit()
    assert shop.contexts() == [asserted(**ADA)] * 2


def test_the_orm_says_who_acts(engine: sa.Engine, shop: Shop) -> None:
    with ambient.scope(**ADA), Session(engine) as session:
        order = Order(status="new")
        session.add(order)
        session.commit()
        order.status = "paid"
        session.commit()
        session.delete(order)
        session.commit()
    assert shop.contexts() == [asserted(**ADA)] * 3


def test_many_rows_in_one_statement_say_who_acts(engine: sa.Engine, shop: Shop) -> None:
    with ambient.scope(**ADA), engine.begin() as connection:
        connection.execute(sa.insert(Order), [{"status": "a"}, {"status": "b"}])
        connection.exec_driver_sql(
            "insert into orders (status) values (%s)", [("c",), ("d",), ("e",)]
        )
    assert shop.contexts() == [asserted(**ADA)] * 5


def test_it_is_one_statement_a_transaction_and_none_where_nothing_surrounds(
    engine: sa.Engine, shop: Shop
) -> None:
    statements = sent(engine)
    with engine.begin() as connection:
        connection.execute(INSERT)
    assert statements == ["INSERT INTO orders "]
    statements.clear()
    with ambient.scope(**ADA), engine.begin() as connection:
        connection.execute(INSERT)
        connection.execute(INSERT)
    assert statements == ["select pg_catalog.set_config", *["INSERT INTO orders "] * 2]
    assert shop.contexts() == [ABSENT, asserted(**ADA), asserted(**ADA)]


def test_a_connection_that_goes_back_to_the_pool_takes_no_context_along(
    engine: sa.Engine, shop: Shop
) -> None:
    with ambient.scope(**ADA), engine.begin() as connection:
        pid = connection.execute(PID).scalar_one()
        connection.execute(INSERT)
    with engine.begin() as connection:
        assert connection.execute(PID).scalar_one() == pid
        connection.execute(INSERT)
    with ambient.scope(**BOB), engine.begin() as connection:
        connection.execute(INSERT)
    assert shop.contexts() == [asserted(**ADA), ABSENT, asserted(**BOB)]


def test_an_actor_found_out_within_the_transaction_acts_in_what_follows(
    engine: sa.Engine, shop: Shop
) -> None:
    with ambient.scope(request_id="r-1"), engine.begin() as connection:
        connection.execute(sa.select(Order)).first()  # as one that looks the user up
        ambient.annotate(**ADA)
        connection.execute(INSERT)
    assert shop.context() == asserted(**ADA, request_id="r-1")


def test_a_transaction_across_scopes_says_who_acts_in_each(engine: sa.Engine, shop: Shop) -> None:
    with engine.begin() as connection:
        with ambient.scope(**ADA):
            connection.execute(INSERT)
        with ambient.scope(**BOB):
            connection.execute(INSERT)
        connection.execute(INSERT)
    assert shop.contexts() == [asserted(**ADA), asserted(**BOB), ABSENT]


def test_a_savepoint_that_is_rolled_back_takes_nothing_else_with_it(
    engine: sa.Engine, shop: Shop
) -> None:
    with ambient.scope(**ADA), engine.begin() as connection:
        savepoint = connection.begin_nested()
        ambient.annotate(reason="ticket 7")
        connection.execute(INSERT)
        savepoint.rollback()
        connection.execute(INSERT)
        with connection.begin_nested():
            connection.execute(INSERT)
        connection.execute(INSERT)
    assert shop.contexts() == [asserted(**ADA, reason="ticket 7")] * 3


def test_a_scope_that_a_database_error_ends_does_not_stand_in_the_way_of_the_rollback(
    engine: sa.Engine, shop: Shop
) -> None:
    with ambient.scope(**ADA), engine.begin() as connection:
        with (
            pytest.raises(IntegrityError),
            connection.begin_nested(),
            ambient.scope(reason="ticket 7"),
        ):
            connection.execute(sa.insert(Order).values(status=None))
        connection.execute(INSERT)
    assert shop.context() == asserted(**ADA)


def test_a_rollback_by_hand_is_not_stood_in_the_way_of(engine: sa.Engine, shop: Shop) -> None:
    with ambient.scope(**ADA), engine.begin() as connection:
        connection.exec_driver_sql("savepoint s")
        with pytest.raises(IntegrityError), ambient.scope(reason="ticket 7"):
            connection.execute(sa.insert(Order).values(status=None))
        connection.exec_driver_sql("  rollback to s")
        connection.execute(INSERT)
    assert shop.context() == asserted(**ADA)


def test_a_recording_shows_what_an_engine_writes(shop: Shop) -> None:
    engine = sa.create_engine(url(shop).set(username=INSTALLER))
    instrument(engine)
    with ambient.scope(**ADA), engine.connect() as connection:
        with recording(
            cast(psycopg.Connection[Any], connection.connection.driver_connection)
        ) as recorded:
            connection.execute(INSERT)
        connection.rollback()
    engine.dispose()
    recorded.assert_recorded(action="orders.create", **ADA, context_state="asserted")


def test_a_transaction_to_be_prepared_says_who_acts(engine: sa.Engine) -> None:
    # The server of the tests prepares none, so it ends before that.
    context = sa.text("select chronicle.current_context()")
    with ambient.scope(**ADA), engine.connect() as connection:
        for _ in range(2):
            with connection.begin_twophase() as transaction:
                assert connection.execute(context).scalar_one() == asserted(**ADA)
                transaction.rollback()


def test_an_engine_with_other_options_is_covered(engine: sa.Engine, shop: Shop) -> None:
    serializable = engine.execution_options(isolation_level="SERIALIZABLE")
    with ambient.scope(**ADA), serializable.begin() as connection:
        connection.execute(INSERT)
    assert shop.context() == asserted(**ADA)


def test_autocommit_is_not_covered(engine: sa.Engine, shop: Shop) -> None:
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    with ambient.scope(**ADA), autocommit.connect() as connection:
        connection.execute(INSERT)
    assert shop.context() == ABSENT


def test_another_database_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^the audit log is in PostgreSQL, not in sqlite$"):
        instrument(sa.create_engine("sqlite://"))


def test_a_signer_makes_contexts_verified(shop: Shop) -> None:
    engine = sa.create_engine(url(shop))
    instrument(engine, signer=SIGNER)
    with ambient.scope(**ADA, client_info={"app": "till"}), engine.begin() as connection:
        connection.execute(INSERT)
        with ambient.scope(**BOB):
            connection.execute(INSERT)
    with ambient.scope(request_id="r-1"), engine.begin() as connection:
        connection.execute(INSERT)
    engine.dispose()
    assert shop.contexts() == [
        verified(**ADA, client_info={"app": "till"}),
        verified(**BOB, client_info={"app": "till"}),
        ABSENT | asserted(request_id="r-1"),
    ]


def test_a_signature_that_is_refused_breaks_no_write(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    engine = sa.create_engine(url(shop))
    instrument(engine, signer=ContextSigner("unheard-of", bytes(32)))
    with ambient.scope(**ADA), engine.begin() as connection:
        connection.execute(INSERT)
    engine.dispose()
    assert shop.context() == MALFORMED | {"client_info": {"context_error": "unknown_key"}}
    assert [record.message for record in caplog.records] == [
        "the signed context was refused: unknown_key"
    ]


def test_a_database_without_the_log_is_an_error_only_where_contexts_are_signed(
    shop: Shop,
) -> None:
    bare = url(shop).set(database="postgres")
    engine = sa.create_engine(bare)
    instrument(engine)
    with ambient.scope(**ADA), engine.begin() as connection:
        connection.execute(sa.select(1))
    engine.dispose()
    engine = sa.create_engine(bare)
    instrument(engine, signer=SIGNER)
    with (
        pytest.raises(ProgrammingError, match="chronicle"),
        ambient.scope(**ADA),
        engine.begin(),
    ):
        pass
    engine.dispose()


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_three_async_engines_side_by_side_each_say_who_acts(shop: Shop, driver: str) -> None:
    async def act(actor: str, turns: asyncio.Barrier) -> None:
        async with async_engine(shop, driver) as engine:
            for _ in range(3):
                with ambient.scope(actor_id=actor, actor_type="user"):
                    async with AsyncSession(engine) as session, session.begin():
                        await turns.wait()
                        session.add(Order(status=actor))
                        await session.flush()
                        await turns.wait()

    async def all_at_once() -> None:
        turns = asyncio.Barrier(3)
        await asyncio.gather(*(act(actor, turns) for actor in ("ada", "bob", "eve")))

    asyncio.run(all_at_once())
    with shop.auditor.cursor() as cursor:
        said = cursor.execute(
            "select details_after ->> 'status', actor_id, context_state from chronicle.events "
            "where resource_type = 'orders' and seq > %s",
            (shop.after,),
        ).fetchall()
    assert sorted(said) == [
        (actor, actor, "asserted") for actor in ("ada", "bob", "eve") for _ in range(3)
    ]


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_an_async_engine_signs(shop: Shop, driver: str) -> None:
    async def act() -> None:
        async with async_engine(shop, driver, signer=SIGNER) as engine:
            with ambient.scope(**ADA, reason="ünïcødé \U0001f980"):
                async with engine.begin() as connection:
                    await connection.execute(INSERT)
                    async with connection.begin_nested():
                        await connection.execute(INSERT)

    asyncio.run(act())
    assert shop.contexts() == [verified(**ADA, reason="ünïcødé \U0001f980")] * 2


def test_a_write_while_rows_are_streamed_says_who_acts(shop: Shop) -> None:
    async def act() -> None:
        async with async_engine(shop, "psycopg") as engine, engine.begin() as connection:
            rows = await connection.stream(sa.text("select generate_series(1, 3)"))
            async for (number,) in rows:
                with ambient.scope(actor_id=number, actor_type="user"):
                    await connection.execute(INSERT)

    asyncio.run(act())
    assert shop.contexts() == [
        asserted(actor_id=number, actor_type="user") for number in ("1", "2", "3")
    ]
