"""The code of a table's owner (functions in policies, indexes, defaults, casts) runs with nobody
else's rights because the table is tracked.

In sessions of their own: what the server has once made ready in a session, it does not ask for
again, and a trap would not spring.
"""

import psycopg
import pytest

from ask import rows, run, value, values
from capturing import track
from support import INSTALLER, Connection, Database

TRAP = """
    create schema traps;
    grant usage on schema traps to public;
    -- What others than the owner run leaves a trace.
    create table traps.caught (who name);
    grant insert on traps.caught to public;
    create function traps.catch() returns integer
    language plpgsql volatile as $$
    begin
        if current_user <> 'installer' then
            insert into traps.caught values (current_user);
        end if;
        return 1;
    end
    $$;
    -- Labelled so that it may stand in an index.
    create function traps.one(integer) returns integer
    language plpgsql immutable as $$ begin return (select traps.catch()); end $$;
    create function traps.is_fine(integer) returns boolean
    language plpgsql immutable as $$ begin return (select traps.catch()) = 1; end $$;
    create function traps.plus(integer, integer) returns integer
    language plpgsql immutable as $$ begin return (select traps.catch()); end $$;
    create operator traps.+ (leftarg = integer, rightarg = integer, function = traps.plus);
    create function traps.fires() returns trigger
    language plpgsql as $$ begin perform traps.catch(); return new; end $$;
    create domain traps.careful as integer check (traps.is_fine(value));
"""

BAITS = {
    "a policy": (
        "id integer primary key, v integer",
        "create policy p on public.bait using (traps.catch() = 1);"
        "alter table public.bait enable row level security",
    ),
    "a forced policy": (
        "id integer primary key, v integer",
        "create policy p on public.bait using (traps.catch() = 1) with check (traps.catch() = 1);"
        "alter table public.bait enable row level security, force row level security",
    ),
    "an index": (
        "id integer primary key, v integer",
        "create index on public.bait ((v + traps.one(1)))",
    ),
    "a partial index": (
        "id integer primary key, v integer",
        "create index on public.bait (v) where v > traps.one(1)",
    ),
    "an operator": (
        "id integer primary key, v integer",
        "create index on public.bait ((v - (1 operator(traps.+) 1)))",
    ),
    "a cast to a domain": (
        "id integer primary key, v integer",
        "create index on public.bait ((v + '1'::text::traps.careful))",
    ),
    "statistics": (
        "id integer primary key, v integer",
        "create statistics public.s on (v + traps.one(1)) from public.bait",
    ),
    "a check": (
        "id integer primary key, v integer",
        "alter table public.bait add check (v < 1000 + traps.one(1))",
    ),
    "a domain": ("id integer primary key, v traps.careful", "select 1"),
    "a domain as key": ("id traps.careful primary key, v integer", "select 1"),
    "a default": (
        "id integer primary key, v integer default traps.catch()",
        "alter table public.bait add column w integer default traps.one(1)",
    ),
    "a generated column": (
        "id integer primary key, v integer, "
        "w integer generated always as (v + traps.one(1)) stored",
        "select 1",
    ),
    "a partition key": (
        "id integer, v integer) partition by range ((v + traps.one(1))",
        "create table public.leaf partition of public.bait default",
    ),
    "an index of a partition": (
        "id integer, v integer) partition by range (v",
        "create table public.leaf partition of public.bait default;"
        "create index on public.leaf ((v + traps.one(1)))",
    ),
    "a policy of a partition": (
        "id integer, v integer) partition by range (v",
        "create table public.leaf partition of public.bait default;"
        "create policy p on public.leaf using (traps.catch() = 1);"
        "alter table public.leaf enable row level security",
    ),
    "a child": (
        "id integer primary key, v integer",
        "create table public.child () inherits (public.bait);"
        "create index on public.child ((v + traps.one(1)))",
    ),
    "an index with drift": (
        "id integer primary key, v integer",
        "create index on public.bait ((v + traps.one(1)));"
        "alter table public.bait add column w traps.careful",
    ),
}
"""Columns of a table, and what its owner does to it once it is tracked."""


def set_bait(database: Database, bait: str) -> None:
    columns, trap = BAITS[bait]
    owner = database.connect(autocommit=True)
    run(owner, TRAP)
    run(owner, f"create table public.bait ({columns})")
    track(owner, table="public.bait")
    run(owner, trap)
    owner.execute("insert into public.bait (id, v) values (1, 1), (2, 2)")
    owner.execute("grant select, truncate on public.bait to stranger")
    owner.execute("delete from traps.caught")
    owner.close()


def caught(database: Database) -> set[str]:
    superuser = database.connect(database.cluster.superuser, autocommit=True)
    return set(values(superuser, "select who from traps.caught"))


