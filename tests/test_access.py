"""Who sees what, and what each role may not do, tried as that role."""

import hmac
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from ask import as_superuser, event, refusal, rows, run, sqlstate, value, values
from support import Connection, acting_as

READERS = ("reader_a", "reader_b", "root_reader", "auditor")

NOT_READERS = ("app", "admin", "shopkeeper", "stranger")


def log(db: Connection, organization: str | None, **documents: Any) -> Any:
    """Logs an event of an organization as app."""
    with acting_as(db, "app"):
        return value(
            db,
            """
            select chronicle.log_audit_event(
                _organization_id => %s, _actor_type => 'user', _action_type => 'read',
                _resource_type => 'page', _resource_id => %s, _action_meta => %s
            )
            """,
            (organization, f"of {organization}", json.dumps(documents)),
        )


@pytest.fixture
def tenants(db: Connection) -> Connection:
    """The installer's session in a log with events of organizations a and b, logged and captured,
    and system-wide ones; each reader administers what they are named for."""
    db.execute("create table public.orders (id integer primary key, org text, secret text)")
    db.execute("select chronicle.enable_tracking('public.orders', _organization_column => 'org')")
    with acting_as(db, "admin"):
        db.execute("select chronicle.add_administrator('reader_a', 'a')")
        db.execute("select chronicle.add_administrator('reader_b', 'b')")
        db.execute("select chronicle.add_administrator('root_reader')")
    # The second word of each secret is no number: whoever casts it gets an error that quotes it.
    for organization in ("a", "b", None):
        log(db, organization, secret=f"secret-of-{organization}")
    db.execute("insert into public.orders values (1, 'a', 'secret-of-a'), (2, 'b', 'secret-of-b')")
    return db


SEEN: dict[str, set[str | None]] = {
    "reader_a": {"a"},
    "reader_b": {"b"},
    "root_reader": {None},
    "auditor": {"a", "b", None},
}


def seen(db: Connection, query: str = "select organization_id from chronicle.events") -> set[Any]:
    return set(values(db, query))


# What readers see.


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_sees_the_events_of_their_organizations_and_no_others(
    tenants: Connection, reader: str
) -> None:
    everything = rows(tenants, "select * from chronicle.events order by seq")
    assert len(everything) == 9
    place = 8
    assert {each[place] for each in everything} == {"a", "b", None}
    with acting_as(tenants, reader):
        found = rows(tenants, "select * from chronicle.events order by seq")
    assert found == [each for each in everything if each[place] in SEEN[reader]]


@pytest.mark.parametrize("role", NOT_READERS)
def test_who_is_no_reader_reads_nothing(tenants: Connection, role: str) -> None:
    with acting_as(tenants, role):
        for relation in ("events", "row_changes", "events_earlier", "events_default"):
            assert sqlstate(tenants, f"select * from chronicle.{relation}") == "42501"


def test_a_reader_who_administers_nothing_sees_nothing(db: Connection) -> None:
    log(db, "a")
    log(db, None)
    with acting_as(db, "reader_a"):
        assert rows(db, "select * from chronicle.events") == []
        assert rows(db, "select * from chronicle.row_changes") == []
        assert rows(db, "select * from chronicle.administrators") == []


def test_an_administrator_of_several_organizations_sees_them_all(tenants: Connection) -> None:
    with acting_as(tenants, "admin"):
        tenants.execute("select chronicle.add_administrator('reader_a', 'b')")
    with acting_as(tenants, "reader_a"):
        assert seen(tenants) == {"a", "b"}
    with acting_as(tenants, "admin"):
        tenants.execute("select chronicle.add_administrator('reader_a')")
    with acting_as(tenants, "reader_a"):
        assert seen(tenants) == {"a", "b", None}


def test_who_plays_a_role_sees_what_the_role_sees(tenants: Connection) -> None:
    # As behind a pooler, where one login takes the role of each of its clients.
    with as_superuser(tenants):
        for reader in READERS:
            run(tenants, f"set local role {reader}")
            assert seen(tenants) == SEEN[reader]
            tenants.execute("set local role none")


def test_who_ceases_to_be_an_administrator_sees_nothing_from_then_on(tenants: Connection) -> None:
    with acting_as(tenants, "admin"):
        tenants.execute("select chronicle.remove_administrator('reader_a', 'a')")
        tenants.execute("select chronicle.remove_administrator('root_reader')")
    for reader in ("reader_a", "root_reader"):
        with acting_as(tenants, reader):
            assert seen(tenants) == set()


def test_administrators_see_who_they_are_and_nobody_else(tenants: Connection) -> None:
    query = "select principal, organization_id from chronicle.administrators order by 1"
    everybody = [("reader_a", "a"), ("reader_b", "b"), ("root_reader", None)]
    for reader in ("reader_a", "reader_b", "root_reader"):
        with acting_as(tenants, reader):
            assert rows(tenants, query) == [one for one in everybody if one[0] == reader]
    with acting_as(tenants, "admin"):
        assert rows(tenants, query) == everybody
    with acting_as(tenants, "app"):
        assert sqlstate(tenants, query) == "42501"


def test_who_manages_administrators_does_not_see_as_each_of_them(tenants: Connection) -> None:
    with as_superuser(tenants):
        tenants.execute("grant chronicle_admin to reader_a")
    with acting_as(tenants, "reader_a"):
        assert value(tenants, "select count(*) from chronicle.administrators") == 3
        assert seen(tenants) == {"a"}


def test_making_and_removing_administrators_are_system_wide_events(tenants: Connection) -> None:
    with acting_as(tenants, "admin"):
        tenants.execute(
            """select set_config('chronicle.context', '{"organization_id": "b"}', true)"""
        )
        for _ in range(2):
            tenants.execute("select chronicle.add_administrator('reader_b', 'a')")
        tenants.execute("select chronicle.remove_administrator('reader_b', 'a')")
        assert refusal(
            tenants, "select chronicle.remove_administrator('reader_b', 'a')"
        ).sqlstate == ("P0002")
    assert rows(
        tenants,
        """
        select action, action_type, resource_id, details_before, details_after, db_user,
            organization_id
        from chronicle.events where resource_type = 'chronicle.administrator'
        order by seq offset 3
        """,
    ) == [
        (
            *("chronicle.administrator.add", "create", "reader_b"),
            *(None, {"organization_id": "a"}, "admin", None),
        ),
        (
            *("chronicle.administrator.remove", "delete", "reader_b"),
            *({"organization_id": "a"}, None, "admin", None),
        ),
    ]


@pytest.mark.parametrize("arguments", ["null", "''", "'reader_a', ''"])
def test_an_administrator_needs_a_name(db: Connection, arguments: str) -> None:
    with acting_as(db, "admin"):
        refused = refusal(db, f"select chronicle.add_administrator({arguments})")
    assert (refused.sqlstate, refused.message) == (
        "22004",
        "a principal is needed, and no empty organization",
    )


