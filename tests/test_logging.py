"""log_audit_event and log_audit_events: what an application writes is what the log holds."""

import subprocess
import uuid
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from ask import (
    Refusal,
    claimed_ids,
    event,
    logged,
    refusal,
    row,
    rows,
    run,
    sqlstate,
    value,
    values,
)
from support import Connection, Database, acting_as

ORGANIZATION = uuid.UUID("0c1e9b1e-0000-4000-8000-00000000000a")
EMPLOYEE = uuid.UUID("0c1e9b1e-0000-4000-8000-00000000000b")
TICKET = uuid.UUID("0c1e9b1e-0000-4000-8000-00000000000c")

BARE = {
    "epoch": 1,
    "schema_version": 1,
    "is_ai_action": False,
    "db_user": "app",
    "context_state": "absent",
    "origin": "logged",
    "severity": "info",
    "status": "success",
}
"""What every event holds whose caller, app, said nothing of it."""

READ_PAGE = (
    "select chronicle.log_audit_event("
    "_actor_type => 'user', _action_type => 'read', _resource_type => 'page')"
)

READ_PAGE_ONCE = (
    "select chronicle.log_audit_event("
    "_actor_type => 'user', _action_type => 'read', _resource_type => 'page', _event_id => %s)"
)


def logged_inside(db: Connection, block: str) -> list[dict[str, Any]]:
    """The events that a block of PL/pgSQL logs as app."""
    before = value(db, "select coalesce(max(seq), 0) from chronicle.events")
    with acting_as(db, "app"):
        run(db, block)
    ids = values(db, "select event_id from chronicle.events where seq > %s order by seq", (before,))
    return [event(db, event_id) for event_id in ids]


# The ways to call it that the seed documents show.


def test_ids_may_be_literals(db: Connection) -> None:
    assert logged(
        db,
        """
        select chronicle.log_audit_event(
            _organization_id := 'org-uuid',
            _actor_type := 'employee',
            _action_type := 'create',
            _resource_type := 'ticket',
            _action_description := 'Opened a ticket',
            _action_meta := '{"priority": "high"}'::jsonb
        )
        """,
    ) == BARE | {
        "organization_id": "org-uuid",
        "actor_type": "employee",
        "action_type": "create",
        "action": "ticket.create",
        "resource_type": "ticket",
        "action_description": "Opened a ticket",
        "action_meta": {"priority": "high"},
    }


def test_a_user_action_may_come_from_uuid_variables(db: Connection) -> None:
    assert logged_inside(
        db,
        f"""
        do $$
        declare
            org_id uuid := '{ORGANIZATION}';
            user_id uuid := '{EMPLOYEE}';
            ticket_id uuid := '{TICKET}';
            old_data jsonb := '{{"state": "open", "votes": 3}}';
            new_data jsonb := '{{"state": "closed", "votes": 3}}';
        begin
            perform chronicle.log_audit_event(
                _organization_id := org_id,
                _actor_id := user_id,
                _actor_type := 'employee',
                _action_type := 'update',
                _resource_type := 'ticket',
                _resource_id := ticket_id,
                _details_before := old_data,
                _details_after := new_data
            );
        end
        $$
        """,
    ) == [
        BARE
        | {
            "organization_id": str(ORGANIZATION),
            "actor_type": "employee",
            "actor_id": str(EMPLOYEE),
            "action_type": "update",
            "action": "ticket.update",
            "resource_type": "ticket",
            "resource_id": str(TICKET),
            "details_before": {"state": "open", "votes": 3},
            "details_after": {"state": "closed", "votes": 3},
            "changed_columns": ["state"],
        }
    ]


def test_system_events_and_errors_may_come_without_an_actor(db: Connection) -> None:
    job = BARE | {
        "organization_id": str(ORGANIZATION),
        "actor_type": "system",
        "action_type": "execute",
        "action": "system.execute",
        "resource_type": "system",
    }
    assert logged_inside(
        db,
        f"""
        do $$
        declare
            org_id uuid := '{ORGANIZATION}';
        begin
            perform chronicle.log_audit_event(
                _organization_id := org_id,
                _actor_type := 'system',
                _action_type := 'execute',
                _resource_type := 'system',
                _severity := 'info',
                _action_description := 'Nightly cleanup is done'
            );
            perform chronicle.log_audit_event(
                _organization_id := org_id,
                _actor_type := 'system',
                _action_type := 'execute',
                _resource_type := 'system',
                _severity := 'error',
                _status := 'failure',
                _error_code := 'ERR_001',
                _error_message := 'The payment was declined'
            );
        end
        $$
        """,
    ) == [
        job | {"action_description": "Nightly cleanup is done"},
        job
        | {
            "severity": "error",
            "status": "failure",
            "error_code": "ERR_001",
            "error_message": "The payment was declined",
        },
    ]


