"""The client's context: who acts holds for the block, and what was said around it comes back."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from ask import rows, run, values
from pgchronicle import Chronicle, ambient
from pgchronicle.errors import TooLargeError, WrongFieldError
from support import Connection, Database, acting_as

PAGE: Any = {"action_type": "read", "resource_type": "page"}
ABSENT = {"actor_type": "system", "actor_id": "app", "context_state": "absent"}


def asserted(**said: Any) -> dict[str, Any]:
    return said | {"context_state": "asserted"}


@pytest.fixture
def app(db: Connection) -> Iterator[Chronicle]:
    """A client for app; nothing is ever committed."""
    with acting_as(db, "app"):
        yield Chronicle(db)


@pytest.fixture
def pool(database: Database) -> Iterator[ConnectionPool[Connection]]:
    """A pool of two connections of app's."""
    pool: ConnectionPool[Connection] = ConnectionPool(
        database.dsn("app"), min_size=2, max_size=2, open=False
    )
    with pool:
        # Both are made in the background; a test that counts them must not begin before.
        pool.wait(30)
        yield pool


def test_context_says_all_that_set_context_takes(app: Chronicle) -> None:
    with app.context(
        actor_id=7,
        actor_type="user",
        actor_role="clerk",
        impersonator_id=UUID(int=1),
        organization_id=UUID(int=2),
        session_id="s",
        request_id=UUID(int=3),
        trace_id="t",
        operation_id="o",
        ip_address=ip_address("2001:db8::7"),
        user_agent="curl/8",
        client_info={"build": 7},
        reason="because",
        ai_operation_id=UUID(int=4),
    ):
        assert app.current_context() == asserted(
            actor_id="7",
            actor_type="user",
            actor_role="clerk",
            impersonator_id=str(UUID(int=1)),
            organization_id=str(UUID(int=2)),
            session_id="s",
            request_id=str(UUID(int=3)),
            trace_id="t",
            operation_id="o",
            ip_address="2001:db8::7",
            user_agent="curl/8",
            client_info={"build": 7},
            reason="because",
            ai_operation_id=str(UUID(int=4)),
        )
    assert app.current_context() == ABSENT


def test_logged_and_captured_events_of_the_block_carry_it(db: Connection) -> None:
    run(db, "create table t (id integer primary key)")
    log = Chronicle(db)
    log.enable_tracking("t")
    with log.context(actor_type="employee", actor_id=7, reason="why") as connection:
        connection.execute("insert into t values (1)")
        log.log_audit_event(**PAGE)
    connection.execute("insert into t values (2)")
    query = (
        "select resource_type, actor_type::text, actor_id, reason from chronicle.events "
        "where resource_type in ('t', 'page') order by seq"
    )
    assert rows(db, query) == [
        ("t", "employee", "7", "why"),
        ("page", "employee", "7", "why"),
        ("t", "system", "installer", None),
    ]


def test_inner_context_completes_the_outer_one_and_gives_way_to_it(app: Chronicle) -> None:
    outer = asserted(actor_type="user", actor_id="ada", client_info={"build": 7})
    with app.context(actor_type="user", actor_id="ada", client_info={"build": 7}):
        with app.context(reason="ticket 7", client_info={"screen": "prices"}):
            assert app.current_context() == outer | {
                "reason": "ticket 7",
                "client_info": {"build": 7, "screen": "prices"},
            }
        assert app.current_context() == outer
    assert app.current_context() == ABSENT


def test_actor_without_a_type_is_a_user_in_logged_and_captured_events(db: Connection) -> None:
    run(db, "create table t (id integer primary key)")
    log = Chronicle(db)
    log.enable_tracking("t")
    with log.context(actor_type="employee", actor_id="ada"), log.context(actor_id="bob"):
        run(db, "insert into t values (1)")
        log.log_audit_event(**PAGE)
    with ambient.scope(actor_id="carl"):
        log.log_audit_event(**PAGE)
        log.log_audit_event(**PAGE, actor_id="dora")
    query = (
        "select resource_type, actor_type::text, actor_id from chronicle.events "
        "where resource_type in ('t', 'page') order by seq"
    )
    assert rows(db, query) == [
        ("t", "user", "bob"),
        ("page", "user", "bob"),
        ("page", "user", "carl"),
        ("page", "user", "dora"),
    ]


