"""Trusted gateways: what is said of who acts over the session of a login role that is registered is
verified, and over no other."""

from contextlib import suppress
from typing import Any

import psycopg
import pytest
from psycopg import sql

import tokens
from ask import as_superuser, event, events, refusal, rows, run, sqlstate, value, values
from capturing import ITEM, make
from support import Connection, Database, acting_as
from tokens import current, keep, present, state

SAY = "select chronicle.set_context(_actor_id => 'ada', _actor_type => 'user')"

LOG = "select chronicle.log_audit_event(_action_type => 'read', _resource_type => 'page')"

ADA = {"actor_id": "ada", "actor_type": "user"}

VERIFIED = ADA | {"context_state": "verified"}

ASSERTED = ADA | {"context_state": "asserted"}


def claim(connection: Connection, claims: str = '{"sub": "ada", "role": "web"}') -> None:
    """Sets the claims as PostgREST does."""
    connection.execute("select set_config('request.jwt.claims', %s, true)", (claims,))


@pytest.fixture
def gateway(db: Connection) -> Connection:
    """The installer's session, where app is a gateway, and may write to item and play reader_a."""
    make(db, ITEM)
    db.execute("grant all on public.item to app, reader_a, stranger")
    with as_superuser(db):
        db.execute("grant reader_a to app")
    with acting_as(db, "admin"):
        db.execute("select chronicle.add_trusted_gateway('app')")
    return db


# What is believed.


def test_what_a_gateway_says_is_verified(gateway: Connection) -> None:
    with acting_as(gateway, "app"):
        gateway.execute(SAY)
        assert current(gateway) == VERIFIED
        event_id = value(gateway, LOG)
        gateway.execute("insert into public.item values (1, 'a', 1)")
        gateway.execute("update public.item set price = 2")
        gateway.execute("delete from public.item")
        gateway.execute("truncate public.item")
    columns = (*VERIFIED, "db_user")
    told = VERIFIED | {"db_user": "app"}
    assert {name: event(gateway, event_id)[name] for name in columns} == told
    assert events(gateway, "item", *columns) == [told] * 4


def test_the_claims_that_a_gateway_passes_on_are_verified(gateway: Connection) -> None:
    with acting_as(gateway, "app"):
        claim(gateway)
        assert current(gateway) == VERIFIED | {"actor_role": "web"}
        gateway.execute("select chronicle.set_context(_reason => 'Because')")
        assert current(gateway) == VERIFIED | {"actor_role": "web", "reason": "Because"}
        gateway.execute("insert into public.item values (1, 'a', 1)")
    columns = (*VERIFIED, "actor_role", "reason")
    assert events(gateway, "item", *columns) == [
        VERIFIED | {"actor_role": "web", "reason": "Because"}
    ]


def test_nobody_in_particular_is_verified_as_such(gateway: Connection) -> None:
    with acting_as(gateway, "app"):
        claim(gateway, '{"role": "anon"}')
        assert current(gateway) == {
            "actor_type": "anonymous",
            "actor_role": "anon",
            "context_state": "verified",
        }


def test_a_setting_of_a_gateway_is_verified_as_the_function_is(gateway: Connection) -> None:
    """As the hooks of frameworks set it."""
    with acting_as(gateway, "app"):
        keep(gateway, '{"actor_id": "ada", "actor_type": "user"}')
        assert current(gateway) == VERIFIED


def test_the_role_that_a_gateway_plays_does_not_matter(gateway: Connection) -> None:
    """PostgREST logs in as one role and takes another for each request."""
    with acting_as(gateway, "app"):
        gateway.execute("set local role reader_a")
        for _ in range(2):
            claim(gateway)
            assert current(gateway) == VERIFIED | {"actor_role": "web"}
            assert value(gateway, "select chronicle.principal()") == "user:ada"
        gateway.execute("insert into public.item values (1, 'a', 1)")
    columns = (*VERIFIED, "db_user")
    assert events(gateway, "item", *columns) == [VERIFIED | {"db_user": "app"}]


