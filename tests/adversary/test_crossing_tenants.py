"""What one organization did is not told to another's administrators: by no view, no function, no
error, whatever rights they have on the table itself."""

from typing import Any

import psycopg
import pytest

from ask import as_superuser, rows, run, sqlstate, value
from support import Connection, acting_as

READERS = {
    "reader_a": {"a"},
    "reader_b": {"b"},
    "root_reader": set[str](),
    "auditor": {"a", "b"},
}

OUTSIDERS = ("app", "admin", "shopkeeper", "stranger")

KEYS = ("1", "2", "3", "4", "11", "12", "77", "", "x", "1 ", "01")

CALLS = (
    *(f"select * from chronicle.record_history('public.orders', '{key}')" for key in KEYS),
    *(
        f"select chronicle.record_as_of('public.orders', '{key}', {at})"
        for key in KEYS
        for at in ("BEGAN", "now()", "clock_timestamp()")
    ),
    *(
        f"select * from chronicle.rows_as_of(null::public.orders, {at})"
        for at in ("BEGAN", "clock_timestamp()")
    ),
    "select * from chronicle.row_changes",
    "select * from chronicle.events",
    "select * from chronicle.tracked_tables",
    "select * from chronicle.table_registry",
    "select * from chronicle.tracking_periods",
    "select * from chronicle.table_names",
    "select * from chronicle.administrators",
    "select * from chronicle.settings",
    "select * from chronicle.refresh_tracking()",
)
"""BEGAN stands for the time when nothing had been changed yet."""


@pytest.fixture
def orders(db: Connection) -> Connection:
    """The installer's session, with a tracked table that everybody may read. What it said before
    was each tenant's own affair, and is in the log alone: was-of-a, was-of-b."""
    db.execute("create table public.orders (id integer primary key, org text, note text)")
    db.execute("select chronicle.enable_tracking('public.orders', _organization_column => 'org')")
    db.execute(
        "insert into public.orders values (1, 'a', 'was-of-a'), (2, 'b', 'was-of-b'), "
        "(3, 'a', 'was-of-a'), (4, 'b', 'was-of-b'), (5, 'a', 'is')"
    )
    db.execute("update public.orders set note = 'is'")
    db.execute("update public.orders set id = id + 10 where id in (1, 2)")
    db.execute("delete from public.orders where id in (3, 4)")
    db.execute("grant select on public.orders to public")
    with acting_as(db, "admin"):
        db.execute("select chronicle.add_administrator('reader_a', 'a')")
        db.execute("select chronicle.add_administrator('reader_b', 'b')")
        db.execute("select chronicle.add_administrator('root_reader')")
    return db


def answers(db: Connection, role: str) -> dict[str, str]:
    """What a role is told, by call; refusals as well."""
    began = value(
        db, "select min(occurred_at)::text from chronicle.events where resource_type = 'orders'"
    )
    found: dict[str, str] = {}
    with acting_as(db, role):
        for call in CALLS:
            statement = call.replace("BEGAN", f"'{began}'")
            try:
                with db.transaction():
                    found[call] = str(rows(db, statement))
            except psycopg.Error as error:
                found[call] = f"{error.sqlstate}: {error} {error.diag.context}"
    return found


@pytest.mark.parametrize("role", [*READERS, *OUTSIDERS])
def test_nobody_is_told_of_another_organization(orders: Connection, role: str) -> None:
    theirs = {f"was-of-{organization}" for organization in READERS.get(role, set())}
    hidden = {"was-of-a", "was-of-b"} - theirs
    told = answers(orders, role)
    for call, answer in told.items():
        assert [secret for secret in hidden if secret in answer] == [], call
    everything = str(list(told.values()))
    assert [secret for secret in theirs if secret not in everything] == []


@pytest.mark.parametrize("role", OUTSIDERS)
def test_who_is_no_reader_has_no_past(orders: Connection, role: str) -> None:
    told = answers(orders, role)
    for call, answer in told.items():
        if "_as_of" in call or "record_history" in call or "row_changes" in call:
            assert answer.startswith("42501"), call