def test_inner_context_of_another_actor_takes_nothing_of_the_outer_one(app: Chronicle) -> None:
    with (
        app.context(actor_type="user", actor_id="ada", actor_role="clerk", request_id="r"),
        app.context(actor_type="ai", actor_id="bot"),
    ):
        assert app.current_context() == asserted(actor_type="ai", actor_id="bot", request_id="r")


def test_context_inherits_what_is_said_around_it_without_a_database(app: Chronicle) -> None:
    with ambient.scope(request_id="r", actor_type="user"):
        with app.context(actor_id="ada"):
            said = {"request_id": "r", "actor_type": "user", "actor_id": "ada"}
            assert app.current_context() == asserted(**said)
            assert ambient.fields() == said
        assert ambient.fields() == {"request_id": "r", "actor_type": "user"}


def recorded(log: Chronicle, event_id: UUID) -> tuple[str | None, str | None, str | None]:
    event = log.event(event_id)
    assert event is not None
    return event.actor_id, event.actor_role, event.request_id


def test_logged_event_carries_what_is_said_around_it(db: Connection) -> None:
    log = Chronicle(db)
    with ambient.scope(actor_type="user", actor_id="ada", actor_role="clerk", request_id="r"):
        single = log.log_audit_event(**PAGE)
        (another,) = log.log_audit_events([PAGE | {"actor_id": "bob", "actor_type": "user"}])
        with log.context():
            inside = log.log_audit_event(**PAGE)
    assert recorded(log, single) == ("ada", "clerk", "r")
    assert recorded(log, another) == ("bob", None, "r")
    assert recorded(log, inside) == ("ada", "clerk", "r")


def test_what_surrounds_a_call_is_its_context_and_no_longer(db: Connection) -> None:
    log = Chronicle(db)
    run(db, "select chronicle.set_context(_actor_id => 'sql', _actor_type => 'service')")
    with ambient.scope(request_id="r"):
        with ambient.scope(actor_type="user", actor_id="ada", actor_role="clerk"):
            log.log_audit_event(**PAGE, resource_id="single")
            log.log_audit_events([PAGE | {"resource_id": n} for n in range(3)])
            log.log_audit_event(**PAGE, resource_id="bob", actor_type="user", actor_id="bob")
        with ambient.scope(actor_type="anonymous"):
            log.log_audit_event(**PAGE, resource_id="anonymous")
        assert log.current_context() == asserted(actor_type="service", actor_id="sql")
        log.clear_context()
        log.log_audit_event(**PAGE, resource_id="nobody", actor_type="system")
    query = (
        "select resource_id, actor_type::text, actor_id, actor_role, request_id, context_state "
        "from chronicle.events where resource_type = 'page' order by seq"
    )
    assert rows(db, query) == [
        *((name, "user", "ada", "clerk", "r", "asserted") for name in ("single", *"012")),
        ("bob", "user", "bob", None, "r", "asserted"),
        ("anonymous", "anonymous", None, None, "r", "asserted"),
        ("nobody", "system", None, None, "r", "absent"),
    ]


def test_what_surrounds_a_call_is_verified_over_a_trusted_gateway(database: Database) -> None:
    installer = database.connect(autocommit=True)
    Chronicle(installer).add_trusted_gateway("app")
    log = Chronicle(database.connect("app", autocommit=True))
    with ambient.scope(actor_type="user", actor_id="ada"):
        log.log_audit_event(**PAGE)
        log.log_audit_events([PAGE])
    assert log.current_context() == ABSENT
    query = (
        "select actor_id, context_state from chronicle.events where resource_type = 'page' "
        "order by seq"
    )
    assert rows(installer, query) == [("ada", "verified")] * 2


def test_actor_who_is_named_within_the_block_is_on_the_events_that_follow(db: Connection) -> None:
    """As by a dependency that authenticates, when middleware has opened the block."""
    log = Chronicle(db)
    with log.context(request_id="r", actor_type="anonymous"):
        ambient.annotate(actor_type="user", actor_id="ada")
        event_id = log.log_audit_event(**PAGE)
    assert recorded(log, event_id) == ("ada", None, "r")