def test_an_administrator_resets_a_password(db: Connection) -> None:
    assert logged(
        db,
        """
        select chronicle.log_audit_event(
            _actor_type => 'admin', _actor_id => 17, _actor_role => 'owner',
            _action_type => 'update', _action => 'user.password.reset',
            _resource_type => 'user', _resource_id => 4711,
            _action_meta => '{"by": "link", "password": "hunter2"}',
            _ip_address => '203.0.113.9', _user_agent => 'Browser/1.0'
        )
        """,
    ) == BARE | {
        "actor_type": "admin",
        "actor_id": "17",
        "actor_role": "owner",
        "action_type": "update",
        "action": "user.password.reset",
        "resource_type": "user",
        "resource_id": "4711",
        "action_meta": {"by": "link", "password": "[masked]"},
        "ip_address": ip_address("203.0.113.9"),
        "user_agent": "Browser/1.0",
    }


def test_a_service_names_its_trace_and_its_own_verb(db: Connection) -> None:
    assert logged(
        db,
        """
        select chronicle.log_audit_event(
            _actor_type => 'service', _actor_id => 'matcher', _action_type => 'update',
            _action => 'mentor.profile.updated', _resource_type => 'mentor', _resource_id => 'm-1',
            _request_id => 'r-1', _trace_id => '4bf92f3577b34da6a3ce929d0e0e4736'
        )
        """,
    ) == BARE | {
        "actor_type": "service",
        "actor_id": "matcher",
        "action_type": "update",
        "action": "mentor.profile.updated",
        "resource_type": "mentor",
        "resource_id": "m-1",
        "request_id": "r-1",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    }


def test_a_person_edits_a_page_through_an_ai(db: Connection) -> None:
    operation, parent = uuid.uuid4(), uuid.uuid4()
    assert logged(
        db,
        """
        select chronicle.log_audit_event(
            _organization_id => 'drive-1', _actor_type => 'user', _actor_id => 'u-1',
            _is_ai_action => true, _ai_operation_id => %s, _ai_metadata => '{"model": "m"}',
            _action_type => 'update', _resource_type => 'page', _resource_id => 'p-1',
            _details_before => '{"title": "Draft"}', _details_after => '{"title": "Plan"}',
            _reason => 'A better title', _operation_id => 'op-1', _parent_event_id => %s,
            _session_id => 's-1', _related_resources => '[{"resource_type": "drive"}]',
            _client_info => '{"app": "web"}', _duration_ms => 250
        )
        """,
        (operation, parent),
    ) == BARE | {
        "organization_id": "drive-1",
        "actor_type": "user",
        "actor_id": "u-1",
        "is_ai_action": True,
        "ai_operation_id": operation,
        "ai_metadata": {"model": "m"},
        "action_type": "update",
        "action": "page.update",
        "resource_type": "page",
        "resource_id": "p-1",
        "details_before": {"title": "Draft"},
        "details_after": {"title": "Plan"},
        "changed_columns": ["title"],
        "reason": "A better title",
        "operation_id": "op-1",
        "parent_event_id": parent,
        "session_id": "s-1",
        "related_resources": [{"resource_type": "drive"}],
        "client_info": {"app": "web"},
        "duration_ms": 250,
    }


def test_the_bare_name_works_with_the_schema_on_the_search_path(db: Connection) -> None:
    with acting_as(db, "app"):
        db.execute("set local search_path = public, chronicle")
        event_id = value(
            db,
            """
            select log_audit_event(
                _organization_id := 'org-uuid', _actor_type := 'employee',
                _action_type := 'create', _resource_type := 'ticket'
            )
            """,
        )
    assert event(db, event_id)["resource_type"] == "ticket"


# Parameters as drivers type them.

