"""chronicle.ensure_partitions: what it makes, whatever it finds."""

import pytest

from ask import refusal, rows, run, value, values
from support import Connection

BOUNDS = """
    select c.relname::text, pg_get_expr(c.relpartbound, c.oid)
    from pg_inherits as i
    inner join pg_class as c on c.oid = i.inhrelid
    where i.inhparent = 'chronicle.events'::regclass
    order by 2, 1
"""


def drop(db: Connection, partition: str) -> None:
    run(db, "set local role chronicle_owner")
    run(db, f"drop table chronicle.{partition}")
    run(db, "reset role")


def bounded(db: Connection) -> list[str]:
    """The partitions between events_earlier and DEFAULT, in their order."""
    return values(
        db,
        "select c.relname::text from pg_inherits as i "
        "inner join pg_class as c on c.oid = i.inhrelid "
        "where i.inhparent = 'chronicle.events'::regclass "
        r"and c.relname ~ '^events_\d' order by 1",
    )


@pytest.mark.parametrize("place", [0, 1, -1])
def test_a_gap_is_closed_again(db: Connection, place: int) -> None:
    run(db, "set local timezone = 'UTC'")
    before = rows(db, BOUNDS)
    lost = bounded(db)[place]
    drop(db, lost)
    assert values(db, "select chronicle.ensure_partitions()") == [lost]
    assert rows(db, BOUNDS) == before


def test_nothing_is_made_twice(db: Connection) -> None:
    before = rows(db, BOUNDS)
    assert values(db, "select chronicle.ensure_partitions()") == []
    assert rows(db, BOUNDS) == before


@pytest.mark.parametrize(("interval", "ahead"), [("day", 150), ("week", 25), ("quarter", 5)])
def test_another_interval_goes_on_where_the_last_partition_ends(
    db: Connection, interval: str, ahead: int
) -> None:
    run(db, "select chronicle.set_setting('partition_interval', to_jsonb(%s::text))", (interval,))
    run(db, "select chronicle.ensure_partitions(%s)", (ahead,))
    assert value(
        db,
        r"""
        with bounds as (
            select
                substring(b.text from $r$FROM \('([^']+)'\)$r$)::timestamptz as lower,
                substring(b.text from $r$TO \('([^']+)'\)$r$)::timestamptz as upper
            from pg_inherits as i
            inner join pg_class as c on c.oid = i.inhrelid
            cross join lateral pg_get_expr(c.relpartbound, c.oid) as b (text)
            where i.inhparent = 'chronicle.events'::regclass and b.text <> 'DEFAULT'
        )
        select bool_and(lower is null or exists (
            select from bounds as other where other.upper = bounds.lower
        ))
        from bounds
        """,
    )
    made = [name for name in bounded(db) if ("_w" in name) == (interval == "week")]
    assert made


@pytest.mark.parametrize("ahead", [-1, 1001])
def test_an_odd_number_of_partitions_is_refused(db: Connection, ahead: int) -> None:
    refused = refusal(db, f"select chronicle.ensure_partitions({ahead})")
    assert (refused.sqlstate, refused.message) == (
        "22023",
        f"_ahead must be between 0 and 1000, not {ahead}",
    )
