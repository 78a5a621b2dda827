"""Who writes events: capture, and the functions for it. What an event says of who did it and how
it came about is true, or marked as merely asserted."""

import json
from typing import Any

import pytest

from ask import as_superuser, event, row, rows, run, sqlstate, value, values
from capturing import ITEM, make, track
from support import Connection, Database, acting_as

ROLES = (
    *("app", "reader_a", "root_reader", "auditor", "admin", "shopkeeper", "stranger"),
    "installer",
)

EVENT = """
    insert into {table} (
        event_id, occurred_at, recorded_at, seq, transaction_id, db_user, actor_type, context_state,
        origin, action_type, action, resource_type, resource_id, table_id
    ) values (
        gen_random_uuid(), {at}, '2020-01-01', 1, 1, 'somebody else', 'user', 'verified',
        'captured', 'update', 'item.update', 'item', '1', 1
    )
"""

COPY = """
    copy {table} (event_id, occurred_at, actor_type, context_state, origin, action_type, action,
        resource_type) from stdin
"""


@pytest.mark.parametrize("role", ROLES)
def test_nobody_writes_an_event_past_the_functions(db: Connection, role: str) -> None:
    tables = rows(
        db,
        """
        select t.relid::regclass::text, coalesce(
            substring(pg_get_expr(c.relpartbound, c.oid) from $$FROM [(]('[^']+')[)]$$), 'now()'
        )
        from pg_partition_tree('chronicle.events') as t
        inner join pg_class as c on c.oid = t.relid
        """,
    )
    assert len(tables) > 5
    with acting_as(db, role):
        for table, at in tables:
            for statement in (EVENT, COPY):
                attempt = statement.format(table=table, at=at)
                # Before version 16 the installer has the rights of the log's owner, who cannot
                # insert either: row-level security is forced, and COPY does not go with it.
                expected = ("42501", "0A000") if role == "installer" else ("42501",)
                assert sqlstate(db, attempt) in expected, attempt
        if role == "installer" and db.info.server_version < 160000:
            # Nothing but the events is guarded against their owner.
            return
        for table in ("event_keys", "table_registry", "tracking_periods", "administrators"):
            attempt = f"insert into chronicle.{table} default values"
            assert sqlstate(db, attempt) == "42501", table
        for name in ("nextval", "currval", "lastval"):
            argument = "" if name == "lastval" else "'chronicle.events_seq'"
            assert sqlstate(db, f"select {name}({argument})") in ("42501", "55000"), name
        assert sqlstate(db, "select setval('chronicle.events_seq', 1)") == "42501"


@pytest.mark.parametrize(
    "column",
    [
        *("origin", "seq", "recorded_at", "transaction_id", "db_user", "context_state", "epoch"),
        *("table_id", "payload_error", "changed_columns", "payload_salt", "schema_version"),
    ],
)
def test_an_application_does_not_choose_what_the_log_knows_itself(
    db: Connection, column: str
) -> None:
    fields = {"actor_type": "user", "action_type": "read", "resource_type": "page", column: "1"}
    with acting_as(db, "app"):
        refused = sqlstate(
            db, "select chronicle.log_audit_events(%s::jsonb)", (json.dumps([fields]),)
        )
        assert refused == "22023"
        # The context is not a way in either.
        db.execute("select set_config('chronicle.context', %s, true)", (json.dumps({column: "1"}),))
        event_id = value(
            db,
            "select chronicle.log_audit_event("
            "_actor_type => 'user', _action_type => 'read', _resource_type => 'page')",
        )
    found = row(
        db,
        "select origin, db_user, context_state, epoch, table_id, payload_error, changed_columns, "
        "schema_version, transaction_id = pg_current_xact_id()::text::bigint, "
        "recorded_at > now() - interval '1 hour', seq > 0 "
        "from chronicle.events where event_id = %s",
        (event_id,),
    )
    state = "malformed" if column == "context_state" else "asserted"
    assert found[:2] == ("logged", "app")
    assert found[2] in ("asserted", state)
    assert found[3:] == (1, None, None, None, 1, True, True, True)


