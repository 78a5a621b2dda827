"""Who acts: what a transaction says of it, what it falls back on, and how long that lasts."""

import json
import uuid
from typing import Any

import pytest

from ask import event, events, rows, run, value
from support import Connection, Database, acting_as

ABSENT = {"actor_type": "system", "actor_id": "app", "context_state": "absent"}

SAID = {
    "actor_id": "u-1",
    "actor_type": "employee",
    "actor_role": "clerk",
    "impersonator_id": "boss",
    "organization_id": "acme",
    "session_id": "s-1",
    "request_id": "r-1",
    "trace_id": "t-1",
    "operation_id": "op-1",
    "ip_address": "10.1.2.3",
    "user_agent": "Browser/1.0",
    "client_info": {"app": "web", "build": None},
    "reason": "Because",
    "ai_operation_id": "0c1e9b1e-0000-4000-8000-00000000000d",
}

SAY = """
    select chronicle.set_context(
        _actor_id => 'u-1', _actor_type => 'employee', _actor_role => 'clerk',
        _impersonator_id => 'boss', _organization_id => 'acme', _session_id => 's-1',
        _request_id => 'r-1', _trace_id => 't-1', _operation_id => 'op-1',
        _ip_address => '10.1.2.3', _user_agent => 'Browser/1.0',
        _client_info => '{"app": "web", "build": null}', _reason => 'Because',
        _ai_operation_id => '0c1e9b1e-0000-4000-8000-00000000000d'
    )
"""


def current(connection: Connection) -> Any:
    return value(connection, "select chronicle.current_context()")


def claim(connection: Connection, claims: Any) -> None:
    """Sets the claims as PostgREST does."""
    text = claims if isinstance(claims, str) else json.dumps(claims)
    connection.execute("select set_config('request.jwt.claims', %s, true)", (text,))


def set_context(connection: Connection, context: Any) -> None:
    """Sets the setting without the function that checks it."""
    connection.execute("select set_config('chronicle.context', %s, true)", (json.dumps(context),))


def test_what_is_said_is_the_context_and_is_asserted(db: Connection) -> None:
    with acting_as(db, "app"):
        db.execute(SAY)
        assert current(db) == SAID | {"context_state": "asserted"}


def test_an_argument_of_set_context_is_a_field_of_the_context(db: Connection) -> None:
    assert rows(
        db,
        """
        select array(
            select substr(n.name, 2)
            from unnest(p.proargnames) as n (name)
        )
        from pg_proc as p where p.oid::regprocedure::text ^@ 'chronicle.set_context('
        """,
    ) == [
        (
            [
                *("actor_id", "actor_type", "actor_role", "impersonator_id", "organization_id"),
                *("session_id", "request_id", "trace_id", "operation_id", "ip_address"),
                *("user_agent", "client_info", "reason", "ai_operation_id"),
            ],
        )
    ]


@pytest.mark.parametrize(
    ("actor", "organization", "said"),
    [
        ("7", "9", ("7", "9")),
        ("7::bigint", "null", ("7", None)),
        ("7::smallint", "70000", ("7", "70000")),
        ("'u-1'", "'acme'", ("u-1", "acme")),
        ("''", "'acme'", (None, "acme")),
        (
            "'0c1e9b1e-0000-4000-8000-00000000000a'::uuid",
            "'0c1e9b1e-0000-4000-8000-00000000000b'::uuid",
            ("0c1e9b1e-0000-4000-8000-00000000000a", "0c1e9b1e-0000-4000-8000-00000000000b"),
        ),
    ],
)
def test_ids_go_in_without_a_cast(
    db: Connection, actor: str, organization: str, said: tuple[Any, ...]
) -> None:
    with acting_as(db, "app"):
        run(
            db,
            "select chronicle.set_context("
            f"_actor_id => {actor}, _organization_id => {organization})",
        )
        context = current(db)
    assert (context.get("actor_id"), context.get("organization_id")) == said


def test_saying_it_anew_replaces_what_was_said(db: Connection) -> None:
    with acting_as(db, "app"):
        db.execute(SAY)
        db.execute("select chronicle.set_context(_request_id => 'r-2')")
        assert current(db) == {"request_id": "r-2", "context_state": "asserted"}


def test_a_cleared_context_is_absent(db: Connection) -> None:
    with acting_as(db, "app"):
        db.execute(SAY)
        db.execute("select chronicle.clear_context()")
        assert current(db) == ABSENT


def test_a_cleared_context_is_absent_until_the_transaction_ends(database: Database) -> None:
    app = database.connect("app")
    app.execute('set chronicle.context = \'{"actor_id": "of the session"}\'')
    app.commit()
    app.execute("select chronicle.clear_context()")
    assert current(app) == ABSENT
    app.commit()
    assert current(app) == {"actor_id": "of the session", "context_state": "asserted"}


def test_without_a_context_the_actor_is_the_database_role(db: Connection) -> None:
    with acting_as(db, "app"):
        assert current(db) == ABSENT


# How long it lasts.