def test_an_application_may_answer_from_its_own_members(tenants: Connection) -> None:
    tenants.execute("create table public.members (login text, company text)")
    tenants.execute("insert into public.members values ('reader_a', 'b'), ('stranger', 'a')")
    tenants.execute("grant select on public.members to chronicle_reader")
    tenants.execute("set local role chronicle_owner")
    tenants.execute(
        """
        create or replace function chronicle.administered_organizations()
        returns text[] language sql stable set search_path = pg_catalog, pg_temp
        as $$
            select array_agg(m.company) from public.members as m
            where m.login = chronicle.principal()
        $$
        """
    )
    tenants.execute("set local role none")
    with acting_as(tenants, "reader_a"):
        assert seen(tenants) == {"b"}
    with acting_as(tenants, "reader_b"):
        assert seen(tenants) == set()


@pytest.mark.parametrize(
    ("setting", "asserted"),
    [
        ("chronicle.context", {"actor_id": "root_reader", "actor_type": "admin"}),
        ("chronicle.context", {"actor_id": "reader_b", "organization_id": "b"}),
        ("chronicle.context", {"actor_id": "auditor", "context_state": "verified"}),
        ("request.jwt.claims", {"sub": "reader_b", "role": "chronicle_auditor"}),
        ("request.jwt.claims", {"sub": "root_reader", "role": "service_role"}),
        ("role", "none"),
    ],
)
def test_what_is_asserted_opens_no_door(tenants: Connection, setting: str, asserted: Any) -> None:
    text = asserted if isinstance(asserted, str) else json.dumps(asserted)
    with acting_as(tenants, "reader_a"):
        tenants.execute("select set_config(%s, %s, true)", (setting, text))
        assert seen(tenants) == {"a"}
        assert value(tenants, "select chronicle.principal()") == "reader_a"
        assert value(tenants, "select chronicle.administered_organizations()") == ["a"]
        assert not value(tenants, "select chronicle.is_super_administrator()")
        assert not value(tenants, "select chronicle.is_auditor()")


# Ways around it.


@pytest.mark.parametrize(
    "query",
    [
        "select organization_id from chronicle.events",
        "select organization_id from chronicle.events tablesample system (100)",
        "select organization_id from chronicle.row_changes",
        "select e.organization_id from chronicle.events as e "
        "right join (values (1)) as o on true where e.event_id is not null",
        "select jsonb_array_elements_text(x.all_of_them) from (select jsonb_agg(organization_id) "
        "as all_of_them from chronicle.events) as x",
    ],
    ids=["table", "sample", "view", "join", "aggregate"],
)
@pytest.mark.parametrize("reader", ["reader_a", "reader_b"])
def test_any_query_shows_the_same_rows(tenants: Connection, reader: str, query: str) -> None:
    with acting_as(tenants, reader):
        assert seen(tenants, query) == SEEN[reader]


@pytest.mark.parametrize("reader", READERS)
def test_the_view_shows_the_captured_events_that_the_table_shows(
    tenants: Connection, reader: str
) -> None:
    with acting_as(tenants, reader):
        assert rows(
            tenants,
            """
            select table_name, record_id, action, new_values, organization_id
            from chronicle.row_changes order by seq
            """,
        ) == [
            ("orders", key, "INSERT", {"id": int(key), "org": org, "secret": "[masked]"}, org)
            for key, org in (("1", "a"), ("2", "b"))
            if org in SEEN[reader]
        ]


def partitions(db: Connection) -> list[str]:
    return values(
        db,
        "select inhrelid::regclass::text from pg_inherits "
        "where inhparent = 'chronicle.events'::regclass order by 1",
    )


@pytest.mark.parametrize("reader", READERS)
def test_no_partition_can_be_read(tenants: Connection, reader: str) -> None:
    with acting_as(tenants, "admin"):
        tenants.execute("select chronicle.ensure_partitions(5)")
    found = partitions(tenants)
    assert len(found) == 8
    with acting_as(tenants, reader):
        for partition in found:
            assert sqlstate(tenants, f"select * from {partition}") == "42501"


@pytest.mark.parametrize("reader", READERS)
def test_a_stray_grant_on_a_partition_shows_nothing(tenants: Connection, reader: str) -> None:
    tenants.execute("set local role chronicle_owner")
    for partition in partitions(tenants):
        run(tenants, f"grant all on {partition} to public")
    tenants.execute("set local role none")
    with acting_as(tenants, reader):
        for partition in partitions(tenants):
            assert rows(tenants, f"select * from {partition}") == []


@pytest.mark.parametrize("maker", ["reader_b", "installer", "auditor"])
def test_a_view_of_somebody_who_sees_more_shows_readers_what_they_see(
    tenants: Connection, maker: str
) -> None:
    with as_superuser(tenants):
        run(tenants, f"create schema views authorization {maker}")
    with acting_as(tenants, maker):
        tenants.execute("grant usage on schema views to public")
        tenants.execute("create view views.all_events as select * from chronicle.events")
        tenants.execute("grant select on views.all_events to public")
    with acting_as(tenants, "reader_a"):
        assert seen(tenants, "select organization_id from views.all_events") == {"a"}
    # Who is no reader cannot even ask whose events they may see.
    for outsider in NOT_READERS:
        with acting_as(tenants, outsider):
            assert sqlstate(tenants, "select * from views.all_events") == "42501"


def test_the_owner_of_the_log_and_their_functions_and_views_see_nothing(
    tenants: Connection,
) -> None:
    tenants.execute("set local role chronicle_owner")
    assert rows(tenants, "select * from chronicle.events") == []
    tenants.execute("create view chronicle.owners_view as select * from chronicle.events")
    tenants.execute("grant select on chronicle.owners_view to chronicle_reader")
    tenants.execute(
        """
        create function chronicle.owners_function() returns setof chronicle.events
        language sql security definer set search_path = pg_catalog, pg_temp
        as 'select * from chronicle.events'
        """
    )
    tenants.execute("set local role none")
    with acting_as(tenants, "reader_a"):
        assert rows(tenants, "select * from chronicle.owners_view") == []
        assert rows(tenants, "select * from chronicle.owners_function()") == []


@pytest.fixture
def notices(db: Connection) -> Iterator[list[str]]:
    """What the server says beside its answers."""
    heard: list[str] = []

    def hear(diagnostic: Any) -> None:
        heard.append(str(diagnostic.message_primary))

    db.add_notice_handler(hear)
    yield heard
    db.remove_notice_handler(hear)


@pytest.mark.parametrize("relation", ["chronicle.events", "chronicle.row_changes"])
def test_a_cheap_function_that_tells_what_it_sees_sees_no_more(
    tenants: Connection, notices: list[str], relation: str
) -> None:
    with acting_as(tenants, "reader_a"):
        tenants.execute(
            """
            create function pg_temp.tell(_seen text) returns boolean
            language plpgsql immutable cost 0.0000001
            as $$ begin raise notice 'saw %', _seen; return true; end $$
            """
        )
        tenants.execute(
            """
            create function pg_temp.tells_less(_one text, _other text) returns boolean
            language plpgsql immutable cost 0.0000001
            as $$ begin raise notice 'saw %', _one; return true; end $$
            """
        )
        tenants.execute(
            "create operator pg_temp.<<< "
            "(leftarg = text, rightarg = text, function = pg_temp.tells_less)"
        )
        run(tenants, f"select from {relation} as e where pg_temp.tell(e::text)")
        run(tenants, f"select from {relation} as e where e::text operator(pg_temp.<<<) 'x'")
        run(
            tenants,
            f"select from {relation} as e where e.organization_id = 'b' and pg_temp.tell(e::text)",
        )
        run(
            tenants,
            f"select max(e.organization_id) filter (where pg_temp.tell(e::text)) "
            f"from {relation} as e",
        )
    assert notices
    assert [each for each in notices if "of b" in each or "secret-of-b" in each] == []