@pytest.mark.parametrize(
    "call",
    [
        "select * from chronicle.record_history('public.orders', '2')",
        "select * from chronicle.record_history('public.orders', '12')",
        "select * from chronicle.record_history('public.orders', '4')",
        "select chronicle.record_as_of('public.orders', '4', now() - interval '1 second')",
        "select * from chronicle.rows_as_of(null::public.orders, BEGAN)",
    ],
)
def test_hidden_events_are_a_refusal_not_a_gap(orders: Connection, call: str) -> None:
    began = value(
        orders, "select min(occurred_at)::text from chronicle.events where resource_type = 'orders'"
    )
    with acting_as(orders, "reader_a"):
        refused = sqlstate(orders, call.replace("BEGAN", f"'{began}'"))
    # Before tracking began is one more reason not to know.
    assert refused in ("42501", "ZC007")


@pytest.mark.parametrize("key", ["1", "2", "3", "4", "11", "77"])
def test_who_may_not_read_the_table_is_not_told_its_past(orders: Connection, key: str) -> None:
    """Of a record that is gone no less than of one that is there."""
    orders.execute("revoke select on public.orders from public")
    with acting_as(orders, "reader_a"):
        assert (
            sqlstate(orders, f"select * from chronicle.record_history('public.orders', '{key}')")
            == "42501"
        )
        assert (
            sqlstate(
                orders,
                f"select chronicle.record_as_of('public.orders', '{key}', clock_timestamp())",
            )
            == "42501"
        )
        assert (
            sqlstate(
                orders,
                "select * from chronicle.rows_as_of(null::public.orders, clock_timestamp())",
            )
            == "42501"
        )


def test_no_helper_of_history_tells_whose_events_there_are(orders: Connection) -> None:
    """The functions that count what is hidden give no ids, no times and no values of it."""
    signatures = rows(
        orders,
        """
        select p.proname, pg_get_function_result(p.oid)
        from pg_proc as p
        where p.pronamespace = 'chronicle'::regnamespace and p.prosecdef
            -- It gives hashes, and only to who has the hash of the event.
            and p.proname <> 'sealed_place'
            and has_function_privilege('reader_a', p.oid, 'execute')
        """,
    )
    for name, result in signatures:
        assert "uuid" not in result, f"{name} gives ids to every reader"
        assert "timestamp" not in result, f"{name} gives times to every reader"
        assert "jsonb" not in result, f"{name} gives values to every reader"


def leaky(db: Connection, kind: str, name: str, result: str, body: str) -> None:
    run(
        db,
        f"create function pg_temp.{name}({kind}) returns {result} language plpgsql immutable "
        f"cost 0.0000001 as $$ begin {body} end $$",
    )


@pytest.mark.parametrize("relation", ["chronicle.events", "chronicle.row_changes"])
@pytest.mark.parametrize(
    "condition",
    [
        "pg_temp.tell({column}::text)",
        "not pg_temp.tell({column}::text)",
        "pg_temp.tell({column}::text) or organization_id = 'b'",
        "case when pg_temp.tell({column}::text) then true end",
        "exists (select from (values (pg_temp.tell({column}::text))) as x (y) where y)",
        "organization_id in (select 'b' where pg_temp.tell({column}::text))",
        "organization_id = 'b' and pg_temp.tell({column}::text) and event_id is not null",
        "coalesce(pg_temp.tell({column}::text), true)",
    ],
)
def test_a_function_that_listens_hears_no_other_organization(
    orders: Connection, relation: str, condition: str
) -> None:
    heard: list[str] = []

    def hear(diagnostic: Any) -> None:
        heard.append(str(diagnostic.message_primary))

    column = "details_before" if relation == "chronicle.events" else "old_values"
    orders.add_notice_handler(hear)
    with acting_as(orders, "reader_a"):
        leaky(orders, "_seen text", "tell", "boolean", "raise notice '%', _seen; return true;")
        run(orders, f"select 1 from {relation} as r where {condition.format(column=column)}")
        run(
            orders,
            f"select r.event_id from {relation} as r order by pg_temp.tell(r.{column}::text)",
        )
        run(
            orders,
            f"select count(*) from {relation} as r inner join {relation} as s "
            f"on s.event_id = r.event_id and pg_temp.tell(s.{column}::text)",
        )
    orders.remove_notice_handler(hear)
    assert [each for each in heard if "was-of-a" in each]
    assert [each for each in heard if "was-of-b" in each] == []


def test_a_listener_would_hear_who_is_not_kept_apart(orders: Connection) -> None:
    with as_superuser(orders):
        assert "was-of-b" in str(rows(orders, "select details_before from chronicle.events"))