@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_a_context_ends_with_its_transaction(database: Database, ends: str) -> None:
    app = database.connect("app")
    app.execute(SAY)
    assert current(app) == SAID | {"context_state": "asserted"}
    run(app, ends)
    # What is left of the setting is an empty string, which is no malformed context.
    assert current(app) == ABSENT
    run(app, ends)
    assert value(app, "select current_setting('chronicle.context', true)") == ""


def test_a_context_outside_of_a_transaction_block_is_over_at_once(database: Database) -> None:
    app = database.connect("app", autocommit=True)
    app.execute(SAY)
    assert current(app) == ABSENT


def test_a_context_is_not_seen_by_another_session(database: Database) -> None:
    first, second = database.connect("app"), database.connect("app")
    first.execute(SAY)
    assert current(second) == ABSENT


def test_a_rolled_back_savepoint_brings_the_earlier_context_back(db: Connection) -> None:
    with acting_as(db, "app"):
        with db.transaction(force_rollback=True):
            db.execute(SAY)
        assert current(db) == ABSENT
        db.execute("select chronicle.set_context(_actor_id => 'outer')")
        with db.transaction(force_rollback=True):
            db.execute(SAY)
        assert current(db)["actor_id"] == "outer"
        with db.transaction(force_rollback=True):
            db.execute("select chronicle.clear_context()")
        assert current(db)["actor_id"] == "outer"


def test_a_released_savepoint_keeps_its_context(db: Connection) -> None:
    with acting_as(db, "app"):
        db.execute("select chronicle.set_context(_actor_id => 'outer')")
        with db.transaction():
            db.execute("select chronicle.set_context(_actor_id => 'inner')")
        assert current(db)["actor_id"] == "inner"


def test_each_event_has_the_context_of_its_moment(db: Connection) -> None:
    statement = "select chronicle.log_audit_event(_action_type => 'read', _resource_type => 'page')"
    with acting_as(db, "app"):
        for actor in ("first", "second"):
            db.execute(
                "select chronicle.set_context(_actor_id => %s, _actor_type => 'user')", (actor,)
            )
            db.execute(statement)
        db.execute("select chronicle.clear_context()")
        claim(db, {"sub": "third"})
        db.execute(statement)
    assert [each["actor_id"] for each in events(db, "page")] == ["first", "second", "third"]


# Claims.


@pytest.mark.parametrize(
    ("claims", "context"),
    [
        (
            {"sub": "u-7", "role": "authenticated", "email": "a@example.org", "exp": 1},
            {"actor_type": "user", "actor_id": "u-7", "actor_role": "authenticated"},
        ),
        ({"sub": "u-7"}, {"actor_type": "user", "actor_id": "u-7"}),
        ({"role": "anon"}, {"actor_type": "anonymous", "actor_role": "anon"}),
        ({}, {"actor_type": "anonymous"}),
        ({"sub": None, "role": None}, {"actor_type": "anonymous"}),
        ({"sub": 7}, {"actor_type": "user", "actor_id": "7"}),
    ],
)
def test_claims_are_the_fallback_and_are_asserted(
    db: Connection, claims: Any, context: dict[str, str]
) -> None:
    with acting_as(db, "app"):
        claim(db, claims)
        assert current(db) == context | {"context_state": "asserted"}


def test_empty_claims_are_absent(db: Connection) -> None:
    with acting_as(db, "app"):
        claim(db, "")
        assert current(db) == ABSENT


def test_a_context_that_names_an_actor_goes_before_the_claims(db: Connection) -> None:
    with acting_as(db, "app"):
        claim(db, {"sub": "u-7", "role": "authenticated"})
        db.execute("select chronicle.set_context(_actor_id => 'u-1')")
        assert current(db) == {"actor_id": "u-1", "context_state": "asserted"}
        db.execute("select chronicle.set_context(_actor_type => 'service')")
        assert current(db) == {"actor_type": "service", "context_state": "asserted"}


def test_a_context_that_only_says_why_leaves_who_to_the_claims(db: Connection) -> None:
    with acting_as(db, "app"):
        claim(db, {"sub": "u-7", "role": "authenticated"})
        db.execute("select chronicle.set_context(_reason => 'Because', _organization_id => 'acme')")
        assert current(db) == {
            "actor_type": "user",
            "actor_id": "u-7",
            "actor_role": "authenticated",
            "reason": "Because",
            "organization_id": "acme",
            "context_state": "asserted",
        }


@pytest.mark.parametrize("claims", ["nonsense", "[]", '"u-7"', "7", "null", '{"sub": "\\u0000"}'])
def test_malformed_claims_are_said_to_be_so(db: Connection, claims: str) -> None:
    with acting_as(db, "app"):
        claim(db, claims)
        assert current(db) == ABSENT | {"context_state": "malformed"}


def test_malformed_claims_spoil_a_context_that_needs_them_and_no_other(db: Connection) -> None:
    with acting_as(db, "app"):
        claim(db, "nonsense")
        db.execute("select chronicle.set_context(_reason => 'Because')")
        assert current(db) == ABSENT | {"context_state": "malformed"}
        db.execute("select chronicle.set_context(_actor_id => 'u-1')")
        assert current(db) == {"actor_id": "u-1", "context_state": "asserted"}