def test_the_traps_spring_for_whoever_reads(database: Database) -> None:
    set_bait(database, "an index")
    database.connect("stranger", autocommit=True).execute("select count(*) from public.bait")
    assert caught(database) == {"stranger"}


@pytest.mark.parametrize("bait", BAITS)
def test_writing_and_truncating_run_an_owners_code_as_nobody_of_ours(
    database: Database, bait: str
) -> None:
    set_bait(database, bait)
    for statement in (
        "insert into public.bait (id, v) values (3, 3)",
        "update public.bait set v = 4 where id = 3",
        "delete from public.bait where id = 3",
        # With what the session can say to be asked for more than it has to.
        "set constraint_exclusion = on; set row_security = on; truncate public.bait",
    ):
        owner = database.connect(autocommit=True)
        run(owner, statement)
        owner.close()
    assert caught(database) <= {INSTALLER}
    actions = values(
        database.connect("auditor"), "select action from chronicle.row_changes order by seq"
    )
    assert list(dict.fromkeys(actions)) == ["INSERT", "UPDATE", "DELETE", "TRUNCATE"]


@pytest.mark.parametrize("bait", BAITS)
def test_managing_the_log_runs_an_owners_code_as_nobody_of_ours(
    database: Database, bait: str
) -> None:
    set_bait(database, bait)
    for role, statement in (
        ("admin", "select * from chronicle.tracked_tables"),
        ("reader_a", "select * from chronicle.tracked_tables"),
        ("auditor", "select * from chronicle.row_changes"),
        ("admin", "select * from chronicle.refresh_tracking()"),
        (INSTALLER, "select * from chronicle.refresh_tracking()"),
        (database.cluster.superuser, "select * from chronicle.tracked_tables"),
        (database.cluster.superuser, "select * from chronicle.refresh_tracking()"),
        (INSTALLER, "select chronicle.disable_tracking('public.bait')"),
        (INSTALLER, "select chronicle.enable_tracking('public.bait')"),
    ):
        someone = database.connect(role, autocommit=True)
        run(someone, statement)
        someone.close()
    assert caught(database) <= {INSTALLER}


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
@pytest.mark.parametrize("bait", ["a policy", "an index", "statistics", "an index of a partition"])
def test_a_trap_that_is_set_after_a_transaction_began_does_not_spring_either(
    database: Database, bait: str, isolation: str
) -> None:
    """The transaction does not see in the catalogs what the server already acts by."""
    columns, trap = BAITS[bait]
    owner = database.connect(autocommit=True)
    run(owner, TRAP)
    run(owner, f"create table public.bait ({columns})")
    track(owner, table="public.bait")
    if "leaf" in trap:
        run(owner, trap.split(";")[0])
        owner.execute("select * from chronicle.refresh_tracking()")
    early = database.connect()
    run(early, f"set transaction isolation level {isolation}")
    early.execute("select 1")
    run(owner, ";".join(trap.split(";")[1:]) if "leaf" in trap else trap)
    owner.close()
    truncate(early)
    assert caught(database) == set()


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_a_truncate_does_not_pass_over_rows_that_its_transaction_does_not_see(
    database: Database, isolation: str
) -> None:
    """It empties them all the same."""
    owner = database.connect(autocommit=True)
    owner.execute("create table public.bait (id integer primary key)")
    track(owner, table="public.bait")
    owner.execute("insert into public.bait values (1)")
    early = database.connect()
    run(early, f"set transaction isolation level {isolation}")
    early.execute("select 1")
    owner.execute("insert into public.bait values (2)")
    if truncate(early):
        recorded = rows(
            database.connect("auditor"),
            "select resource_id, action_meta, payload_error from chronicle.events "
            "where action = 'bait.truncate' order by seq",
        )
        assert recorded[-1][2] is not None or [one[0] for one in recorded[:-1]] == ["1", "2"]
        assert recorded[-1][1] != {"rows": 1, "recorded": 1}


def truncate(connection: Connection) -> bool:
    """Truncates, or is refused with a reason."""
    try:
        connection.execute("truncate public.bait")
        connection.commit()
    except (psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.FeatureNotSupported):
        connection.rollback()
        return False
    finally:
        connection.close()
    return True


def test_a_truncate_reads_no_partition_that_was_made_since_without_asking(
    database: Database,
) -> None:
    set_bait(database, "an index of a partition")
    owner = database.connect(autocommit=True)
    assert value(owner, "select count(*) from public.leaf") == 2
    owner.close()
    fresh = database.connect(autocommit=True)
    fresh.execute("truncate public.bait")
    assert caught(database) == set()