MIXTURES = [
    pytest.param("org", "actor", "resource", id="text"),
    pytest.param(ORGANIZATION, EMPLOYEE, TICKET, id="uuid"),
    pytest.param(ORGANIZATION, None, None, id="one uuid"),
    pytest.param(None, None, None, id="none"),
    pytest.param(1, 70_000, 2**40, id="integers of three sizes"),
    pytest.param(ORGANIZATION, str(EMPLOYEE), str(TICKET), id="uuid and text that is one"),
    pytest.param(7, "8", "9", id="integer and text that is one"),
]


@pytest.mark.parametrize(("organization", "actor", "resource"), MIXTURES)
@pytest.mark.parametrize("cursor", [psycopg.Cursor, psycopg.ClientCursor], ids=["server", "client"])
def test_ids_may_be_parameters_bound_by_the_driver(
    db: Connection, cursor: type[psycopg.Cursor[Any]], organization: Any, actor: Any, resource: Any
) -> None:
    with acting_as(db, "app"), cursor(db) as bound:
        found = bound.execute(
            """
            select chronicle.log_audit_event(
                _organization_id => %s, _actor_id => %s, _actor_type => %s, _action_type => %s,
                _resource_type => %s, _resource_id => %s, _ip_address => %s, _duration_ms => %s,
                _action_meta => %s, _severity => %s, _occurred_at => %s, _is_ai_action => %s
            )
            """,
            (
                *(organization, actor, "user", "read", "page", resource),
                *(ip_address("2001:db8::1"), 12, Jsonb({"a": [1.50]}), "warning"),
                *(datetime(2026, 1, 2, tzinfo=UTC), False),
            ),
        ).fetchone()
        assert found is not None
    given = {"organization_id": organization, "actor_id": actor, "resource_id": resource}
    assert event(db, found[0]) == BARE | {
        "actor_type": "user",
        "action_type": "read",
        "action": "page.read",
        "resource_type": "page",
        "ip_address": ip_address("2001:db8::1"),
        "duration_ms": 12,
        "action_meta": {"a": [1.5]},
        "severity": "warning",
    } | {name: str(each) for name, each in given.items() if each is not None}


def test_ids_of_different_types_need_a_cast(db: Connection) -> None:
    mixed = """
        select chronicle.log_audit_event(
            _organization_id => %s, _resource_id => %s,
            _actor_type => 'user', _action_type => 'read', _resource_type => 'page'
        )
    """
    cast = """
        select chronicle.log_audit_event(
            _organization_id => %s::text, _resource_id => %s::text,
            _actor_type => 'user', _action_type => 'read', _resource_type => 'page'
        )
    """
    with acting_as(db, "app"):
        assert sqlstate(db, mixed, (ORGANIZATION, 7)) == "42883"
        assert sqlstate(db, mixed, (ORGANIZATION, "p-7")) == "22P02"
    found = logged(db, cast, (ORGANIZATION, 7))
    assert (found["organization_id"], found["resource_id"]) == (str(ORGANIZATION), "7")


