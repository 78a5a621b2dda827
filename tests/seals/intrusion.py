"""What somebody does to a log whom nothing keeps from it, and how to see that it was something."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from ask import row, rows, run, value, values
from support import Connection

TABLES = (
    *("events", "seal_batches", "seal_leaves", "seal_nodes", "seal_state", "epochs", "erasures"),
)
"""What a seal is made of, and what it is over."""


PAYLOAD = (
    *("action_description", "action_meta", "reason", "related_resources", "details_before"),
    *("details_after", "payload_error", "ai_metadata", "error_message", "ip_address"),
    *("user_agent", "client_info"),
)
"""The columns of an event that an erasure empties, beside the salt."""


def disarm(superuser: Connection) -> None:
    """Turns off and drops what would keep a superuser from the log, for good."""
    for table in values(
        superuser,
        """
        select c.oid::regclass::text from pg_class as c
        where c.relnamespace = 'chronicle'::regnamespace and c.relkind in ('r', 'p')
        """,
    ):
        run(superuser, f"alter table {table} disable trigger all")
    for table, name in rows(
        superuser,
        """
        select c.conrelid::regclass::text, quote_ident(c.conname) from pg_constraint as c
        where c.contype = 'c' and c.conrelid = any(array(
            select ('chronicle.' || n)::regclass::oid from unnest(%s::text[]) as n
            where n <> 'events'
        ))
        """,
        (list(TABLES),),
    ):
        run(superuser, f"alter table {table} drop constraint {name}")


def contents(superuser: Connection) -> list[str]:
    """A digest of each table, as it stands."""
    return [
        value(
            superuser,
            f"""
            select coalesce(md5(string_agg(t.line, E'\\n' order by t.line collate "C")), 'empty')
            from (select t::text as line from chronicle.{table} as t) as t
            """,
        )
        for table in TABLES
    ]


@contextmanager
def attack(superuser: Connection) -> Generator[None]:
    """Sees to it that what is done within changes the log: what changes nothing need not be
    found."""
    before = contents(superuser)
    yield
    assert contents(superuser) != before, "nothing was changed"


def tamper(superuser: Connection, statement: str, *parameters: Any) -> None:
    """An attack of one statement."""
    with attack(superuser):
        run(superuser, statement, parameters)


ALTERED = {
    "boolean": ["not @"],
    "bytea": ["set_byte(@, 0, get_byte(@, 0) # 1)", "''", "@ || '\\x00'"],
    "bigint": ["@ + 1", "@ - 1", "-@ - 1", "7"],
    "date": ["(@ + interval '1 month')::date", "@ - 1"],
    "inet": ["@ + 1", "set_masklen(@, masklen(@) - 1)", "'10.0.0.9'"],
    "integer": ["@ + 1", "@ - 1", "-@ - 1", "7"],
    "jsonb": [
        *("'null'", "'{}'", "'[]'", "'\"\"'", "'{\"forged\": true}'", "jsonb_build_array(@)"),
    ],
    "smallint": ["(@ + 1)::smallint", "(@ - 1)::smallint"],
    "text": [
        *("@ || ' '", "@ || E'\\n'", "' ' || @", "upper(@)", "'forged'", "''", "'null'"),
        "E'\\\\N'",
    ],
    "text[]": [
        *("@ || 'forged'::text", "'{}'", "array[null::text]", "array['']", "array['null']"),
        "array[array_to_string(@, '\", \"')]",
        "array_prepend('id', @)",
    ],
    "timestamp with time zone": [
        *("@ + interval '1 microsecond'", "@ - interval '1 microsecond'"),
        "@ + interval '1 month'",
    ],
    "uuid": ["gen_random_uuid()"],
}
"""By type: what a value is altered to; @ is the column."""


def alterations(superuser: Connection, table: str) -> list[tuple[str, str]]:
    """Each column of a table beside each way of altering it, as SQL."""
    found: list[tuple[str, str]] = []
    for name, type_name, labels, is_nullable in rows(
        superuser,
        """
        select
            quote_ident(a.attname), format_type(a.atttypid, null),
            array(
                select e.enumlabel::text from pg_enum as e
                where e.enumtypid = a.atttypid order by e.enumsortorder
            ),
            not a.attnotnull
        from pg_attribute as a
        where a.attrelid = ('chronicle.' || %s)::regclass and a.attnum > 0 and not a.attisdropped
        order by a.attnum
        """,
        (table,),
    ):
        ways = [f"'{label}'" for label in labels] or ALTERED[type_name]
        found += [(name, way.replace("@", name)) for way in ways]
        if is_nullable:
            found.append((name, "null"))
    return found


def altering(table: str, column: str, altered: str, where: str) -> str:
    """The statement that alters a column where that is a change."""
    return (
        f"update chronicle.{table} set {column} = {altered} "
        f"where ({where}) and ({column})::text is distinct from ({altered})::text"
    )


def detach(superuser: Connection, partition: str) -> None:
    """Takes a partition out of the log, with all that is in it."""
    run(superuser, f"alter table chronicle.events detach partition chronicle.{partition}")


def partition_of(superuser: Connection, event_id: object) -> tuple[str, str]:
    """The partition in which an event lies, and its bound."""
    name, bound = row(
        superuser,
        """
        select c.relname::text, pg_get_expr(c.relpartbound, c.oid)
        from chronicle.events as e inner join pg_class as c on c.oid = e.tableoid
        where e.event_id = %s
        """,
        (event_id,),
    )
    return name, bound