@pytest.mark.parametrize(
    "condition",
    [
        "1 / (case when organization_id = 'a' then 1 else 0 end) = 1",
        "(case when organization_id = 'a' then '1' else action_meta::text end)::integer = 1",
        "(case when organization_id = 'a' then '1' else details_after::text end)::date is null",
        "jsonb_path_exists(action_meta, (case when organization_id = 'a' then '$' "
        "else details_after::text end)::jsonpath)",
    ],
)
def test_an_error_tells_nothing_of_hidden_events(tenants: Connection, condition: str) -> None:
    with acting_as(tenants, "reader_a"):
        visible_error = "::date" in condition
        statement = f"select * from chronicle.events where {condition}"
        if visible_error:
            # It is 1 that is no date: the reader's own row.
            assert refusal(tenants, statement).message == (
                'invalid input syntax for type date: "1"'
            )
        else:
            run(tenants, statement)
    # The same with rights to see the rest fails, or these conditions prove nothing.
    with acting_as(tenants, "auditor"):
        assert refusal(tenants, statement).sqlstate


def test_explain_shows_no_values(tenants: Connection) -> None:
    with as_superuser(tenants):
        tenants.execute("analyze chronicle.events")
    with acting_as(tenants, "reader_a"):
        plan = "\n".join(
            values(
                tenants,
                """
                explain (analyze, verbose, costs off, timing off, summary off)
                select * from chronicle.events as e inner join chronicle.row_changes as r
                on r.record_id = e.resource_id or e.action_meta ->> 'secret' > ''
                """,
            )
        )
    assert "rows=" in plan
    assert "secret-of" not in plan
    assert "of b" not in plan


def test_statistics_are_hidden(tenants: Connection) -> None:
    with as_superuser(tenants):
        tenants.execute("analyze chronicle.events")
        assert value(
            tenants,
            "select count(*) from pg_stats "
            "where schemaname = 'chronicle' and tablename ^@ 'events'",
        )
    for role in (*READERS, *NOT_READERS):
        with acting_as(tenants, role):
            assert (
                rows(
                    tenants,
                    """
                select tablename, attname, most_common_vals::text, histogram_bounds::text
                from pg_stats where schemaname = 'chronicle' and tablename ^@ 'events'
                """,
                )
                == []
            )