def test_psql_variables_are_literals(database: Database) -> None:
    script = """
        \\set org 'o''Neil & co'
        \\set ticket 4711
        select chronicle.log_audit_event(
            _organization_id := :'org', _actor_type := 'employee', _action_type := 'read',
            _resource_type := 'ticket', _resource_id := :'ticket'
        ) as event_id \\gset
        \\echo :event_id
    """
    psql = subprocess.run(
        [database.cluster.program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1"],
        input=script,
        env=database.environment("app"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert event(database.connect(), psql.stdout.strip()) == BARE | {
        "organization_id": "o'Neil & co",
        "actor_type": "employee",
        "action_type": "read",
        "action": "ticket.read",
        "resource_type": "ticket",
        "resource_id": "4711",
    }


def test_a_prepared_statement_records_each_time(db: Connection) -> None:
    with acting_as(db, "app"):
        db.execute(
            """
            prepare note (uuid, text, jsonb) as select chronicle.log_audit_event(
                _organization_id => $1, _actor_type => 'user', _action_type => 'read',
                _resource_type => $2, _action_meta => $3
            )
            """
        )
        # The server takes a generic plan from the sixth time on.
        ids = [
            value(db, f"execute note ('{ORGANIZATION}', 'page', '{{\"n\": {n}}}')")
            for n in range(8)
        ]
        db.execute("deallocate note")
    assert [event(db, each)["action_meta"] for each in ids] == [{"n": n} for n in range(8)]
    assert len(set(ids)) == 8


def test_a_dynamic_statement_records_too(db: Connection) -> None:
    (found,) = logged_inside(
        db,
        f"""
        do $$
        begin
            execute 'select chronicle.log_audit_event(_actor_id => $1, _resource_id => $2, '
                '_actor_type => ''user'', _action_type => ''delete'', _resource_type => $3)'
                using '{EMPLOYEE}'::uuid, '{TICKET}'::uuid, 'ticket';
        end
        $$
        """,
    )
    assert found == BARE | {
        "actor_type": "user",
        "actor_id": str(EMPLOYEE),
        "action_type": "delete",
        "action": "ticket.delete",
        "resource_type": "ticket",
        "resource_id": str(TICKET),
    }


def test_ids_become_text_by_their_output_function_and_not_by_a_cast(db: Connection) -> None:
    db.execute("create schema mine")
    db.execute("create type mine.colour as enum ('red')")
    db.execute(
        """
        create function mine.trap(mine.colour) returns text language plpgsql as $$
        begin
            raise exception 'a cast ran as %', current_user;
        end
        $$
        """
    )
    db.execute("create cast (mine.colour as text) with function mine.trap(mine.colour)")
    event_id = value(
        db,
        """
        select chronicle.log_audit_event(
            _organization_id => 'red'::mine.colour, _actor_id => 'red'::mine.colour,
            _resource_id => 'red'::mine.colour, _actor_type => 'user', _action_type => 'read',
            _resource_type => 'paint'
        )
        """,
    )
    found = event(db, event_id)
    ids = found["organization_id"], found["actor_id"], found["resource_id"]
    assert ids == ("red", "red", "red")


# What is left out.


def test_what_the_caller_leaves_out_gets_a_default(db: Connection) -> None:
    assert logged(db, READ_PAGE) == BARE | {
        "actor_type": "user",
        "action_type": "read",
        "action": "page.read",
        "resource_type": "page",
    }


def test_an_event_is_dated_by_the_clock_and_not_by_the_transaction(db: Connection) -> None:
    with acting_as(db, "app"):
        ids = [value(db, READ_PAGE) for _ in range(2)]
    assert row(
        db,
        """
        select
            min(e.occurred_at) > now(),
            max(e.occurred_at) > min(e.occurred_at),
            bool_and(e.recorded_at between e.occurred_at and clock_timestamp())
        from chronicle.events as e
        where e.event_id = any(%s)
        """,
        (ids,),
    ) == (True, True, True)


def test_an_import_may_name_the_past_but_not_when_it_was_recorded(db: Connection) -> None:
    with acting_as(db, "app"):
        event_id = value(
            db,
            """
            select chronicle.log_audit_event(
                _actor_type => 'user', _action_type => 'read', _resource_type => 'page',
                _occurred_at => '1999-12-31 23:59:59.123456+00'
            )
            """,
        )
    assert row(
        db,
        """
        select e.occurred_at = '1999-12-31 23:59:59.123456+00', e.recorded_at > now(),
            e.tableoid::regclass::text
        from chronicle.events as e where e.event_id = %s
        """,
        (event_id,),
    ) == (True, True, "chronicle.events_earlier")


def test_an_event_five_minutes_ahead_is_recorded(db: Connection) -> None:
    assert logged(
        db,
        """
        select chronicle.log_audit_event(
            _actor_type => 'user', _action_type => 'read', _resource_type => 'page',
            _occurred_at => clock_timestamp() + interval '4 minutes 50 seconds'
        )
        """,
    )


def test_an_actor_that_is_an_ai_or_an_ai_operation_makes_it_an_ai_action(db: Connection) -> None:
    def is_ai_action(**arguments: str) -> bool:
        named = ", ".join(f"_{name} => {literal}" for name, literal in arguments.items())
        return bool(
            logged(
                db,
                "select chronicle.log_audit_event("
                f"_action_type => 'read', _resource_type => 'page', {named})",
            )["is_ai_action"]
        )

    operation = "'0c1e9b1e-0000-4000-8000-00000000000d'"
    assert is_ai_action(actor_type="'ai'")
    assert is_ai_action(actor_type="'user'", ai_operation_id=operation)
    assert not is_ai_action(actor_type="'user'", ai_operation_id=operation, is_ai_action="false")
    assert not is_ai_action(actor_type="'ai'", is_ai_action="false")


def test_empty_ids_count_as_left_out(db: Connection) -> None:
    assert (
        logged(
            db,
            """
            select chronicle.log_audit_event(
                _organization_id => '', _actor_id => '', _resource_id => '',
                _actor_type => 'user', _action_type => 'read', _resource_type => 'page'
            )
            """,
        ).keys()
        == logged(db, READ_PAGE).keys()
    )


# What the context supplies. test_context.py has what the context is.

FULL_CONTEXT = """
    select chronicle.set_context(
        _actor_id => 'u-1', _actor_type => 'employee', _actor_role => 'clerk',
        _impersonator_id => 'boss', _organization_id => 'acme', _session_id => 's-1',
        _request_id => 'r-1', _trace_id => 't-1', _operation_id => 'op-1',
        _ip_address => '10.1.2.3', _user_agent => 'Browser/1.0',
        _client_info => '{"app": "web"}', _reason => 'Because',
        _ai_operation_id => '0c1e9b1e-0000-4000-8000-00000000000d'
    )
"""

IN_CONTEXT = {
    "actor_id": "u-1",
    "actor_type": "employee",
    "actor_role": "clerk",
    "impersonator_id": "boss",
    "organization_id": "acme",
    "session_id": "s-1",
    "request_id": "r-1",
    "trace_id": "t-1",
    "operation_id": "op-1",
    "ip_address": ip_address("10.1.2.3"),
    "user_agent": "Browser/1.0",
    "client_info": {"app": "web"},
    "reason": "Because",
    "ai_operation_id": uuid.UUID("0c1e9b1e-0000-4000-8000-00000000000d"),
    "is_ai_action": True,
    "context_state": "asserted",
}


def test_the_context_fills_what_is_left_out(db: Connection) -> None:
    with acting_as(db, "app"):
        db.execute(FULL_CONTEXT)
    assert logged(
        db, "select chronicle.log_audit_event(_action_type => 'read', _resource_type => 'page')"
    ) == BARE | IN_CONTEXT | {
        "action_type": "read",
        "action": "page.read",
        "resource_type": "page",
    }


def test_what_is_said_goes_before_the_context(db: Connection) -> None:
    said: dict[str, Any] = {
        "actor_id": "u-2",
        "actor_type": "customer",
        "actor_role": "buyer",
        "impersonator_id": "i-2",
        "organization_id": "other",
        "session_id": "s-2",
        "request_id": "r-2",
        "trace_id": "t-2",
        "operation_id": "op-2",
        "ip_address": ip_address("10.9.9.9"),
        "user_agent": "curl/8",
        "client_info": {"app": "shell"},
        "reason": "Since",
        "ai_operation_id": uuid.UUID("0c1e9b1e-0000-4000-8000-00000000000e"),
        "is_ai_action": False,
    }
    with acting_as(db, "app"):
        db.execute(FULL_CONTEXT)
    assert logged(
        db,
        """
        select chronicle.log_audit_event(
            _action_type => 'read', _resource_type => 'page', _actor_id => 'u-2',
            _actor_type => 'customer', _actor_role => 'buyer', _impersonator_id => 'i-2',
            _organization_id => 'other', _session_id => 's-2', _request_id => 'r-2',
            _trace_id => 't-2', _operation_id => 'op-2', _ip_address => '10.9.9.9',
            _user_agent => 'curl/8', _client_info => '{"app": "shell"}', _reason => 'Since',
            _ai_operation_id => '0c1e9b1e-0000-4000-8000-00000000000e', _is_ai_action => false
        )
        """,
    ) == BARE | said | {
        "context_state": "asserted",
        "action_type": "read",
        "action": "page.read",
        "resource_type": "page",
    }


@pytest.mark.parametrize(
    ("said", "recorded"),
    [
        ("_actor_type => 'system'", ("system", None, None)),
        ("_actor_type => 'employee'", ("employee", "u-1", "clerk")),
        ("_actor_id => 'u-2'", ("employee", "u-2", None)),
        ("_actor_id => 'u-2', _actor_type => 'ai'", ("ai", "u-2", None)),
        ("_actor_type => 'system', _actor_role => 'cron'", ("system", None, "cron")),
    ],
)
def test_one_actor_is_never_completed_from_another(
    db: Connection, said: str, recorded: tuple[Any, ...]
) -> None:
    with acting_as(db, "app"):
        db.execute(FULL_CONTEXT)
    found = logged(
        db,
        "select chronicle.log_audit_event("
        f"_action_type => 'read', _resource_type => 'page', {said})",
    )
    assert tuple(found.get(n) for n in ("actor_type", "actor_id", "actor_role")) == recorded


# The two states.


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, ["b"]),
        ({"b": 1, "a": 1}, {}, ["a", "b"]),
        ({}, {"z": None, "Z": 1}, ["Z", "z"]),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [2, 1]}}, ["a"]),
        ({"a": 1}, {"a": 1}, []),
    ],
)
def test_changed_columns_name_what_differs(
    db: Connection, before: Any, after: Any, changed: list[str]
) -> None:
    found = logged(
        db,
        """
        select chronicle.log_audit_event(
            _actor_type => 'user', _action_type => 'update', _resource_type => 'page',
            _details_before => %s, _details_after => %s
        )
        """,
        (Jsonb(before), Jsonb(after)),
    )
    assert found["changed_columns"] == changed