def test_context_is_left_whatever_the_role_is_by_then(db: Connection) -> None:
    block = Chronicle(db).context(actor_id="ada")
    block.__enter__()
    with acting_as(db, "stranger"):
        block.__exit__(None, None, None)
    assert values(db, "select current_setting('chronicle.context')") == [""]


def test_what_sql_had_set_comes_back(db: Connection, app: Chronicle) -> None:
    run(db, "select chronicle.set_context(_actor_id => 'sql', _actor_type => 'service')")
    with app.context(actor_id="python"):
        app.clear_context()
        assert app.current_context() == ABSENT
    assert app.current_context() == asserted(actor_id="sql", actor_type="service")


def test_malformed_context_comes_back_as_it_was(db: Connection, app: Chronicle) -> None:
    run(db, "select set_config('chronicle.context', '{oops', true)")
    with app.context(actor_id="python"):
        pass
    assert values(db, "select current_setting('chronicle.context')") == ["{oops"]


def test_outer_context_is_back_after_an_exception(app: Chronicle) -> None:
    with app.context(actor_id="outer"):
        with pytest.raises(KeyError), app.context(actor_id="inner"):
            raise KeyError
        assert app.current_context() == asserted(actor_type="user", actor_id="outer")


def test_outer_context_is_back_after_a_savepoint_is_rolled_back(
    db: Connection, app: Chronicle
) -> None:
    with app.context(actor_id="outer"):
        with (
            pytest.raises(WrongFieldError),
            db.transaction(),
            app.context(actor_type="user", actor_id="inner"),
        ):
            app.log_audit_event(**PAGE, duration_ms=-1)
        assert app.current_context() == asserted(actor_type="user", actor_id="outer")

        with app.context(actor_type="user", actor_id="inner"):
            with pytest.raises(WrongFieldError), db.transaction():
                app.log_audit_event(**PAGE, duration_ms=-1)
            assert app.current_context() == asserted(actor_type="user", actor_id="inner")
        assert app.current_context() == asserted(actor_type="user", actor_id="outer")


def test_outer_context_is_back_after_a_savepoint_is_released(
    db: Connection, app: Chronicle
) -> None:
    with app.context(actor_id="outer"):
        with db.transaction(), app.context(actor_id="inner"):
            pass
        assert app.current_context() == asserted(actor_type="user", actor_id="outer")


def test_error_of_the_block_is_the_one_that_is_raised(database: Database) -> None:
    connection = database.connect("app")
    log = Chronicle(connection)
    with pytest.raises(psycopg.errors.UndefinedTable), log.context(actor_id=7):
        connection.execute("select from nowhere")
    connection.rollback()
    with pytest.raises(psycopg.OperationalError), log.context(actor_id=7):
        connection.execute("select pg_terminate_backend(pg_backend_pid())")


def test_context_that_is_refused_changes_nothing(db: Connection, app: Chronicle) -> None:
    with app.context(actor_id="outer"):
        for context, error in (
            ({"ip_address": "nowhere"}, WrongFieldError),
            ({"client_info": [7]}, WrongFieldError),
            ({"reason": "x" * 70_000}, TooLargeError),
        ):
            said: Any = context
            with pytest.raises(error), db.transaction(), app.context(**said):
                raise AssertionError("it was accepted")
        assert app.current_context() == asserted(actor_type="user", actor_id="outer")


def test_commit_inside_the_block_ends_the_context(database: Database) -> None:
    connection = database.connect("app")
    log = Chronicle(connection)
    with log.context(actor_id="outer"):
        with log.context(actor_id="inner"):
            connection.commit()
            assert log.current_context() == ABSENT
        # The outer value belonged to a transaction that is over.
        assert log.current_context() == ABSENT
    connection.rollback()

    with log.context(actor_id="outer"):
        connection.commit()
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_without_autocommit_the_transaction_is_the_callers(database: Database) -> None:
    connection = database.connect("app")
    log = Chronicle(connection)
    with log.context(actor_type="user"):
        log.log_audit_event(**PAGE)
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
    connection.rollback()
    assert Chronicle(database.connect()).events().events == []