def test_it_ends_with_the_transaction(database: Database) -> None:
    database.connect("admin", autocommit=True).execute(
        "select chronicle.add_trusted_gateway('app')"
    )
    app = database.connect("app")
    app.execute(SAY)
    assert current(app) == VERIFIED
    app.commit()
    assert current(app) == {"actor_type": "system", "actor_id": "app", "context_state": "absent"}


def test_a_gateway_that_says_nothing_is_absent(gateway: Connection) -> None:
    with acting_as(gateway, "app"):
        gateway.execute("insert into public.item values (1, 'a', 1)")
        event_id = value(
            gateway,
            "select chronicle.log_audit_event(_actor_type => 'user', _actor_id => 'ada', "
            "_action_type => 'read', _resource_type => 'page')",
        )
        claim(gateway, "")
        keep(gateway, "")
        assert state(gateway) == "absent"
    assert event(gateway, event_id)["context_state"] == "absent"
    assert events(gateway, "item", "actor_id", "context_state") == [
        {"actor_id": "app", "context_state": "absent"}
    ]


@pytest.mark.parametrize("function", ["log_audit_event", "log_audit_events"])
@pytest.mark.parametrize(
    ("said", "expected"), [("ada", "verified"), ("eve", "asserted"), (None, "verified")]
)
def test_a_call_that_names_another_actor_asserts_it(
    gateway: Connection, function: str, said: str | None, expected: str
) -> None:
    with acting_as(gateway, "app"):
        gateway.execute(SAY)
        if function == "log_audit_event":
            event_id = value(gateway, LOG.replace("(_", "(_actor_id => %s, _"), (said,))
        else:
            event_id = value(
                gateway,
                "select chronicle.log_audit_events(jsonb_build_array(jsonb_build_object("
                "'action_type', 'read', 'resource_type', 'page', 'actor_id', %s::text)))",
                (said,),
            )
    assert event(gateway, event_id)["context_state"] == expected
    assert event(gateway, event_id)["actor_id"] == (said or "ada")


@pytest.mark.parametrize(
    "text",
    [
        *("nonsense", "[]", "7", "{", '{"actor_type": "nonsense"}', '{"ip_address": "x"}'),
        *('{"client_info": []}', '{"context_error": "malformed"}', '{"verified": {}}'),
        *('{"verified": {"actor_id": "ada", "actor_type": "user"}, "seal": ""}', '{"verified": 1}'),
        *('{"verified": null, "seal": null}', '{"reason": "' + "x" * 66_000 + '"}'),
    ],
)
def test_what_is_malformed_stays_so_over_a_gateway(gateway: Connection, text: str) -> None:
    with acting_as(gateway, "app"):
        keep(gateway, text)
        assert state(gateway) == "malformed"
        gateway.execute("insert into public.item values (1, 'a', 1)")
        assert value(gateway, "select current_setting('chronicle.context')") == text
    assert events(gateway, "item", "actor_type", "actor_id", "context_state") == [
        {"actor_type": "system", "actor_id": "app", "context_state": "malformed"}
    ]


def test_malformed_claims_stay_so_over_a_gateway(gateway: Connection) -> None:
    with acting_as(gateway, "app"):
        for claims in ("nonsense", "[]", '"ada"', '{"sub": "\\u0000"}'):
            claim(gateway, claims)
            assert state(gateway) == "malformed"


def test_a_refused_token_is_not_believed_for_the_gateways_sake(gateway: Connection) -> None:
    with acting_as(gateway, "admin"):
        key = tokens.add_key(gateway)
    with acting_as(gateway, "app"):
        claim(gateway)
        assert present(gateway, tokens.Key("first", bytes(32)).token(tokens.ada(gateway))) == (
            "bad_signature"
        )
        assert current(gateway) == {
            "actor_type": "system",
            "actor_id": "app",
            "client_info": {"context_error": "bad_signature"},
            "context_state": "malformed",
        }
        tokens.verify(gateway, key, actor_id="grace")
        assert current(gateway)["actor_id"] == "grace"