@pytest.mark.parametrize("given", ["_details_before", "_details_after"])
def test_one_state_alone_has_no_changed_columns(db: Connection, given: str) -> None:
    found = logged(
        db,
        "select chronicle.log_audit_event(_actor_type => 'user', _action_type => 'update', "
        f"""_resource_type => 'page', {given} => '{{"a": 1}}')""",
    )
    assert "changed_columns" not in found


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [
        ('{"a": 1, "b": 2}', '{"a": 1, "b": 3}', '{"b": {"new": 3, "old": 2}}'),
        ('{"a": 1.0}', '{"a": 1.00}', '{"a": {"new": 1.00, "old": 1.0}}'),
        ('{"a": 1}', '{"a": "1"}', '{"a": {"new": "1", "old": 1}}'),
        ('{"a": null}', "{}", '{"a": {"old": null}}'),
        ("{}", '{"a": null}', '{"a": {"new": null}}'),
        (None, '{"a": 1}', '{"a": {"new": 1}}'),
        ('{"a": 1}', None, '{"a": {"old": 1}}'),
        ('{"a": [1, {"b": null}]}', '{"a": [1, {"b": null}]}', "{}"),
        (None, None, "{}"),
    ],
)
def test_changes_are_the_structured_difference(
    db: Connection, before: str | None, after: str | None, difference: str
) -> None:
    with acting_as(db, "app"):
        statement = "select chronicle.changes(%s::jsonb, %s::jsonb)::text"
        assert value(db, statement, (before, after)) == difference