def test_an_application_can_tell_stories_but_they_are_told_as_such(db: Connection) -> None:
    """That a row was changed, that tracking ended: the origin is that of what it logs, the table is
    none, and no view of captured changes has it."""
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    with acting_as(db, "app"):
        for action, kind, resource in (
            ("item.update", "item", "1"),
            ("item.truncate", "item", None),
            ("item.snapshot", "item", "1"),
            ("stolen.revert", "stolen", "1"),
        ):
            db.execute(
                "select chronicle.log_audit_event(_actor_type => 'user', _actor_id => 'ada', "
                "_action_type => 'update', _action => %s, _resource_type => %s, "
                "_resource_id => %s::text, _details_after => '{\"price\": 0}')",
                (action, kind, resource),
            )
    assert (
        rows(
            db,
            "select origin, table_id, db_user from chronicle.events where details_after ? 'price' "
            "and db_user = 'app'",
        )
        == [("logged", None, "app")] * 4
    )
    assert values(db, "select action from chronicle.row_changes") == ["INSERT"]


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        ("chronicle.tracked_table", "chronicle.tracking.disable"),
        ("chronicle.administrator", "chronicle.administrator.add"),
        ("chronicle.setting", "chronicle.setting.update"),
        ("chronicle.revert", None),
        ("chronicle.snapshot", None),
        ("chronicle.anything", None),
        ("page", "chronicle.tracking.disable"),
    ],
)
def test_an_application_does_not_speak_for_the_log_itself(
    db: Connection, kind: str, action: str | None
) -> None:
    """Else nobody could tell an application's story from what was done to the log."""
    with acting_as(db, "app"):
        assert (
            sqlstate(
                db,
                "select chronicle.log_audit_event(_actor_type => 'user', _action_type => 'update', "
                "_resource_type => %s, _action => %s)",
                (kind, action),
            )
            == "42939"
        )


# Who it was.


def who(db: Connection) -> Any:
    return row(
        db,
        "select db_user, actor_type, actor_id, context_state from chronicle.row_changes "
        "order by seq desc limit 1",
    )


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("set local role chronicle_app", ("app", "system", "app", "absent")),
        ("set local application_name = 'auditor'", ("app", "system", "app", "absent")),
        ("set local search_path = pg_temp", ("app", "system", "app", "absent")),
        (
            "select set_config('chronicle.context', '{\"db_user\": \"x\"}', true)",
            ("app", "system", "app", "asserted"),
        ),
        (
            """select set_config('chronicle.context',
            '{"actor_id": "root", "context_state": "verified"}', true)""",
            ("app", "user", "root", "asserted"),
        ),
        (
            "select set_config('request.jwt.claims', "
            '\'{"sub": "root", "role": "service_role"}\', true)',
            ("app", "user", "root", "asserted"),
        ),
        (
            'select set_config(\'chronicle.context\', \'{"actor_type": "system", '
            '"actor_id": "postgres"}\', true)',
            ("app", "system", "postgres", "asserted"),
        ),
        (
            "select set_config('chronicle.context', '{', true)",
            ("app", "system", "app", "malformed"),
        ),
        ("select set_config('session_user', 'auditor', true)", None),
        ("select set_config('role', 'auditor', true)", None),
        ("set role auditor", None),
        ("set is_superuser = on", None),
    ],
)
def test_who_logged_in_is_told_whatever_a_session_says(
    db: Connection, statement: str, expected: tuple[str, ...] | None
) -> None:
    make(db, ITEM)
    db.execute("grant all on public.item to app, chronicle_app")
    with acting_as(db, "app"):
        if expected is None:
            assert sqlstate(db, statement) in ("42501", "22023", "42704", "55P02")
        else:
            run(db, statement)
        db.execute("insert into public.item values (1, 'a', 1)")
        db.execute("set local role none")
    assert who(db) == (expected or ("app", "system", "app", "absent"))


def test_a_session_of_its_own_cannot_become_another(database: Database) -> None:
    with database.connect() as owner:
        make(owner, ITEM)
        owner.execute("grant all on public.item to app")
    app = database.connect("app", autocommit=True)
    for statement in (
        "set session authorization auditor",
        "set session authorization default",
        "reset session authorization",
        "set role auditor",
        "set role chronicle_writer",
        "reset role",
    ):
        # Back to oneself is no crime.
        if "auditor" in statement or "writer" in statement:
            assert sqlstate(app, statement) == "42501"
        else:
            run(app, statement)
    app.execute("insert into public.item values (1, 'a', 1)")
    assert who(database.connect("auditor")) == ("app", "system", "app", "absent")


def test_a_function_of_somebody_else_does_not_change_who_logged_in(db: Connection) -> None:
    make(db, ITEM)
    db.execute("grant all on public.item to app")
    with as_superuser(db):
        db.execute(
            """
            create function public.write_as_owner(_key integer) returns void
            language sql security definer as $$
                insert into public.item values (_key, 'a', 1)
            $$
            """
        )
    with acting_as(db, "stranger"):
        db.execute("select public.write_as_owner(1)")
    assert who(db) == ("stranger", "system", "stranger", "absent")


def test_a_trigger_of_the_owner_does_not_change_who_is_told(db: Connection) -> None:
    """The context belongs to the session: an owner's trigger can set it, which is to assert. It
    does not reach what was recorded before."""
    make(db, ITEM)
    db.execute(
        """
        create function public.lie() returns trigger language plpgsql as $$
        begin
            perform set_config('chronicle.context', '{"actor_id": "somebody"}', true);
            return new;
        end
        $$
        """
    )
    db.execute(
        "create trigger lie after insert on public.item for each row execute function public.lie()"
    )
    db.execute("grant all on public.item to app")
    with acting_as(db, "app"):
        db.execute("insert into public.item values (1, 'a', 1)")
        db.execute("update public.item set name = 'b'")
    assert rows(
        db,
        "select action, db_user, actor_id, context_state from chronicle.row_changes order by seq",
    ) == [
        ("INSERT", "app", "app", "absent"),
        ("UPDATE", "app", "somebody", "asserted"),
    ]