def test_a_gateway_satisfies_a_table_that_asks_for_an_actor(gateway: Connection) -> None:
    gateway.execute("select chronicle.enable_tracking('public.item', _require_actor => true)")
    with acting_as(gateway, "app"):
        insert = "insert into public.item values (1, 'a', 1)"
        assert sqlstate(gateway, insert) == "ZC006"
        claim(gateway, "nonsense")
        assert sqlstate(gateway, insert) == "ZC006"
        claim(gateway)
        gateway.execute(insert)


# Who is no gateway.


@pytest.mark.parametrize("role", ["reader_a", "auditor", "installer"])
def test_over_another_session_the_same_is_asserted(gateway: Connection, role: str) -> None:
    with acting_as(gateway, role):
        keep(gateway, '{"actor_id": "ada", "actor_type": "user"}')
        assert current(gateway) == ASSERTED
        keep(gateway, "")
        claim(gateway)
        assert current(gateway) == ASSERTED | {"actor_role": "web"}


def test_who_plays_the_role_of_a_gateway_is_none(gateway: Connection) -> None:
    with as_superuser(gateway):
        gateway.execute("grant app to stranger")
    with acting_as(gateway, "stranger"):
        gateway.execute("set local role app")
        gateway.execute(SAY)
        assert value(gateway, "select current_user") == "app"
        assert current(gateway) == ASSERTED
        gateway.execute("insert into public.item values (1, 'a', 1)")
        gateway.execute("set local role none")
    columns = (*ASSERTED, "db_user")
    assert events(gateway, "item", *columns) == [ASSERTED | {"db_user": "stranger"}]


def test_a_function_of_a_gateway_makes_nobody_one(gateway: Connection) -> None:
    with as_superuser(gateway):
        gateway.execute(
            """
            create function public.as_gateway() returns text language plpgsql security definer
            as $$
            begin
                perform chronicle.set_context(_actor_id => 'ada', _actor_type => 'user');
                insert into public.item values (1, 'a', 1);
                return current_user || ' ' || (chronicle.current_context() ->> 'context_state');
            end
            $$
            """
        )
        gateway.execute("alter function public.as_gateway() owner to app")
    with acting_as(gateway, "stranger"):
        assert value(gateway, "select public.as_gateway()") == "app asserted"
    assert events(gateway, "item", *ASSERTED) == [ASSERTED]


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        *(("session_authorization", "app"), ("role", "app"), ("search_path", "pg_temp, public")),
        *(("chronicle.trusted_gateways", "reader_a"), ("chronicle.session_user", "app")),
        *(("application_name", "app"), ("is_superuser", "on"), ("session_user", "app")),
    ],
)
def test_no_setting_makes_a_gateway(database: Database, setting: str, text: str) -> None:
    """Nor does a function or a table of one's own that is named like ours."""
    with database.connect("admin") as admin:
        admin.execute("select chronicle.add_trusted_gateway('app')")
    reader = database.connect("reader_a")
    for statement in (
        "create temporary table trusted_gateways (role_name text)",
        "insert into trusted_gateways values ('reader_a')",
        "create function pg_temp.is_trusted_gateway() returns boolean language sql "
        "as 'select true'",
        "create function pg_temp.session_user() returns text language sql as $$ select 'app' $$",
    ):
        run(reader, statement)
    with suppress(psycopg.Error), reader.transaction():
        reader.execute("select set_config(%s, %s, true)", (setting, text))
    assert value(reader, "select session_user") == "reader_a"
    keep(reader, '{"actor_id": "ada", "actor_type": "user"}')
    assert current(reader) == ASSERTED


# Adding and removing.