# Sets of events.

SET = "select chronicle.log_audit_events(%s)"


def one(**fields: Any) -> dict[str, Any]:
    """An event of a set."""
    return {"actor_type": "user", "action_type": "read", "resource_type": "page"} | fields


def test_a_set_is_recorded_in_its_order(db: Connection) -> None:
    given = [one(resource_id=n) for n in range(30)]
    with acting_as(db, "app"):
        ids = values(db, SET, (Jsonb(given),))
    assert len(ids) == 30
    assert rows(
        db,
        """
        select e.event_id, e.resource_id
        from chronicle.events as e where e.event_id = any(%s) order by e.seq
        """,
        (ids,),
    ) == [(event_id, str(n)) for n, event_id in enumerate(ids)]


def test_every_field_of_an_event_goes_into_a_set(db: Connection) -> None:
    event_id, operation, parent = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    fields: dict[str, Any] = {
        "organization_id": "acme",
        "actor_id": "u-1",
        "actor_type": "employee",
        "ip_address": "10.0.0.1",
        "user_agent": "Browser/1.0",
        "action_type": "update",
        "action_description": "It was retitled",
        "action_meta": {"a": None},
        "resource_type": "page",
        "resource_id": "p-1",
        "related_resources": [{"resource_type": "drive"}],
        "details_before": {"title": "a"},
        "details_after": {"title": "b"},
        "ai_metadata": {"model": "m"},
        "session_id": "s-1",
        "request_id": "r-1",
        "client_info": {"app": "web"},
        "duration_ms": 5,
        "severity": "warning",
        "status": "failure",
        "error_code": "E1",
        "error_message": "No",
        "action": "page.title.change",
        "actor_role": "clerk",
        "impersonator_id": "boss",
        "is_ai_action": True,
        "reason": "Why not",
        "trace_id": "t-1",
        "operation_id": "op-1",
        "parent_event_id": str(parent),
        "ai_operation_id": str(operation),
        "occurred_at": "2026-01-02T03:04:05.678901Z",
        "event_id": str(event_id),
    }
    arguments = values(
        db,
        """
        select substr(unnest(p.proargnames), 2) from pg_proc as p
        where p.oid::regprocedure::text ^@ 'chronicle.log_audit_event('
        """,
    )
    assert sorted(fields) == sorted(arguments)
    with acting_as(db, "app"):
        assert values(db, SET, (Jsonb([fields]),)) == [event_id]
    given = {name: each for name, each in fields.items() if name not in ("event_id", "occurred_at")}
    assert event(db, event_id) == BARE | given | {
        "changed_columns": ["title"],
        "ip_address": ip_address("10.0.0.1"),
        "parent_event_id": parent,
        "ai_operation_id": operation,
    }
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
    assert value(
        db, "select occurred_at from chronicle.events where event_id = %s", (event_id,)
    ) == (moment)


