"""A writer does not hide what they write by how they write it."""

from contextlib import suppress

import psycopg
import pytest

from ask import run, value, values
from capturing import make
from support import Connection, acting_as

DIG = """
    create function pg_temp.dig(_depth integer, _key integer) returns void
    language plpgsql as $$
    begin
        if _depth > 0 then
            perform pg_temp.dig(_depth - 1, _key);
        else
            insert into public.item
            select _key, 777, s.doc, s.notes from pg_temp.stash as s;
        end if;
    end
    $$
"""


@pytest.mark.parametrize("mode", ["changes", "full"])
def test_what_is_hard_to_render_does_not_hide_what_stands_beside_it(
    db: Connection, mode: str
) -> None:
    """A value that is nested deep, written from so deep in a recursion that the stack suffices for
    the write and hardly for more."""
    columns = "id integer primary key, amount integer, doc json, notes jsonb"
    make(db, columns, f"_capture => '{mode}'")
    db.execute("grant all on public.item to stranger")
    written: list[int] = []
    with acting_as(db, "stranger"):
        db.execute("create temp table stash (doc json, notes jsonb)")
        db.execute(
            "insert into stash values ((repeat('[', 6000) || repeat(']', 6000))::json, '{}')"
        )
        run(db, DIG)
        for depth in range(200, 1600, 50):
            with suppress(psycopg.errors.StatementTooComplex), db.transaction():
                db.execute("select pg_temp.dig(%s, %s)", (depth, depth))
                written.append(depth)
    assert len(written) > 3
    recorded = values(
        db,
        "select new_values ->> 'amount' from chronicle.row_changes where action = 'INSERT' "
        "order by record_id::integer",
    )
    # Or it was not deep enough to prove anything.
    errors = values(db, "select left(payload_error, 5) from chronicle.row_changes")
    assert "54001" in errors
    assert recorded == ["777"] * len(written)
    assert value(db, "select count(*) from public.item") == len(written)
