"""Many rows in one statement and many transactions in one session cost what the first ones cost:
one transaction id, and no memory that stays. Nothing here is a matter of time."""

import pytest

from ask import row, rows, run, value
from capturing import track
from support import Connection, Database

FEW, MANY = 10_000, 100_000
"""Rows of a statement."""

SLACK = 64 * 1024
"""Bytes by which the memory of a session may differ without anything having grown: how the server
cuts it into pieces is its own affair."""

STATEMENTS = {
    "insert": "insert into public.{} select n, 'name ' || n, n / 7.0 from {} as n",
    "copy": "copy public.{} from stdin",
    "update": "update public.{} set price = price + 1 from {} as n where id = n",
    "delete": "delete from public.{} using {} as n where id = n",
}


@pytest.fixture
def owner(database: Database) -> Connection:
    """The installer's session, and a function that tells anybody what their session holds."""
    with database.connect(database.cluster.superuser, autocommit=True) as superuser:
        superuser.execute(
            """
            create function public.memory(out bytes bigint, out contexts bigint, out plans bigint)
            language sql security definer set search_path = pg_catalog
            as $$
                select sum(total_bytes), count(*), count(*) filter (where name like 'CachedPlan%')
                from pg_backend_memory_contexts
            $$
            """
        )
    session = database.connect(autocommit=True)
    session.execute("create table public.item (id integer primary key, name text, price numeric)")
    session.execute("grant all on public.item to stranger")
    return session


@pytest.fixture
def bare(owner: Connection) -> str:
    """A table like item, whose rows have a trigger that does nothing, and what looks at memory when
    a statement on either has come to its last row."""
    for statement in (
        "create table public.bare (like public.item including all)",
        "grant all on public.bare to stranger",
        """
        create function public.idle() returns trigger language plpgsql
        as 'begin return null; end'
        """,
        """
        create trigger idle after insert or update or delete on public.bare
        for each row execute function public.idle()
        """,
        "create table public.held (table_name text, rows integer, bytes bigint)",
        "grant insert on public.held to stranger",
        """
        create function public.look() returns trigger language plpgsql as $$
        begin
            insert into public.held
            select tg_table_name, current_setting('test.rows')::integer, bytes
            from public.memory();
            return null;
        end $$
        """,
    ):
        run(owner, statement)
    for table in ("item", "bare"):
        for operation in ("insert", "update", "delete"):
            # The triggers of a statement run after those of its rows, while it still holds all.
            run(
                owner,
                f"create trigger look_{operation} after {operation} on public.{table} "
                "for each statement execute function public.look()",
            )
    return "bare"


def write(writer: Connection, operation: str, table: str, first: int, last: int) -> None:
    """Writes the rows with these numbers in one statement."""
    run(writer, f"set test.rows = {last - first + 1}")
    statement = STATEMENTS[operation].format(table, f"generate_series({first}, {last})")
    if operation != "copy":
        run(writer, statement)
        return
    with writer.cursor().copy(statement.encode()) as copy:
        copy.write("".join(f"{n}\tname {n}\t{n / 7}\n" for n in range(first, last + 1)))


@pytest.mark.parametrize("operation", STATEMENTS)
def test_a_statement_of_many_rows_takes_one_transaction_id_and_no_memory_that_grows(
    database: Database, owner: Connection, bare: str, operation: str
) -> None:
    if operation in ("update", "delete"):
        for table in ("item", bare):
            write(owner, "insert", table, 1, FEW + MANY)
            run(owner, f"analyze public.{table}")
        owner.execute("truncate public.held")
    track(owner)
    writer = database.connect("stranger", autocommit=True)
    for table in ("item", bare):
        write(writer, operation, table, 1, FEW)
        write(writer, operation, table, FEW + 1, FEW + MANY)

    # What a subtransaction wrote would show its own id.
    assert row(
        owner,
        """
        select count(*), count(distinct xmin::text), min(xmin::text) = min(transaction_id::text)
        from chronicle.events
        where table_id is not null
            and seq > (select max(seq) from chronicle.events where table_id is not null) - %s
        """,
        (MANY,),
    ) == (MANY, 1, True)
    growth = {
        table: value(
            owner,
            """
            select sum(case rows when %s then bytes else - bytes end)::bigint
            from public.held where table_name = %s
            """,
            (MANY, table),
        )
        for table in ("item", bare)
    }
    # Two bytes a row: less than anything that could stay of one.
    assert growth["item"] < growth[bare] + 2 * MANY


def test_a_session_of_many_transactions_goes_on_as_it_began(
    database: Database, owner: Connection
) -> None:
    track(owner)
    writer = database.connect("stranger", autocommit=True)

    def write_each(first: int, last: int) -> None:
        """A transaction a number, each tenth after another context."""
        with writer.pipeline() as pipeline:
            for number in range(first, last + 1):
                if number % 10 == 0:
                    writer.execute(
                        "select set_config('request.jwt.claims', %s, false)",
                        (f'{{"sub": "user {number}"}}',),
                    )
                writer.execute(
                    """
                    with gone as (delete from public.item where id = %(id)s - 2)
                    insert into public.item values (%(id)s, 'a', 1)
                    """,
                    {"id": number},
                )
                pipeline.sync()

    def held() -> tuple[int, int, int, int]:
        """Bytes, contexts and plans of the session, and at how many blocks of the log, indexes and
        all, an update of two rows looks."""
        fetched = """
            select sum(pg_stat_get_xact_blocks_fetched(oid))::bigint from pg_class
            where relnamespace = (select oid from pg_namespace where nspname = 'chronicle')
        """
        # Not rolled back: then the client would have its statements forgotten.
        with writer.transaction():
            before: int = value(writer, fetched)
            writer.execute("update public.item set price = - price")
            after: int = value(writer, fetched)
        return *row(writer, "select * from public.memory()"), after - before

    write_each(1, 1000)
    for _ in range(10):
        # The client has its statements prepared when they have come a few times.
        held()
    bytes_, contexts, plans, blocks = held()
    write_each(1001, 10_000)
    assert rows(
        owner, "select action, count(*) from chronicle.row_changes group by 1 order by 1"
    ) == [("DELETE", 9_998), ("INSERT", 10_000), ("UPDATE", 22)]
    later_bytes, later_contexts, later_plans, later_blocks = held()
    assert later_bytes < bytes_ + SLACK
    assert (later_contexts, later_plans) == (contexts, plans)
    # An index of the log may have become higher.
    assert later_blocks < blocks * 1.5