def test_null_in_a_set_counts_as_left_out(db: Connection) -> None:
    names = (
        "actor_id",
        "action_meta",
        "related_resources",
        "details_before",
        "severity",
        "event_id",
    )
    with acting_as(db, "app"):
        (event_id,) = values(db, SET, (Jsonb([one(**dict.fromkeys(names))]),))
    assert event(db, event_id) == logged(db, READ_PAGE)


def test_an_empty_set_records_nothing(db: Connection) -> None:
    with acting_as(db, "app"):
        assert values(db, SET, (Jsonb([]),)) == []


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        (
            [one(), one(action_type="rea"), one()],
            Refusal(
                "22P02",
                'event 2 of the set: invalid input value for enum chronicle.action_type: "rea"',
                "Nothing of the set was recorded.",
                "Mend that event and send the whole set again.",
            ),
        ),
        (
            [one(), one(), {"actor_type": "user", "action_type": "read"}],
            Refusal(
                "22004",
                "event 3 of the set: an event needs _resource_type",
                "_actor_type, _action_type and _resource_type are required.",
                "Pass _resource_type => '...'.",
            ),
        ),
        (
            [one(actor_tpye="user")],
            Refusal(
                "22023",
                'event 1 of the set: it has an unknown field "actor_tpye"',
                "Nothing of the set was recorded.",
                "Did you mean 'actor_type', 'actor_role', 'actor_id'? "
                "Fields are the arguments of log_audit_event without the underscore.",
            ),
        ),
        (
            [one(), 7],
            Refusal(
                "22023",
                "event 2 of the set: it must be a JSON object, not number",
                "Nothing of the set was recorded.",
                "Mend that event and send the whole set again.",
            ),
        ),
        (
            one(),
            Refusal(
                "22023",
                "_events must be a JSON array, not object",
                None,
                "For one event: jsonb_build_array(event).",
            ),
        ),
        (
            None,
            Refusal(
                "22023",
                "_events must be a JSON array, not null",
                None,
                "For one event: jsonb_build_array(event).",
            ),
        ),
    ],
    ids=["label", "missing", "unknown", "no object", "no array", "null"],
)
def test_a_set_is_recorded_whole_or_not_at_all(
    db: Connection, given: Any, refused: Refusal
) -> None:
    with acting_as(db, "app"):
        assert refusal(db, SET, (Jsonb(given),)) == refused
    assert rows(db, "select * from chronicle.events") == []


def test_sql_null_for_a_set_is_refused(db: Connection) -> None:
    with acting_as(db, "app"):
        assert sqlstate(db, "select chronicle.log_audit_events(null)") == "22023"


def test_a_set_with_one_id_twice_records_it_once(db: Connection) -> None:
    event_id = str(uuid.uuid4())
    with acting_as(db, "app"):
        ids = values(db, SET, (Jsonb([one(event_id=event_id), one(), one(event_id=event_id)]),))
    assert [str(each) for each in ids].count(event_id) == 2
    assert value(db, "select count(*) from chronicle.events") == 2


