"""A retry after a lost answer: the same id with the same content is recorded once."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.types.json import Jsonb

from ask import (
    Refusal,
    claimed_ids,
    event,
    refusal,
    rows,
    run,
    sqlstate,
    value,
    values,
    wait_until_blocked,
)
from support import Connection, Database, acting_as

READ_PAGE = (
    "select chronicle.log_audit_event("
    "_actor_type => 'user', _action_type => 'read', _resource_type => 'page')"
)

READ_PAGE_ONCE = (
    "select chronicle.log_audit_event("
    "_actor_type => 'user', _action_type => 'read', _resource_type => 'page', _event_id => %s)"
)


def test_an_id_is_recorded_once_with_the_same_content(db: Connection) -> None:
    event_id = uuid.uuid4()
    with acting_as(db, "app"):
        assert [value(db, READ_PAGE_ONCE, (event_id,)) for _ in range(3)] == [event_id] * 3
    assert values(db, "select event_id from chronicle.events") == [event_id]
    assert claimed_ids(db) == [event_id]


OTHERS = {
    "organization_id": "'x'",
    "actor_id": "'x'",
    "actor_type": "'ai'",
    "ip_address": "'10.0.0.2'",
    "user_agent": "'x'",
    "action_type": "'delete'",
    "action_description": "'x'",
    "action_meta": "'{\"a\": 1.00}'",
    "resource_type": "'x'",
    "resource_id": "'x'",
    "related_resources": "'[]'",
    "details_before": "'{}'",
    "details_after": "'{}'",
    "ai_metadata": "'{}'",
    "session_id": "'x'",
    "request_id": "'x'",
    "client_info": "'{}'",
    "duration_ms": "1",
    "severity": "'error'",
    "status": "'failure'",
    "error_code": "'x'",
    "error_message": "'x'",
    "action": "'x'",
    "actor_role": "'x'",
    "impersonator_id": "'x'",
    "is_ai_action": "true",
    "reason": "'x'",
    "trace_id": "'x'",
    "operation_id": "'x'",
    "parent_event_id": "'0c1e9b1e-0000-4000-8000-00000000000d'",
    "ai_operation_id": "'0c1e9b1e-0000-4000-8000-00000000000d'",
    "occurred_at": "'2020-01-01'",
}


@pytest.mark.parametrize("field", OTHERS)
def test_an_id_with_other_content_is_refused(db: Connection, field: str) -> None:
    event_id = uuid.uuid4()
    first = {
        "actor_type": "'user'",
        "action_type": "'read'",
        "resource_type": "'page'",
        "action_meta": "'{\"a\": 1.0}'",
    }

    def call(arguments: dict[str, str]) -> str:
        named = ", ".join(f"_{name} => {literal}" for name, literal in arguments.items())
        return f"select chronicle.log_audit_event(_event_id => '{event_id}', {named})"

    with acting_as(db, "app"):
        run(db, call(first))
        assert refusal(db, call(first | {field: OTHERS[field]})) == Refusal(
            "ZC001",
            f"the event id {event_id} was used for another event",
            "What is recorded under it differs in content, in actor or in context.",
            "Make a new id for each event, and repeat it only to retry that event.",
        )
    assert event(db, event_id)["action_meta"] == {"a": 1.0}


def test_an_id_of_somebody_else_is_refused(db: Connection) -> None:
    event_id = uuid.uuid4()
    with acting_as(db, "app"):
        db.execute(READ_PAGE_ONCE, (event_id,))
    assert sqlstate(db, READ_PAGE_ONCE, (event_id,)) == "ZC001"
    with acting_as(db, "app"):
        db.execute("select chronicle.set_context(_request_id => 'r-1')")
        assert sqlstate(db, READ_PAGE_ONCE, (event_id,)) == "ZC001"


def test_the_id_of_a_generated_event_is_refused(db: Connection) -> None:
    with acting_as(db, "app"):
        event_id = value(db, READ_PAGE)
        assert refusal(db, READ_PAGE_ONCE, (event_id,)) == Refusal(
            "ZC001",
            f"the event id {event_id} is taken",
            "An event that got its id from the server, or an import, has it.",
            "Make a new id for each event, and repeat it only to retry that event.",
        )
    assert claimed_ids(db) == []
    assert values(db, "select event_id from chronicle.events") == [event_id]


def test_a_retry_masks_before_it_compares(db: Connection) -> None:
    event_id = uuid.uuid4()
    statement = """
        select chronicle.log_audit_event(
            _actor_type => 'user', _action_type => 'read', _resource_type => 'page',
            _event_id => %s, _action_meta => %s
        )
    """
    with acting_as(db, "app"):
        for secret in ("one", "two"):
            db.execute(statement, (event_id, Jsonb({"password": secret})))
    assert value(db, "select count(*) from chronicle.events") == 1


@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_two_sessions_with_one_id_record_it_once(database: Database, ends: str) -> None:
    event_id = uuid.uuid4()
    first = database.connect("app")
    second = database.connect("app", options="-c lock_timeout=60s")
    watcher = database.connect(autocommit=True)
    transactions = [
        value(each, "select (pg_current_xact_id()::text)::bigint") for each in (first, second)
    ]
    assert value(first, READ_PAGE_ONCE, (event_id,)) == event_id
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(value, second, READ_PAGE_ONCE, (event_id,))
        wait_until_blocked(watcher, second, first)
        run(first, ends)
        assert waiting.result(30) == event_id
    second.commit()
    assert rows(watcher, "select event_id, transaction_id from chronicle.events") == [
        (event_id, transactions[0 if ends == "commit" else 1])
    ]


def test_two_sessions_with_one_id_and_other_content_do_not_both_record_it(
    database: Database,
) -> None:
    event_id = uuid.uuid4()
    first = database.connect("app")
    second = database.connect("installer", options="-c lock_timeout=60s")
    watcher = database.connect(autocommit=True)
    first.execute(READ_PAGE_ONCE, (event_id,))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sqlstate, second, READ_PAGE_ONCE, (event_id,))
        wait_until_blocked(watcher, second, first)
        first.commit()
        assert waiting.result(30) == "ZC001"
    assert rows(watcher, "select db_user from chronicle.events") == [("app",)]


def test_under_repeatable_read_a_rival_id_is_a_serialization_failure(database: Database) -> None:
    event_id = uuid.uuid4()
    first, second = database.connect("app"), database.connect("app")
    second.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    assert value(second, "select 1") == 1
    first.execute(READ_PAGE_ONCE, (event_id,))
    first.commit()
    with pytest.raises(psycopg.errors.SerializationFailure):
        second.execute(READ_PAGE_ONCE, (event_id,))
    second.rollback()
    assert value(second, READ_PAGE_ONCE, (event_id,)) == event_id