def test_a_gateway_that_is_removed_is_believed_no_longer(database: Database) -> None:
    with database.connect() as owner:
        make(owner, ITEM)
        owner.execute("grant all on public.item to app")
    admin = database.connect("admin", autocommit=True)
    app = database.connect("app")
    for number, (change, expected) in enumerate(
        [
            ("select", "asserted"),
            ("select chronicle.add_trusted_gateway('app')", "verified"),
            ("select chronicle.remove_trusted_gateway('app')", "asserted"),
            ("select chronicle.add_trusted_gateway('app')", "verified"),
        ]
    ):
        run(admin, change)
        # The session has planned all of it before.
        for _ in range(2):
            app.execute(SAY)
            assert state(app) == expected
            app.execute("insert into public.item values (%s, 'a', 1)", (number,))
            app.execute("delete from public.item where id = %s", (number,))
            app.execute("update public.item set price = 1")
            app.commit()
    assert values(
        database.connect("auditor"),
        "select context_state from chronicle.row_changes order by seq",
    ) == [one for one in ("asserted", "verified", "asserted", "verified") for _ in range(4)]


def test_removing_who_is_none_is_refused(gateway: Connection) -> None:
    with acting_as(gateway, "admin"):
        gateway.execute("select chronicle.remove_trusted_gateway('app')")
        for name in ("app", "nonsense", "", None):
            assert (
                sqlstate(gateway, "select chronicle.remove_trusted_gateway(%s)", (name,)) == "P0002"
            )


@pytest.mark.parametrize("name", ["nonsense", "", None, "APP", "app ", "chronicle_app", "app,x"])
def test_only_a_role_that_can_log_in_is_a_gateway(db: Connection, name: str | None) -> None:
    with acting_as(db, "admin"):
        told = refusal(db, "select chronicle.add_trusted_gateway(%s)", (name,))
        assert told.sqlstate == "42704"
        assert told.hint is not None
        assert values(db, "select role_name from chronicle.trusted_gateways") == []


def test_adding_and_removing_are_system_wide_events(gateway: Connection) -> None:
    with acting_as(gateway, "admin"):
        keep(gateway, '{"organization_id": "b"}')
        gateway.execute("select chronicle.add_trusted_gateway('app')")
        gateway.execute("select chronicle.remove_trusted_gateway('app')")
        sqlstate(gateway, "select chronicle.remove_trusted_gateway('app')")
    columns = ("action", "resource_id", "organization_id", "db_user", "origin")
    assert events(gateway, "chronicle.trusted_gateway", *columns) == [
        dict(
            zip(
                columns,
                (f"chronicle.trusted_gateway.{verb}", "app", None, "admin", "logged"),
                strict=True,
            )
        )
        for verb in ("add", "remove")
    ]


@pytest.mark.parametrize("role", ["app", "reader_a", "auditor", "shopkeeper", "stranger"])
def test_only_an_operator_decides_who_is_believed(gateway: Connection, role: str) -> None:
    with acting_as(gateway, role):
        for statement in (
            "select chronicle.add_trusted_gateway('stranger')",
            "select chronicle.add_trusted_gateway(session_user::text)",
            "select chronicle.remove_trusted_gateway('app')",
            "insert into chronicle.trusted_gateways values ('stranger')",
            "delete from chronicle.trusted_gateways",
            "update chronicle.trusted_gateways set role_name = 'stranger'",
            "truncate chronicle.trusted_gateways",
            "create or replace function chronicle.is_trusted_gateway() returns boolean "
            "language sql stable as 'select true'",
            "drop function chronicle.is_trusted_gateway()",
        ):
            assert sqlstate(gateway, statement) == "42501", statement


def test_an_operator_changes_the_list_through_the_functions_only(gateway: Connection) -> None:
    with acting_as(gateway, "admin"):
        for statement in (
            "insert into chronicle.trusted_gateways values ('stranger')",
            "delete from chronicle.trusted_gateways",
            "update chronicle.trusted_gateways set role_name = 'stranger'",
            "truncate chronicle.trusted_gateways",
        ):
            assert sqlstate(gateway, statement) == "42501", statement
        assert values(gateway, "select role_name from chronicle.trusted_gateways") == ["app"]