def test_an_owner_who_is_an_application_as_well_captures_and_logs_no_more_than_each(
    db: Connection,
) -> None:
    with as_superuser(db):
        db.execute("grant chronicle_app, chronicle_admin to shopkeeper")
    with acting_as(db, "shopkeeper"):
        run(db, f"create table shop.item ({ITEM})")
        track(db, table="shop.item")
        db.execute("insert into shop.item values (1, 'a', 1)")
        assert sqlstate(db, "select * from chronicle.events") == "42501"
        assert sqlstate(db, "select * from chronicle.row_changes") == "42501"
        event_id = value(
            db,
            "select chronicle.log_audit_event(_actor_type => 'user', _action_type => 'update', "
            "_resource_type => 'shop.item', _resource_id => '1')",
        )
        # A view of their own over the log does not help either.
        db.execute("create view shop.peek as select * from chronicle.events")
        assert sqlstate(db, "select * from shop.peek") == "42501"
    assert event(db, event_id)["origin"] == "logged"


# What a writer cannot leave out.

GARBAGE = [
    *("{}", "[]", "1", "null", '"x"', "{", "\\", " ", "(a,b)", "[" * 100_000),
    "[" * 9_000 + "]" * 9_000,
    *('{"actor_id": 1}', '{"actor_id": {"a": 1}}', '{"actor_id": ["a"]}', '{"actor_id": true}'),
    *('{"actor_id": "\\u0000"}', '{"actor_id": "\\ud800"}', '{"actor_id": ""}'),
    *('{"actor_type": "nonsense"}', '{"actor_type": {}}', '{"actor_type": null}', '{"sub": 1}'),
    *('{"ip_address": "999.1"}', '{"ip_address": {}}', '{"ai_operation_id": "x"}'),
    *('{"client_info": [1]}', '{"client_info": "x"}', '{"client_info": null}'),
    *('{"parent_event_id": "x"}', '{"parent_event_id": {}}', '{"organization_id": true}'),
    '{"client_info": ' + '{"a": ' * 6_000 + "1" + "}" * 6_000 + "}",
    '{"actor_id": "' + "x" * 2_000 + '"}',
    '{"organization_id": "' + "x" * 2_000 + '"}',
    '{"reason": "' + "x" * 70_000 + '"}',
    '{"reason": 1e400000}',
    '{"actor_id": "a", "actor_id": "b"}',
    '{"actor_id": "a\\nb\\u001b[2J"}',
    '{"client_info": {"n": ' + "1" * 5_000 + "}}",
]


@pytest.mark.parametrize("setting", ["chronicle.context", "request.jwt.claims"])
def test_no_context_keeps_a_change_from_being_recorded(db: Connection, setting: str) -> None:
    make(db, ITEM)
    db.execute("grant all on public.item to stranger")
    with acting_as(db, "stranger"):
        for key, text in enumerate(GARBAGE):
            db.execute("select set_config(%s, %s, true)", (setting, text))
            db.execute("insert into public.item values (%s, 'a', 1)", (key,))
    assert rows(
        db,
        "select record_id, db_user, new_values, payload_error, "
        "context_state in ('asserted', 'malformed', 'absent') "
        "from chronicle.row_changes order by seq",
    ) == [
        (str(key), "stranger", {"id": key, "name": "a", "price": 1}, None, True)
        for key in range(len(GARBAGE))
    ]


def test_a_malformed_context_is_told_and_names_nobody(db: Connection) -> None:
    make(db, ITEM)
    db.execute("select set_config('chronicle.context', '{\"actor_id\": \"ada\", ', true)")
    db.execute("insert into public.item values (1, 'a', 1)")
    assert who(db) == ("installer", "system", "installer", "malformed")


@pytest.mark.parametrize(
    "text",
    ["", "{", "{}", "[]", '{"actor_type": "user"}', '{"actor_id": ""}', '{"actor_id": null}'],
)
def test_a_table_that_asks_for_an_actor_is_not_put_off(db: Connection, text: str) -> None:
    make(db, ITEM, "_require_actor => true")
    db.execute("grant all on public.item to stranger")
    with acting_as(db, "stranger"):
        db.execute("select set_config('chronicle.context', %s, true)", (text,))
        for statement in (
            "insert into public.item values (1, 'a', 1)",
            "truncate public.item",
        ):
            assert sqlstate(db, statement) == "ZC006", statement
    assert rows(db, "select * from chronicle.row_changes") == []