def test_autocommit_connection_gets_a_transaction_for_the_block(database: Database) -> None:
    connection, auditor = database.connect("app", autocommit=True), database.connect()
    log = Chronicle(connection)
    with suppress(KeyError), log.context(actor_type="user"):
        log.log_audit_event(**PAGE, resource_id="lost")
        raise KeyError
    with log.context(actor_type="user", actor_id=7):
        log.log_audit_event(**PAGE, resource_id="kept")
    assert log.current_context() == ABSENT
    with connection.transaction(force_rollback=True), log.context(actor_type="user"):
        log.log_audit_event(**PAGE, resource_id="the caller's")
    query = "select resource_id, actor_id from chronicle.events"
    assert rows(auditor, query) == [("kept", "7")]


def test_pool_lends_one_connection_for_the_block(
    database: Database, pool: ConnectionPool[Connection]
) -> None:
    log = Chronicle(pool)
    with log.context(actor_type="user", actor_id="outer") as connection:
        log.log_audit_event(**PAGE, resource_id=1)
        with log.context(actor_type="user", actor_id="inner") as nested:
            assert nested is connection
            log.log_audit_events([PAGE | {"resource_id": 2}])
        log.log_audit_event(**PAGE, resource_id=3)
        assert Chronicle(database.connect()).events().events == []
    query = (
        "select resource_id, actor_id, count(*) over (partition by transaction_id) "
        "from chronicle.events order by seq"
    )
    assert rows(database.connect(), query) == [
        ("1", "outer", 3),
        ("2", "inner", 3),
        ("3", "outer", 3),
    ]


def test_block_that_fails_is_rolled_back_and_leaves_the_pool_clean(
    database: Database, pool: ConnectionPool[Connection]
) -> None:
    log = Chronicle(pool)
    with suppress(KeyError), log.context(actor_type="user"):
        log.log_audit_event(**PAGE)
        raise KeyError
    with (
        suppress(psycopg.errors.UndefinedTable),
        log.context(actor_type="user") as connection,
    ):
        log.log_audit_event(**PAGE)
        connection.execute("select from nowhere")
    assert log.current_context() == ABSENT
    assert Chronicle(database.connect()).events().events == []
    assert pool.get_stats()["pool_available"] == 2


def test_context_over_a_pool_is_for_its_thread(
    database: Database, pool: ConnectionPool[Connection]
) -> None:
    log = Chronicle(pool)
    together = threading.Barrier(2, timeout=30)

    def work(actor: int) -> None:
        with log.context(actor_type="user", actor_id=actor):
            together.wait()
            log.log_audit_event(**PAGE, resource_id=actor)
            together.wait()

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(work, actor) for actor in (1, 2)]:
            done.result()
    query = "select resource_id, actor_id from chronicle.events order by 1"
    assert rows(database.connect(), query) == [("1", "1"), ("2", "2")]


def test_clients_over_one_pool_do_not_share_a_context(
    pool: ConnectionPool[Connection],
) -> None:
    one, other = Chronicle(pool), Chronicle(pool)
    with one.context(actor_id="one"):
        assert other.current_context() == ABSENT
        with other.context(actor_id="other"):
            assert one.current_context() == asserted(actor_type="user", actor_id="one")
            assert other.current_context() == asserted(actor_type="user", actor_id="other")


def test_block_may_be_left_in_another_context_of_the_interpreter(
    pool: ConnectionPool[Connection],
) -> None:
    """As web frameworks do that run the two halves of a dependency in different threads."""
    log = Chronicle(pool)
    block = log.context(actor_id=7)
    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(block.__enter__).result()
        elsewhere.shutdown()
    block.__exit__(None, None, None)
    assert log.current_context() == ABSENT
    assert pool.get_stats()["pool_available"] == 2


def test_nothing_of_a_context_stays_on_the_connection(database: Database) -> None:
    connection = database.connect("app", autocommit=True)
    log = Chronicle(connection)
    with log.context(actor_id=7):
        pass
    assert values(connection, "select current_setting('chronicle.context', true)") in ([""], [None])