# What a session may say, and what not.


def test_a_context_cannot_call_itself_verified(db: Connection) -> None:
    with acting_as(db, "app"):
        set_context(db, {"actor_id": "u-1", "context_state": "verified"})
        assert current(db) == {"actor_id": "u-1", "context_state": "asserted"}
        claim(db, {"sub": "u-1", "context_state": "verified"})
        set_context(db, {"context_state": "verified"})
        assert current(db)["context_state"] == "asserted"


def test_a_context_does_not_reach_other_columns_of_an_event(db: Connection) -> None:
    forged = {
        "db_user": "postgres",
        "origin": "imported",
        "event_id": str(uuid.uuid4()),
        "seq": 1,
        "table_id": 1,
        "severity": "critical",
        "status": "failure",
        "occurred_at": "1999-01-01",
        "recorded_at": "1999-01-01",
        "payload_error": "x",
        "unheard_of": "x",
    }
    statement = (
        "select chronicle.log_audit_event("
        "_actor_type => 'user', _action_type => 'read', _resource_type => 'page')"
    )
    with acting_as(db, "app"):
        plain = value(db, statement)
        set_context(db, forged)
        forging = value(db, statement)
    assert event(db, forging) == event(db, plain) | {"context_state": "asserted"}
    assert str(forging) != forged["event_id"]


def test_whoever_writes_may_say_who_acts_but_not_who_logged_in(db: Connection) -> None:
    db.execute("create table public.item (id integer primary key)")
    db.execute("select chronicle.enable_tracking('public.item')")
    db.execute("grant insert on public.item to stranger")
    with acting_as(db, "stranger"):
        set_context(db, {"actor_id": "the boss", "actor_type": "admin"})
        db.execute("insert into public.item values (1)")
    columns = ("actor_type", "actor_id", "db_user", "context_state")
    assert events(db, "item", *columns) == [
        dict(zip(columns, ("admin", "the boss", "stranger", "asserted"), strict=True))
    ]


# Captured events have the context that logged ones have.


def test_a_captured_event_carries_the_whole_context(db: Connection) -> None:
    db.execute("create table public.item (id integer primary key)")
    db.execute("select chronicle.enable_tracking('public.item')")
    db.execute(SAY)
    db.execute("insert into public.item values (1)")
    db.execute("select chronicle.log_audit_event(_action_type => 'read', _resource_type => 'page')")
    (captured,), (logged,) = events(db, "item"), events(db, "page")
    context = {
        name: each
        for name, each in logged.items()
        if name in (*SAID, "is_ai_action", "context_state", "db_user")
    }
    assert len(context) == len(SAID) + 3
    assert {name: captured[name] for name in context} == context


@pytest.mark.parametrize(
    ("context", "who"),
    [
        ({"actor_id": "u-1"}, ("user", "u-1", "asserted")),
        ({"actor_type": "service"}, ("service", None, "asserted")),
        ({"actor_type": "ai", "actor_id": "m"}, ("ai", "m", "asserted")),
        ({"organization_id": "acme"}, ("system", "installer", "asserted")),
        ({}, ("system", "installer", "asserted")),
        (None, ("system", "installer", "absent")),
    ],
)
def test_a_captured_event_always_has_an_actor(
    db: Connection, context: Any, who: tuple[Any, ...]
) -> None:
    db.execute("create table public.item (id integer primary key)")
    db.execute("select chronicle.enable_tracking('public.item')")
    if context is not None:
        set_context(db, context)
    db.execute("insert into public.item values (1)")
    columns = ("actor_type", "actor_id", "context_state")
    (found,) = events(db, "item", *columns, "is_ai_action")
    assert tuple(found[name] for name in columns) == who
    assert found["is_ai_action"] == (who[0] == "ai")


def test_the_organization_column_goes_before_the_context(db: Connection) -> None:
    db.execute("create table public.item (id integer primary key, org integer)")
    db.execute("select chronicle.enable_tracking('public.item', _organization_column => 'org')")
    set_context(db, {"organization_id": "said"})
    db.execute("insert into public.item values (1, 42), (2, null)")
    db.execute("update public.item set org = 43 where id = 1")
    db.execute("delete from public.item where id = 1")
    assert [each["organization_id"] for each in events(db, "item")] == ["42", "said", "43", "43"]


def test_what_manages_the_log_names_the_actor_of_the_context(db: Connection) -> None:
    with acting_as(db, "admin"):
        set_context(db, {"actor_id": "u-1", "actor_type": "employee", "reason": "Because"})
        db.execute("select chronicle.set_setting('partitions_ahead', '4')")
    (found,) = events(db, "chronicle.setting")
    who = ("actor_type", "actor_id", "db_user", "context_state", "reason")
    assert tuple(found[name] for name in who) == (
        *("employee", "u-1", "admin", "asserted", "Because"),
    )