@pytest.mark.parametrize(
    "name",
    [
        *("o'brien", 'double "quoted"', "back\\slash", "{a,b}", "null", "a,b", "$$", "%L", "%"),
        *("'; drop table chronicle.events; --", "Ünïcode €", " ", "true", "'{app}'", "$1"),
    ],
)
def test_a_gateway_may_have_any_name(db: Connection, name: str) -> None:
    with as_superuser(db):
        db.execute(
            sql.SQL("create role {} login in role chronicle_app").format(sql.Identifier(name))
        )
    with acting_as(db, "admin"):
        db.execute("select chronicle.add_trusted_gateway(%s)", (name,))
        db.execute("select chronicle.add_trusted_gateway('auditor')")
    with acting_as(db, name):
        db.execute(SAY)
        assert current(db) == VERIFIED
    with acting_as(db, "app"):
        db.execute(SAY)
        assert current(db) == ASSERTED
    with acting_as(db, "admin"):
        db.execute("select chronicle.remove_trusted_gateway(%s)", (name,))
    with acting_as(db, name):
        db.execute(SAY)
        assert current(db) == ASSERTED


def test_a_gateway_that_is_renamed_is_none_any_more(db: Connection) -> None:
    """The list goes by name, as everything does that outlives a dump."""
    with as_superuser(db):
        db.execute("create role door login in role chronicle_app")
        with acting_as(db, "admin"):
            db.execute("select chronicle.add_trusted_gateway('door')")
        db.execute("alter role door rename to gate")
    with acting_as(db, "gate"):
        db.execute(SAY)
        assert current(db) == ASSERTED
    with acting_as(db, "admin"):
        assert values(db, "select role_name from chronicle.trusted_gateways") == ["door"]
        db.execute("select chronicle.remove_trusted_gateway('door')")


def test_a_gateway_that_is_dropped_can_be_taken_off_the_list(db: Connection) -> None:
    with as_superuser(db):
        db.execute("create role door login in role chronicle_app")
        with acting_as(db, "admin"):
            db.execute("select chronicle.add_trusted_gateway('door')")
        db.execute("drop role door")
    with acting_as(db, "app"):
        db.execute(SAY)
        assert current(db) == ASSERTED
    with acting_as(db, "admin"):
        db.execute("select chronicle.remove_trusted_gateway('door')")
        assert values(db, "select role_name from chronicle.trusted_gateways") == []


def test_several_gateways_are_believed_and_each_by_itself(db: Connection) -> None:
    with acting_as(db, "admin"):
        for name in ("app", "reader_a", "auditor"):
            db.execute("select chronicle.add_trusted_gateway(%s)", (name,))
        db.execute("select chronicle.remove_trusted_gateway('reader_a')")
    told: dict[str, Any] = {}
    for role in ("app", "reader_a", "auditor", "reader_b"):
        with acting_as(db, role):
            keep(db, '{"actor_id": "ada"}')
            told[role] = state(db)
    assert told == {
        **{"app": "verified", "reader_a": "asserted"},
        **{"auditor": "verified", "reader_b": "asserted"},
    }


def test_two_operators_at_once_leave_a_list_that_is_believed(database: Database) -> None:
    """What events know of the list is what the list says, whoever was first."""
    first, second = (database.connect("admin") for _ in range(2))
    first.execute("select chronicle.add_trusted_gateway('app')")
    second.execute("set lock_timeout = '100ms'")
    assert sqlstate(second, "select chronicle.add_trusted_gateway('auditor')") == "55P03"
    first.commit()
    second.execute("select chronicle.add_trusted_gateway('auditor')")
    second.commit()
    for role in ("app", "auditor"):
        session = database.connect(role)
        keep(session, '{"actor_id": "ada"}')
        assert state(session) == "verified"
    assert rows(first, "select role_name from chronicle.trusted_gateways order by 1") == [
        *(("app",), ("auditor",)),
    ]


def test_a_copy_of_the_schema_alone_believes_nobody(gateway: Connection) -> None:
    """What the function says came along, the list did not."""
    with as_superuser(gateway):
        gateway.execute("alter table chronicle.trusted_gateways disable trigger user")
        gateway.execute("delete from chronicle.trusted_gateways")
    with acting_as(gateway, "app"):
        gateway.execute(SAY)
        assert current(gateway) == ASSERTED