@pytest.mark.parametrize(
    "source", ["chronicle.events", "(select * from chronicle.events)", "(table chronicle.events)"]
)
def test_copy_shows_the_same_rows(tenants: Connection, source: str) -> None:
    statement = f"copy {source} to stdout".encode()
    with (
        acting_as(tenants, "reader_a"),
        tenants.cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        text = b"".join(bytes(chunk) for chunk in copy).decode()
    # Of a table with row-level security COPY takes what is in the parent alone: nothing.
    assert len(text.splitlines()) == (0 if source == "chronicle.events" else 2)
    assert "of b" not in text
    assert "secret-of-b" not in text


def test_a_cursor_shows_what_the_role_that_opened_it_saw(tenants: Connection) -> None:
    with acting_as(tenants, "reader_a"):
        tenants.execute("declare c scroll cursor for select organization_id from chronicle.events")
        assert seen(tenants, "fetch all from c") == {"a"}
        assert seen(tenants, "fetch backward all from c") == {"a"}
        tenants.execute("close c")


def test_a_plan_is_made_anew_for_another_role(tenants: Connection) -> None:
    tenants.execute("prepare look as select organization_id from chronicle.events")
    for reader in (*READERS, *reversed(READERS)):
        with acting_as(tenants, reader):
            for _ in range(7):
                assert seen(tenants, "execute look") == SEEN[reader]
    tenants.execute("deallocate look")


@pytest.mark.parametrize("role", [*READERS, *NOT_READERS, "installer"])
def test_nobody_turns_row_security_off(tenants: Connection, role: str) -> None:
    with acting_as(tenants, role):
        tenants.execute("set local row_security = off")
        assert sqlstate(tenants, "select * from chronicle.events") == "42501"
        tenants.execute("set local row_security = on")


def test_the_owner_does_not_turn_row_security_off_either(tenants: Connection) -> None:
    tenants.execute("set local role chronicle_owner")
    tenants.execute("set local row_security = off")
    assert sqlstate(tenants, "select * from chronicle.events") == "42501"


@pytest.mark.parametrize("role", [*READERS, *NOT_READERS])
def test_nobody_becomes_somebody_else(tenants: Connection, role: str) -> None:
    own = {"auditor": {"chronicle_auditor", "chronicle_reader"}}
    mine = own.get(role, {f"chronicle_{'reader' if 'reader' in role else role}"})
    others = values(
        tenants,
        """
        select rolname from pg_roles
        where rolname ^@ 'chronicle_' or rolname in ('installer', 'auditor', 'reader_b', 'app')
            or rolsuper or rolname = 'pg_read_all_data'
        """,
    )
    with acting_as(tenants, role):
        for other in others:
            if other in mine or other == role:
                continue
            assert sqlstate(tenants, f'set role "{other}"') == "42501", other


def test_a_tenants_query_uses_the_index_of_tenant_and_time(tenants: Connection) -> None:
    with as_superuser(tenants):
        tenants.execute(
            """
            insert into chronicle.events (
                organization_id, actor_type, context_state, origin, action_type, action,
                resource_type, resource_id
            )
            select
                'org-' || n % 500, 'user', 'absent', 'logged', 'read', 'page.read', 'page', n::text
            from generate_series(1, 20000) as n
            """
        )
        tenants.execute("analyze chronicle.events")
        present = value(
            tenants,
            "select distinct tableoid::regclass::text from chronicle.events "
            "where resource_type = 'page' and organization_id = 'org-7'",
        ).removeprefix("chronicle.")
    with acting_as(tenants, "admin"):
        tenants.execute("select chronicle.add_administrator('reader_a', 'org-7')")
    with acting_as(tenants, "reader_a"):
        query = """
            select occurred_at, action from chronicle.events
            where organization_id = 'org-7' and occurred_at > now() - interval '1 day'
            order by occurred_at desc limit 100
        """
        assert len(rows(tenants, query)) == 40
        plan = "\n".join(values(tenants, "explain (costs off)" + query))
    assert re.search(rf"(using|on) {present}_organization_id_occurred_at_idx\b", plan)
    assert "Index Cond: ((organization_id = 'org-7'::text) AND (occurred_at > " in plan
    assert f"Seq Scan on {present}" not in plan


# What nobody does.

TRIES = [
    "insert into {table} select * from {table} limit 0",
    "insert into {table} default values",
    "update {table} set actor_id = 'x'",
    "update {table} set actor_id = 'x' where false",
    "delete from {table}",
    "delete from {table} where false",
    "truncate {table}",
    "select * from {table} for update",
    "select * from {table} for key share",
    "lock table {table} in row exclusive mode",
    "lock table {table}",
    "copy {table} from stdin",
    "alter table {table} disable trigger all",
    "alter table {table} disable trigger events_reject_change",
    "alter table {table} disable row level security",
    "alter table {table} no force row level security",
    "alter table {table} add column x integer",
    "alter table {table} alter column actor_id type integer using 1",
    "alter table {table} owner to current_user",
    "alter table {table} rename to x",
    "alter table {table} set schema playground",
    "drop table {table}",
    "drop table {table} cascade",
    "drop trigger events_reject_change on {table}",
    "create trigger t before insert on {table} for each row execute function "
    "suppress_redundant_updates_trigger()",
    "create rule r as on insert to {table} do instead nothing",
    "create policy p on {table} for select using (true)",
    "create index on {table} (actor_id)",
    "comment on table {table} is 'x'",
    "create table playground.t (i uuid, t timestamptz, foreign key (i, t) references {table})",
]

ON_PARENT_ONLY = [
    "insert into {table} (event_id, occurred_at, actor_type, context_state, origin, action_type, "
    "action, resource_type) values (gen_random_uuid(), now(), 'user', 'verified', 'captured', "
    "'read', 'x', 'x') on conflict (event_id, occurred_at) do update set actor_id = 'x'",
    "insert into {table} default values on conflict do nothing",
    "alter table {table} detach partition chronicle.events_default",
    "create table chronicle.more partition of {table} for values from ('2999-01-01') to "
    "('2999-02-01')",
    "alter policy events_auditor_reads on {table} using (true)",
    "drop policy events_auditor_reads on {table}",
]

MERGES = [
    "merge into {table} as e using (select 1) as s on true when matched then delete",
    "merge into {table} as e using (select 1) as s on true when matched then "
    "update set actor_id = 'x'",
    "merge into {table} as e using (select 1) as s on false when not matched then "
    "insert (actor_type) values ('user')",
]


@pytest.mark.parametrize("role", [*READERS, *NOT_READERS])
def test_nobody_touches_the_log(tenants: Connection, role: str, server_version: int) -> None:
    before = rows(tenants, "select * from chronicle.events order by seq")
    tables = ["chronicle.events", *partitions(tenants)]
    merges = MERGES if server_version >= 150000 else []
    tenants.execute("create schema playground")
    tenants.execute("grant all on schema playground to public")
    with acting_as(tenants, role):
        for table in tables:
            more = ON_PARENT_ONLY if table == "chronicle.events" else []
            for statement in [*TRIES, *more, *merges]:
                attempt = statement.format(table=table)
                assert sqlstate(tenants, attempt) == "42501", attempt
    assert rows(tenants, "select * from chronicle.events order by seq") == before


@pytest.mark.parametrize("role", [*READERS, *NOT_READERS])
@pytest.mark.parametrize(
    "table",
    [
        *("event_keys", "settings", "resource_types", "actions"),
        *("administrators", "table_registry", "tracking_periods", "snapshots", "imports"),
    ],
)
def test_nobody_touches_what_the_log_stands_on(db: Connection, role: str, table: str) -> None:
    with acting_as(db, role):
        for statement in (
            "insert into chronicle.{table} default values",
            "insert into chronicle.{table} default values on conflict do nothing",
            "update chronicle.{table} set {column} = {column}",
            "delete from chronicle.{table}",
            "truncate chronicle.{table}",
            "select * from chronicle.{table} for update",
            "lock table chronicle.{table} in row exclusive mode",
            "alter table chronicle.{table} disable trigger all",
            "drop table chronicle.{table}",
            "create policy p on chronicle.{table} using (true)",
        ):
            column = {
                "event_keys": "event_id",
                "administrators": "principal",
                "table_registry": "table_name",
                "tracking_periods": "table_id",
                "snapshots": "last_key",
                "imports": "source",
            }.get(table, "name")
            attempt = statement.format(table=table, column=column)
            assert sqlstate(db, attempt) == "42501", attempt


FUNCTION_OWNERS = (
    *("chronicle_writer", "chronicle_sealer", "chronicle_table_reader", "chronicle_verifier"),
)


@pytest.mark.parametrize("role", [*READERS, *NOT_READERS, *FUNCTION_OWNERS])
def test_nobody_makes_anything_in_our_schemas(db: Connection, role: str) -> None:
    with as_superuser(db):
        run(db, f"set local role {role}")
        for schema in ("chronicle", "chronicle_capture"):
            makes_functions = role in ("chronicle_writer", "chronicle_table_reader")
            if makes_functions and schema == "chronicle_capture":
                continue
            for statement in (
                "create table {}.t (i integer)",
                "create view {}.v as select 1",
                "create function {}.f() returns integer language sql as 'select 1'",
                "create type {}.e as enum ()",
                "create operator {}.<<< (rightarg = integer, function = int4um)",
            ):
                assert sqlstate(db, statement.format(schema)) == "42501"
            assert sqlstate(db, f"drop schema {schema} cascade") == "42501"


# Immutability, as those who could.


def later(db: Connection) -> list[str]:
    """The log and all its partitions, made later ones among them."""
    with acting_as(db, "admin"):
        made = values(db, "select chronicle.ensure_partitions(5)")
    assert made
    return ["chronicle.events", *partitions(db)]


CHANGES = [
    "update {table} set actor_id = 'x'",
    "update {table} set actor_id = 'x' where false",
    "update {table} set occurred_at = occurred_at - interval '2 months'",
    "delete from {table}",
    "delete from {table} where false",
    "truncate {table}",
    "with gone as (delete from {table} returning *) select * from gone",
    "insert into {table} (event_id, occurred_at, actor_type, context_state, origin, action_type, "
    "action, resource_type) select event_id, occurred_at, actor_type, context_state, origin, "
    "action_type, action, resource_type from chronicle.events "
    "on conflict (event_id, occurred_at) do update set actor_id = 'x'",
]


@pytest.mark.parametrize("mode", ["origin", "replica", "local"])
@pytest.mark.parametrize("role", ["a superuser", "chronicle_owner"])
def test_the_log_is_append_only_for_its_owner_and_a_superuser_too(
    tenants: Connection, role: str, mode: str, server_version: int
) -> None:
    tables = later(tenants)
    before = rows(tenants, "select * from chronicle.events order by seq")
    with as_superuser(tenants):
        run(tenants, f"set local session_replication_role = {mode}")
        if role != "a superuser":
            run(tenants, f"set local role {role}")
        for table in tables:
            for statement in [*CHANGES, *(MERGES[:2] if server_version >= 150000 else [])]:
                attempt = statement.format(table=table)
                refused = refusal(tenants, attempt)
                assert refused.sqlstate == "ZC003", attempt
                assert refused.message.endswith(" is refused")
                assert refused.hint == (
                    "To correct an event, log another one with _parent_event_id set to its id."
                )
        tenants.execute("set local role none")
        tenants.execute("set local session_replication_role = origin")
    assert rows(tenants, "select * from chronicle.events order by seq") == before


@pytest.mark.parametrize("mode", ["origin", "replica"])
def test_claimed_ids_are_append_only_too(db: Connection, mode: str) -> None:
    with as_superuser(db):
        run(db, f"set local session_replication_role = {mode}")
        for statement in (
            "update chronicle.event_keys set event_id = gen_random_uuid()",
            "delete from chronicle.event_keys",
            "truncate chronicle.event_keys",
            "insert into chronicle.event_keys values (gen_random_uuid(), sha256('')) "
            "on conflict (event_id) do update set content_digest = ''",
        ):
            assert sqlstate(db, statement) == "ZC003"
        db.execute("set local session_replication_role = origin")


def test_the_installer_is_refused_as_long_as_they_are_not_the_owner(
    tenants: Connection, server_version: int
) -> None:
    # Before version 16 a membership always lends its rights.
    expected = "42501" if server_version >= 160000 else "ZC003"
    for table in later(tenants):
        for statement in CHANGES:
            assert sqlstate(tenants, statement.format(table=table)) == expected


@pytest.mark.parametrize("role", FUNCTION_OWNERS)
def test_who_owns_the_functions_cannot_change_the_log(tenants: Connection, role: str) -> None:
    tables = later(tenants)
    run(tenants, f"set local role {role}")
    for table in tables:
        for statement in CHANGES:
            assert sqlstate(tenants, statement.format(table=table)) == "42501"
    tenants.execute("set local role none")


def test_the_writer_writes_but_reads_nothing(tenants: Connection) -> None:
    tenants.execute("set local role chronicle_writer")
    assert sqlstate(tenants, "select * from chronicle.events") == "42501"
    assert sqlstate(
        tenants,
        """
        insert into chronicle.events (
            actor_type, context_state, origin, action_type, action, resource_type
        ) values ('user', 'absent', 'logged', 'read', 'x', 'x') returning action
        """,
    ) == ("42501")
    tenants.execute("set local role none")


def test_who_reads_tables_neither_reads_nor_writes_the_log(tenants: Connection) -> None:
    tenants.execute("set local role chronicle_table_reader")
    for statement in (
        "select * from chronicle.events",
        "select * from chronicle.row_changes",
        "insert into chronicle.events default values",
        "select chronicle.log_audit_event(_actor_type => 'user', _action_type => 'read', "
        "_resource_type => 'page')",
    ):
        assert sqlstate(tenants, statement) == "42501", statement
    tenants.execute("set local role none")


def test_the_owner_cannot_insert(tenants: Connection) -> None:
    tables = later(tenants)
    tenants.execute("set local role chronicle_owner")
    for table in tables:
        refused = refusal(
            tenants,
            f"""
            insert into {table} (
                occurred_at, actor_type, context_state, origin, action_type, action, resource_type
            ) values ('1999-01-01', 'user', 'verified', 'logged', 'read', 'x', 'x')
            """,
        )
        assert (refused.sqlstate, "row-level security" in refused.message) == ("42501", True)
    tenants.execute("set local role none")


def test_taking_a_guard_off_takes_the_owner_and_is_not_prevented(
    tenants: Connection, server_version: int
) -> None:
    """What only seals will show: an owner can remove each guard. Nobody can by accident."""
    take_off = "alter table chronicle.events disable trigger events_reject_change"
    if server_version >= 160000:
        assert sqlstate(tenants, take_off) == "42501"
    with tenants.transaction(force_rollback=True):
        tenants.execute("set local role chronicle_owner")
        run(tenants, take_off)
        for partition in partitions(tenants):
            # Each partition has guards of its own.
            assert sqlstate(tenants, f"truncate {partition}") == "ZC003"
            run(tenants, f"alter table {partition} disable trigger events_reject_change")
        # Row-level security hides every row from the owner, but not from truncate.
        assert tenants.execute("delete from chronicle.events").rowcount == 0
        tenants.execute("truncate chronicle.events")


@pytest.mark.parametrize("role", [*READERS, *NOT_READERS, "installer"])
def test_only_a_superuser_leaves_ordinary_triggers_out(db: Connection, role: str) -> None:
    with acting_as(db, role):
        assert sqlstate(db, "set session_replication_role = replica") == "42501"


# Functions.

FUNCTIONS = {
    "app": {
        *("carry_out_undo", "changed_keys", "changes", "clear_context", "context_challenge"),
        *("current_context", "is_context_sealed", "is_trusted_gateway", "log_audit_event"),
        *("log_audit_events", "mask_keys", "masked_key", "masked_key_start", "record_event_set"),
        *("record_revert", "resolve_context", "set_context", "set_parent_event"),
        *("set_signed_context", "similar_names"),
    },
    "reader_a": {
        *("administered_organizations", "are_record_events_hidden", "are_table_events_hidden"),
        *("are_transaction_events_hidden", "as_of_query", "canonical_key", "capture_columns"),
        *("capture_gaps", "changed_keys", "changes", "check_cascades", "check_changes_are_known"),
        *("check_key_is_immediate", "check_time_is_known", "clear_context", "column_periods"),
        *("context_challenge", "current_context", "current_epoch", "epoch_of", "event_cursor"),
        *("events_since", "fitted_id", "has_capture_triggers", "has_departures", "has_key"),
        *("has_options", "has_shape", "identified_columns", "is_auditor", "is_context_sealed"),
        *("is_interrupted", "is_known_by_oid", "is_super_administrator", "is_trusted_gateway"),
        *("key_expression", "known_table_id", "later_change", "live_image", "live_row_query"),
        *("mask_keys", "masked_key", "masked_key_start", "merge_images", "net_changes"),
        *("object_expression", "options_digest", "partition_names", "period_of_event"),
        *("plan_event_undo", "plan_transaction_undo", "planned_undo", "present_image"),
        *("present_options", "primary_key_columns", "principal", "ranked_steps", "rebuilt_line"),
        *("record_as_of", "record_condition", "record_events", "record_history", "record_lines"),
        *("refuse_conflict", "refuse_hidden_events", "refuse_incomplete", "refuse_untracked"),
        *("renamed_columns", "resolve_context", "revert_event", "revert_transaction", "rows_as_of"),
        *("runs_foreign_code", "set_context", "set_signed_context", "stream_head", "table_of"),
        *("table_shape", "table_with_history", "tracked_relation", "tracked_table_id"),
        *("tracking_options", "translate_image", "typed_columns", "typed_image"),
        *("uncovered_partitions", "undo_statement", "undo_steps", "without_changed"),
        *("checkpoint", "consistency_proof", "event_fields", "event_leaf"),
        *(
            "inclusion_proof",
            "is_departure_erased",
            "microseconds",
            "payload_digest",
            "payload_fields",
            "sealed_place",
        ),
        "without_retyped",
    },
    "admin": {
        *("add_administrator", "add_context_key", "add_trusted_gateway", "begin_import"),
        *("capture_columns", "capture_gaps", "check_can_be_read_whole", "check_import"),
        *("check_owns_table", "check_trackable", "confirm_row_capture", "confirm_truncate_capture"),
        *("create_capture_functions", "create_truncate_function", "disable_tracking"),
        *("enable_tracking", "ensure_partitions", "fitted_id", "has_capture_triggers", "has_key"),
        *("has_options", "has_shape", "import_events", "is_captured_whole", "is_context_sealed"),
        *("is_known_by_oid", "is_trusted_gateway", "key_expression", "key_order", "known_table_id"),
        *("mask_keys", "masked_key", "masked_key_start", "object_expression", "options_digest"),
        *("partition_names", "place_capture_triggers", "present_options", "primary_key_columns"),
        *("principal", "record_imported_events", "record_snapshot_rows", "refresh_tracking"),
        *("refuse_untracked", "register_action", "register_resource_type"),
        *("register_tracked_table", "remove_administrator", "remove_trusted_gateway"),
        *("renamed_columns", "resolve_context", "retire_context_key", "retire_tracked_table"),
        *("runs_foreign_code", "set_setting", "share_rows", "similar_names", "snapshot_query"),
        *("snapshot_table", "table_shape", "tracked_relation", "tracked_table_id"),
        *("begin_epoch", "checkpoint", "consistency_proof", "enable_erasure", "erase_payload"),
        *("erase_subject", "seal_events", "sealing_state"),
        *("tracking_options", "uncovered_partitions"),
    },
    "stranger": set[str](),
    "shopkeeper": set[str](),
}
"""All that each of these may execute."""

FUNCTIONS["root_reader"] = FUNCTIONS["reader_b"] = FUNCTIONS["reader_a"]
# It tells of events whether or not they are hidden from others.
FUNCTIONS["auditor"] = FUNCTIONS["reader_a"] | {
    *("batch_record", "departures", "iso_day", "merkle_parents", "merkle_path", "merkle_root"),
    *("sealing_state", "verify_log"),
}


@pytest.mark.parametrize("role", FUNCTIONS)
def test_each_role_executes_exactly_its_functions(db: Connection, role: str) -> None:
    db.execute("create table public.item (id integer primary key)")
    db.execute("select chronicle.enable_tracking('public.item')")
    functions = rows(
        db,
        """
        select p.oid, p.proname, p.oid::regprocedure::text, p.pronamespace::regnamespace::text,
            (
                select string_agg(
                    'null::' || case when t.oid::regtype::text ^@ 'any' then 'text'
                        else t.oid::regtype::text end, ', ' order by t.place
                )
                from unnest(p.proargtypes) with ordinality as t (oid, place)
            ),
            p.proisstrict
        from pg_proc as p
        where p.pronamespace::regnamespace::text in ('chronicle', 'chronicle_capture')
        """,
    )
    allowed = values(
        db,
        """
        select p.proname from pg_proc as p
        where p.oid = any(%s) and has_function_privilege(%s, p.oid, 'execute')
            and has_schema_privilege(%s, p.pronamespace, 'usage')
        """,
        ([oid for oid, *_ in functions], role, role),
    )
    assert set(allowed) == FUNCTIONS[role]
    with acting_as(db, role):
        for _, name, signature, schema, nulls, is_strict in functions:
            # Of a strict function and a null the planner makes a null, without asking.
            if name not in FUNCTIONS[role] and not is_strict:
                call = f"select {schema}.{name}({nulls or ''})"
                assert sqlstate(db, call) == "42501", signature


@pytest.mark.parametrize("role", [*READERS, *NOT_READERS])
def test_nobody_attaches_our_trigger_functions_to_a_table(db: Connection, role: str) -> None:
    db.execute("create table public.item (id integer primary key)")
    db.execute("select chronicle.enable_tracking('public.item')")
    functions = values(
        db,
        """
        select p.oid::regprocedure::text from pg_proc as p
        where p.prorettype = 'trigger'::regtype
            and p.pronamespace::regnamespace::text in ('chronicle', 'chronicle_capture')
        """,
    )
    assert len(functions) == 8
    with acting_as(db, role):
        db.execute("create temp table mine (id integer)")
        for function in functions:
            attach = (
                f"create trigger t after insert on mine for each row execute function {function}"
            )
            assert sqlstate(db, attach) == "42501"


def test_an_administrator_has_no_hand_in_tables_of_others(db: Connection) -> None:
    """Each function that enable_tracking calls is one that an administrator may call."""
    db.execute("create table public.orders (id integer primary key, total integer)")
    db.execute("select chronicle.enable_tracking('public.orders')")
    table_id = value(db, "select table_id from chronicle.tracked_tables")
    oid = value(db, "select 'public.orders'::regclass::oid")
    before = rows(db, "select * from chronicle.table_registry")
    lie = (
        '(select jsonb_populate_record(r, \'{"resource_type": "lie", "truncate": "event", '
        '"excluded_columns": ["total"]}\') from chronicle.table_registry as r)'
    )
    with acting_as(db, "admin"):
        db.execute("create temp table orders (id integer primary key, other text)")
        db.execute("grant all on orders to chronicle_writer")
        for statement in (
            "select chronicle.enable_tracking('public.orders')",
            "select chronicle.disable_tracking('public.orders')",
            f"select chronicle.create_capture_functions('public.orders', {table_id})",
            f"select chronicle.create_capture_functions('pg_temp.orders', {table_id})",
            f"select chronicle.create_capture_functions({oid}, {table_id})",
            f"select chronicle.create_truncate_function('public.orders', {table_id})",
            f"select chronicle.create_truncate_function('pg_temp.orders', {table_id})",
            f"select chronicle.create_truncate_function({oid}, {table_id})",
            f"select chronicle.register_tracked_table({oid}, null)",
            f"select chronicle.register_tracked_table({oid}, {lie})",
            "select chronicle.register_tracked_table('pg_temp.orders', null)",
            f"select chronicle.register_tracked_table('pg_temp.orders', {lie})",
            f"select chronicle.place_capture_triggers({oid}, {table_id})",
            f"select chronicle.place_capture_triggers('pg_temp.orders', {table_id})",
            f"select chronicle.share_rows({oid}, false)",
            f"select chronicle.snapshot_table({oid})",
            f"select chronicle.record_snapshot_rows({oid}, '{{1}}', '{{a}}', "
            "array['{\"id\": 1}']::jsonb[], null, true)",
            "select chronicle.record_snapshot_rows('pg_temp.orders', '{1}', '{a}', "
            "array['{\"id\": 1}']::jsonb[], null, true)",
            f"select chronicle.retire_tracked_table({table_id})",
            "select chronicle.retire_tracked_table(999)",
        ):
            assert sqlstate(db, statement) in ("42501", "42809", "2BP01", "ZC005", "55000")
        # They do nothing but check and close.
        db.execute("select chronicle.confirm_row_capture(%s, %s)", (oid, table_id))
        db.execute("select chronicle.confirm_truncate_capture(%s, %s)", (oid, table_id))
        # Nor does this, where nothing has changed.
        assert rows(db, "select * from chronicle.refresh_tracking()") == [
            ("public.orders", "unchanged")
        ]
    assert rows(db, "select * from chronicle.table_registry") == before
    assert set(
        values(
            db,
            "select proacl::text from pg_proc "
            "where pronamespace = 'chronicle_capture'::regnamespace",
        )
    ) == {"{}"}
    db.execute("insert into public.orders values (1, 1)")
    db.execute("update public.orders set total = 2")
    db.execute("truncate public.orders")
    assert rows(db, "select old_values, new_values from chronicle.row_changes order by seq") == [
        (None, {"id": 1, "total": 1}),
        ({"total": 1}, {"total": 2}),
        ({"id": 1, "total": 2}, None),
        (None, None),
    ]


def test_an_owner_speaks_for_their_own_table_only(db: Connection) -> None:
    """An administrator who owns a table may pass its consent, but not for another's record."""
    db.execute("create table public.orders (id integer primary key, total integer)")
    db.execute("select chronicle.enable_tracking('public.orders')")
    table_id = value(db, "select table_id from chronicle.tracked_tables")
    with as_superuser(db):
        db.execute("create schema admins authorization admin")
    with acting_as(db, "admin"):
        db.execute("create table admins.orders (id integer primary key, other text)")
        db.execute("grant trigger on admins.orders to chronicle_writer")
        for function in (
            *("create_capture_functions", "create_truncate_function"),
            *("confirm_row_capture", "confirm_truncate_capture"),
        ):
            forge = f"select chronicle.{function}('admins.orders', {table_id})"
            assert sqlstate(db, forge) == "55000", forge


# Who logged in.


def test_the_role_that_logged_in_is_recorded_whatever_role_is_played(db: Connection) -> None:
    db.execute(
        """
        create function public.log_for_others() returns uuid
        language sql security definer as $$
            select chronicle.log_audit_event(
                _actor_type => 'user', _action_type => 'read', _resource_type => 'page'
            )
        $$
        """
    )
    statement = (
        "select chronicle.log_audit_event("
        "_actor_type => 'user', _action_type => 'read', _resource_type => 'page')"
    )
    with acting_as(db, "app"):
        ids = [value(db, "select public.log_for_others()")]
        db.execute("set local role chronicle_app")
        ids.append(value(db, statement))
        db.execute("set local role none")
        db.execute("set local application_name = 'postgres'")
        ids.append(value(db, statement))
    with acting_as(db, "stranger"):
        ids.append(value(db, "select public.log_for_others()"))
    assert [event(db, each)["db_user"] for each in ids] == ["app", "app", "app", "stranger"]


# Names are not shadowed.

DIVERSIONS = (
    *("events", "event_keys", "settings", "resource_types", "actions"),
    *("administrators", "table_registry", "tracking_periods", "snapshots", "imports"),
)
"""Tables of ours, and so names that a temporary table may bear."""

SHADOWS = """
    create schema hostile;
    grant usage on schema hostile to public;

    create function hostile.hijack() returns integer language plpgsql as $$
    begin
        raise exception 'hijacked, running as %', current_user using errcode = 'XX999';
    end
    $$;

    -- Whatever takes these arguments exactly is preferred to a function that takes any.
    create function hostile.format(text, text) returns text language sql
    as 'select hostile.hijack()::text';
    create function hostile.format(text, anyelement) returns text language sql
    as 'select hostile.hijack()::text';
    create function hostile.concat(text, text) returns text language sql
    as 'select hostile.hijack()::text';
    create function hostile.jsonb_build_object(text, text) returns jsonb language sql
    as 'select hostile.hijack()::text::jsonb';
    create function hostile.jsonb_build_object(text, anyelement) returns jsonb language sql
    as 'select hostile.hijack()::text::jsonb';
    create function hostile.to_jsonb(anyelement) returns jsonb language sql
    as 'select hostile.hijack()::text::jsonb';

    do $$
    declare
        v_one record;
    begin
        for v_one in
            select p.proname as name, pg_get_function_identity_arguments(p.oid) as arguments
            from pg_proc as p
            where p.pronamespace = 'pg_catalog'::regnamespace
                and p.prokind = 'f'
                and p.proargmodes is null
                and not exists (
                    select from unnest(p.proargtypes) as a (type_id)
                    inner join pg_type as t on t.oid = a.type_id
                    where t.typtype = 'p'
                )
        loop
            execute format(
                'create or replace function hostile.%I(%s) returns integer language plpgsql as %L',
                v_one.name, v_one.arguments, 'begin return hostile.hijack(); end'
            );
        end loop;

        for v_one in
            select o.oprname as name, o.oprleft::regtype as one, o.oprright::regtype as other
            from pg_operator as o
            inner join pg_type as l on l.oid = o.oprleft and l.typtype <> 'p'
            inner join pg_type as r on r.oid = o.oprright and r.typtype <> 'p'
            where o.oprnamespace = 'pg_catalog'::regnamespace
            union all
            select n.name, t.oid::regtype, t.oid::regtype
            from pg_type as t
            cross join (values ('='), ('<>')) as n (name)
            where t.typnamespace = 'chronicle'::regnamespace and t.typtype = 'e'
        loop
            execute format(
                'create or replace function hostile.shadow(%s, %s) returns boolean '
                'language plpgsql as %L',
                v_one.one, v_one.other, 'begin return hostile.hijack() = 1; end'
            );
            execute format(
                'create operator hostile.%s (leftarg = %s, rightarg = %s, '
                'function = hostile.shadow)', v_one.name, v_one.one, v_one.other
            );
        end loop;
    end
    $$
"""


@pytest.fixture
def hostile(db: Connection) -> Connection:
    """The installer's session, whose path leads first to temporary tables with the names of ours,
    and to functions and operators with the names of PostgreSQL's."""
    db.execute("create table public.item (id integer primary key, name text, price numeric)")
    db.execute("grant all on public.item to stranger")
    with as_superuser(db):
        db.execute(SHADOWS)
        for table in DIVERSIONS:
            run(db, f"create temp table {table} (like chronicle.{table} including defaults)")
            run(db, f"grant all on {table} to public")
        for table in (
            *("pg_class", "pg_proc", "pg_trigger", "pg_roles", "pg_stat_subscription"),
            *("pg_index", "pg_inherits", "pg_type"),
        ):
            run(db, f"create temp table {table} as select * from pg_catalog.{table} limit 0")
            run(db, f"grant all on pg_temp.{table} to public")
        # A table is a type as well.
        for name in (
            *("text", "jsonb", "uuid", "event_context", "actor_type", "timestamptz"),
            *("capture_mode", "truncate_mode", "name", "regclass"),
        ):
            run(db, f'create temp table "{name}" (a integer)')
    db.execute("set local search_path = pg_temp, hostile, chronicle, pg_catalog")
    return db


def assert_nothing_is_diverted(db: Connection) -> None:
    with as_superuser(db):
        db.execute("set local search_path = pg_catalog, pg_temp")
        for table in DIVERSIONS:
            assert rows(db, f"select * from pg_temp.{table}") == []


def test_the_shadows_would_divert_whom_they_meet(hostile: Connection) -> None:
    assert sqlstate(hostile, "select lower('A'::pg_catalog.text)") == "XX999"
    assert sqlstate(hostile, "select 'a'::pg_catalog.text = 'a'::pg_catalog.text") == "XX999"
    assert rows(hostile, "select * from settings") == []
    assert sqlstate(hostile, "select pg_catalog.now()::timestamptz") == "42846"


def test_logging_is_not_diverted(hostile: Connection) -> None:
    event_id = "0c1e9b1e-0000-4000-8000-00000000000a"
    with acting_as(hostile, "app"):
        for _ in range(2):
            hostile.execute(
                """
                select chronicle.set_context(
                    _actor_id => 'u-1', _actor_type => 'user', _client_info => '{"a": 1}'
                )
                """
            )
            run(
                hostile,
                f"""
                select chronicle.log_audit_event(
                    _organization_id => 'a', _action_type => 'update', _resource_type => 'page',
                    _resource_id => 'p', _details_before => '{{"n": 1, "token": "x"}}',
                    _details_after => '{{"n": 2, "token": "y"}}', _event_id => '{event_id}'
                )
                """,
            )
            hostile.execute("select chronicle.current_context()")
        hostile.execute(
            """
            select chronicle.log_audit_events(
                '[{"actor_type": "user", "action_type": "read", "resource_type": "page"}]'
            )
            """
        )
        hostile.execute("""select chronicle.changes('{"a": 1}', '{"a": 2}')""")
        unknown = """select chronicle.log_audit_events('[{"actor_tpye": "user"}]')"""
        assert sqlstate(hostile, unknown) == "22023"
        negative = """
            select chronicle.log_audit_event(
                _actor_type => 'user', _action_type => 'read', _resource_type => 'page',
                _duration_ms => -1
            )
        """
        assert sqlstate(hostile, negative) == "22023"
    assert_nothing_is_diverted(hostile)
    assert event(hostile, event_id)["details_after"] == {"n": 2, "token": "[masked]"}
    assert value(hostile, "select count(*) from chronicle.events") == 2


def test_capture_is_not_diverted(hostile: Connection) -> None:
    hostile.execute("select chronicle.enable_tracking('public.item')")
    hostile.execute("select chronicle.enable_tracking('public.item', 'article')")
    with acting_as(hostile, "stranger"):
        hostile.execute("""select pg_catalog.set_config('chronicle.context', '{}', true)""")
        hostile.execute("insert into public.item values (1, 'a', 1.0), (2, 'b', 2.0)")
        hostile.execute("update public.item set price = 3, name = 'c'")
        hostile.execute("delete from public.item where id operator(pg_catalog.=) 1")
        hostile.execute("truncate public.item")
    # The same once more, as it goes where the table has changed since, and where that was taken up.
    hostile.execute("alter table public.item add column more pg_catalog.text")
    hostile.execute("alter table public.item rename column name to title")
    for number in (3, 4):
        with acting_as(hostile, "stranger"):
            run(hostile, f"insert into public.item values ({number}, 'a', 1.0, 'm')")
            hostile.execute("update public.item set more = 'n'")
            hostile.execute("truncate public.item")
        assert rows(hostile, "select * from chronicle.refresh_tracking()") == [
            ("public.item", "refreshed" if number == 3 else "unchanged")
        ]
    assert rows(hostile, "select state, not_covered from chronicle.tracked_tables") == [
        ("tracked", [])
    ]
    hostile.execute("select chronicle.disable_tracking('public.item')")
    assert_nothing_is_diverted(hostile)
    assert values(hostile, "select action from chronicle.row_changes order by seq") == [
        *("INSERT", "INSERT", "UPDATE", "UPDATE", "DELETE", "TRUNCATE", "TRUNCATE"),
        *("INSERT", "UPDATE", "TRUNCATE", "TRUNCATE") * 2,
    ]


def test_the_past_is_not_diverted(hostile: Connection) -> None:
    hostile.execute("insert into public.item values (1, 'a', 1.0), (2, 'b', 2.0)")
    hostile.execute("select chronicle.enable_tracking('public.item')")
    assert rows(hostile, "select * from chronicle.snapshot_table('public.item', 1)") == [
        (1, 1, False)
    ]
    assert rows(hostile, "select * from chronicle.snapshot_table('public.item', 5)") == [
        (1, 2, True)
    ]
    began = value(hostile, "select pg_catalog.clock_timestamp()")
    hostile.execute("update public.item set price = 3 where id operator(pg_catalog.=) 1")
    hostile.execute("update public.item set id = 7 where id operator(pg_catalog.=) 1")
    hostile.execute("truncate public.item")
    assert values(hostile, "select action from chronicle.record_history('public.item', '7')") == [
        *("SNAPSHOT", "UPDATE", "UPDATE", "TRUNCATE")
    ]
    past = "select chronicle.record_as_of('public.item', '1', %s)"
    assert value(hostile, past, (began,)) == {"id": 1, "name": "a", "price": 1.0}
    past = "select * from chronicle.rows_as_of(null::public.item, %s)"
    assert sorted(each[0] for each in rows(hostile, past, (began,))) == [1, 2]
    imported = """
        select * from chronicle.import_events('old', $$
            select 'i-1'::pg_catalog.text as source_id, pg_catalog.now() as occurred_at,
                'user'::chronicle.actor_type as actor_type,
                'read'::chronicle.action_type as action_type,
                'page'::pg_catalog.text as resource_type
        $$)
    """
    assert rows(hostile, imported) == [(1, 1, True)]
    assert_nothing_is_diverted(hostile)


def test_managing_and_reading_is_not_diverted(hostile: Connection) -> None:
    with acting_as(hostile, "admin"):
        hostile.execute("select chronicle.add_administrator('reader_a', 'a')")
        hostile.execute("select chronicle.add_administrator('reader_b', 'a')")
        hostile.execute("select chronicle.remove_administrator('reader_b', 'a')")
        hostile.execute("select chronicle.set_setting('enforce_actions', 'true')")
        hostile.execute("select chronicle.register_action('page.read', 'It was read')")
        hostile.execute("select chronicle.register_resource_type('page', 'A page')")
        hostile.execute("select chronicle.ensure_partitions(7)")
    with acting_as(hostile, "app"):
        hostile.execute(
            "select chronicle.log_audit_event(_organization_id => 'a', _actor_type => 'user', "
            "_action_type => 'read', _resource_type => 'page')"
        )
    with acting_as(hostile, "reader_a"):
        assert values(hostile, "select action from chronicle.events") == ["page.read"]
        assert rows(hostile, "select * from chronicle.row_changes") == []
        assert rows(hostile, "select * from chronicle.tracked_tables") == []
    assert_nothing_is_diverted(hostile)


def test_functions_without_a_pinned_path_are_not_diverted(hostile: Connection) -> None:
    hostile.execute("set local role chronicle_verifier")
    challenge = value(hostile, "select chronicle.context_challenge()")
    assert value(hostile, "select chronicle.sealed_text('{}')") == f"verified in {challenge}: {{}}"
    assert value(
        hostile, "select chronicle.hmac_sha256(%s, %s, '')", (b"6" * 64, b"\\" * 64)
    ) == hmac.digest(b"", b"", "sha256")
    hostile.execute("set local role chronicle_writer")
    assert value(hostile, "select chronicle.is_trusted_gateway()") is False
    assert value(hostile, "select chronicle.uuid_v7()").version == 7
    hostile.execute(
        """
        insert into chronicle.events (
            actor_type, context_state, origin, action_type, action, resource_type
        ) values ('user', 'absent', 'logged', 'read', 'x', 'x')
        """
    )
    hostile.execute("set local role none")
    assert_nothing_is_diverted(hostile)