# Transactions.


def test_a_transaction_id_is_that_of_the_whole_transaction(db: Connection) -> None:
    with acting_as(db, "app"):
        ids = [value(db, READ_PAGE)]
        with db.transaction():
            ids.append(value(db, READ_PAGE))
            with db.transaction():
                ids.append(value(db, READ_PAGE))
        ids += values(db, SET, (Jsonb([one()]),))
    assert set(
        values(db, "select transaction_id from chronicle.events where event_id = any(%s)", (ids,))
    ) == {value(db, "select (pg_current_xact_id()::text)::bigint")}


def test_what_is_rolled_back_is_not_recorded(db: Connection) -> None:
    with acting_as(db, "app"):
        kept = value(db, READ_PAGE)
        with db.transaction(force_rollback=True):
            db.execute(READ_PAGE)
            db.execute(READ_PAGE_ONCE, (uuid.uuid4(),))
    assert values(db, "select event_id from chronicle.events") == [kept]
    assert claimed_ids(db) == []


def test_seq_rises_in_the_order_of_recording(db: Connection) -> None:
    with acting_as(db, "app"):
        ids = [value(db, READ_PAGE) for _ in range(20)]
    assert values(db, "select event_id from chronicle.events order by seq") == ids


def test_a_session_without_row_security_logs(db: Connection) -> None:
    event_id = uuid.UUID("0c1e9b1e-0000-7000-8000-00000000000a")
    with acting_as(db, "app"):
        db.execute("set local row_security = off")
        for _ in range(2):
            db.execute(READ_PAGE_ONCE, (event_id,))
        values(db, SET, (Jsonb([one()]),))
        assert value(db, "show row_security") == "off"
        db.execute("set local row_security = on")
    assert value(db, "select count(*) from chronicle.events") == 2


# Ids.


def test_generated_ids_are_version_7_and_tell_the_time(db: Connection) -> None:
    with acting_as(db, "app"):
        ids = [value(db, READ_PAGE) for _ in range(50)]
    found = rows(db, "select event_id, recorded_at from chronicle.events order by seq")
    assert [event_id for event_id, _ in found] == ids
    assert len(set(ids)) == 50
    for event_id, recorded_at in found:
        made = datetime.fromtimestamp((event_id.int >> 80) / 1000, UTC)
        assert (event_id.version, event_id.variant) == (7, uuid.RFC_4122)
        assert timedelta() <= recorded_at - made < timedelta(seconds=1)
    made_in = [event_id.int >> 80 for event_id in ids]
    assert made_in == sorted(made_in)


def test_the_random_part_of_an_id_is_random(db: Connection) -> None:
    db.execute("set local role chronicle_writer")
    ids = values(db, "select chronicle.uuid_v7() from generate_series(1, 2000)")
    for bit in (*range(62), *range(64, 76)):
        ones = sum((each.int >> bit) & 1 for each in ids)
        # 2000 throws of a fair coin: this is off once in 10^14.
        assert 820 < ones < 1180, f"bit {bit}: {ones}"


def test_a_json_null_counts_as_left_out(db: Connection) -> None:
    event_id = value(
        db,
        """
        select chronicle.log_audit_event(
            _actor_type => 'user', _action_type => 'read', _resource_type => 'ticket',
            _action_meta => 'null', _related_resources => 'null', _details_before => 'null',
            _details_after => '{"a": 1}', _ai_metadata => 'null', _client_info => 'null'
        )
        """,
    )
    assert rows(
        db,
        """
        select
            action_meta, related_resources, details_before, details_after, changed_columns,
            ai_metadata, client_info
        from chronicle.events where event_id = %s
        """,
        [event_id],
    ) == [(None, None, None, {"a": 1}, None, None, None)]


def test_an_empty_action_counts_as_left_out(db: Connection) -> None:
    event_id = value(
        db,
        """
        select chronicle.log_audit_event(
            _actor_type => 'user', _action_type => 'read', _resource_type => 'ticket', _action => ''
        )
        """,
    )
    assert value(db, "select action from chronicle.events where event_id = %s", [event_id]) == (
        "ticket.read"
    )
