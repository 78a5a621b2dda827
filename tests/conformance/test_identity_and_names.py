"""Conformance, cases 1 to 12: a record is found by its key, and a table by its name, whatever they
are and whatever becomes of them. README.md says which test holds which case."""

from typing import Any

import pytest

from ask import refusal, row, rows, run, sqlstate, value, values
from capturing import ITEM, changes, make, track
from support import Connection


def history(db: Connection, record_id: str, table: str = "public.item") -> list[Any]:
    """The history of a record: what was done, to which key, and what it made of the row."""
    return rows(
        db,
        """
        select action, record_id, old_values, new_values
        from chronicle.record_history(%s::regclass, %s)
        """,
        (table, record_id),
    )


def moment(db: Connection) -> str:
    """Now, between two statements; as text, since psycopg reads no date style but ISO."""
    now: str = value(db, "select clock_timestamp()::text")
    return now


def as_of(db: Connection, record_id: str, at: str, table: str = "public.item") -> Any:
    return value(db, "select chronicle.record_as_of(%s::regclass, %s, %s)", (table, record_id, at))


KEYS = {
    "smallint": "-1",
    "integer": "1",
    "bigint": "9007199254740993",
    "numeric": "1.50",
    "float8": "0.1::float8 + 0.2",
    "uuid": "'0C1E9B1E-0000-4000-8000-00000000000A'",
    "text": r"""E'a"b\\c{}%s\'ü'""",
    "varchar(9)": "'{\"k\": 1}'",
    "char(5)": "'a'",
    "name": "'a.b'",
    "date": "'0044-03-15 BC'",
    "timestamp": "'2026-03-29 02:30'",
    "timestamptz": "'2026-01-02 03:04:05.6+02'",
    "interval": "'1 day -00:00:01'",
    "bytea": r"'\x00ff'",
    "boolean": "true",
    "inet": "'10.0.0.1/24'",
    "daterange": "'[2026-01-01,)'",
    "integer[]": "'[0:1]={1,2}'",
    "jsonb": "'{\"a\": [1.50, null]}'",
    "public.colour": "'re\"d'",
    "public.code": "'X1'",
    "public.pair": "row('a,b', 1)",
}


@pytest.mark.parametrize("type_name", KEYS)
def test_the_history_of_a_record_is_asked_for_by_its_key(db: Connection, type_name: str) -> None:
    """Case 1: a key of any type that can be one."""
    db.execute("""create type public.colour as enum ('re"d')""")
    db.execute("create domain public.code as text check (value ^@ 'X')")
    db.execute("create type public.pair as (a text, b integer)")
    make(db, f"n numeric, k {type_name} primary key")
    run(db, f"insert into public.item values (1.0, {KEYS[type_name]})")
    db.execute("update public.item set n = 1.00")
    key = value(db, "select distinct record_id from chronicle.row_changes")
    at = moment(db)
    shown = value(db, "select new_values -> 'k' from chronicle.row_changes order by seq limit 1")
    # The caller's session may be set otherwise than the one that wrote.
    db.execute("set local timezone = 'Asia/Kathmandu'")
    db.execute("set local datestyle = 'German'")
    db.execute("set local intervalstyle = 'sql_standard'")
    db.execute("set local bytea_output = 'escape'")
    db.execute("set local extra_float_digits = -15")
    db.execute("delete from public.item")
    before, after = {"n": 1.0, "k": shown}, {"n": 1.00, "k": shown}
    assert history(db, key) == [
        ("INSERT", key, None, before),
        ("UPDATE", key, before, after),
        ("DELETE", key, after, None),
    ]
    assert as_of(db, key, at) == after
    assert as_of(db, key, moment(db)) is None


def test_the_history_of_a_composite_key_is_asked_for_as_the_log_has_it(db: Connection) -> None:
    """Case 2: the declared order of a composite key differs from the order of the columns."""
    make(db, 'a text, b integer, "c d" text, n integer, primary key (b, "c d", a)')
    db.execute("insert into public.item values ('x', 1, 'y', 0), ('y', 1, 'x', 0)")
    db.execute("update public.item set n = 1 where a = 'y'")
    key = value(db, "select record_id from chronicle.row_changes where action = 'UPDATE'")
    assert as_of(db, key, moment(db)) == {"a": "y", "b": 1, "c d": "x", "n": 1}
    assert [each[0] for each in history(db, key)] == ["INSERT", "UPDATE"]
    # The parts may be said in any order and with any white space.
    said = '{"a":"y","b":"1",   "c d":"x"}'
    assert history(db, said) == history(db, key)


SEPARATORS = [
    *(("a", "b:c"), ("a:b", "c"), ("a,b", "c"), ("a", "b,c"), ('a","b', "c"), ("a", 'b","c')),
    *(('["', '"]'), ('[""', "]"), ("", "ab"), ("ab", ""), (" ", ""), ("", " "), ("\\", '"')),
    *(('\\"', ""), ("null", "a"), ("NULL", "a"), ('{"a": "1"}', "x"), ("1", "x"), ("a\n", "x")),
]


def test_keys_whose_parts_hold_separators_stay_distinct(db: Connection) -> None:
    """Case 3: parts that hold what others separate parts by."""
    make(db, "a text, b text, n serial, primary key (a, b)")
    with db.cursor() as cursor:
        cursor.executemany("insert into public.item values (%s, %s)", SEPARATORS)
    ids = values(db, "select record_id from chronicle.row_changes order by seq")
    assert len(set(ids)) == len(SEPARATORS)
    at = moment(db)
    assert [as_of(db, record_id, at) for record_id in ids] == [
        {"a": a, "b": b, "n": n} for n, (a, b) in enumerate(SEPARATORS, 1)
    ]


@pytest.mark.parametrize("length", [300, 1000, 1001, 2688])
def test_the_history_of_a_long_key_is_asked_for(db: Connection, length: int) -> None:
    """Case 4: keys up to what an index takes; the log has a digest of those above 1,000 bytes."""
    make(db, "k text primary key, n integer")
    digits = "(select string_agg(md5(n::text), '') from generate_series(1, 100) as n)"
    run(db, f"insert into public.item select substr({digits}, 1, {length}), 1")
    db.execute("update public.item set n = 2")
    key, logged = row(
        db, "select distinct i.k, c.record_id from public.item as i, chronicle.row_changes as c"
    )
    for record_id in {key, logged}:
        assert [each[0] for each in history(db, record_id)] == ["INSERT", "UPDATE"]
        assert as_of(db, record_id, moment(db)) == {"k": key, "n": 2}


def test_a_record_whose_key_changed_is_found_by_each_of_its_keys(db: Connection) -> None:
    """Case 5: both the old and the new key lead to the whole life of the record."""
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    db.execute("update public.item set id = 2, name = 'b'")
    at = moment(db)
    db.execute("update public.item set id = 3")
    db.execute("delete from public.item")
    one, two, three = (
        {"id": n, "name": name, "price": 1} for n, name in ((1, "a"), (2, "b"), (3, "b"))
    )
    life = [
        ("INSERT", "1", None, one),
        ("UPDATE", "2", one, two),
        ("UPDATE", "3", two, three),
        ("DELETE", "3", three, None),
    ]
    assert [history(db, key) for key in ("1", "2", "3")] == [life] * 3
    # At a moment it had one key only.
    assert [as_of(db, key, at) for key in ("1", "2", "3")] == [None, two, None]


def test_records_that_change_places_keep_their_own_lives(db: Connection) -> None:
    """Case 5: two records get each other's key, by way of a third one."""
    make(db, "id integer primary key, name text")
    db.execute("insert into public.item values (1, 'a'), (2, 'b')")
    before = moment(db)
    for old, new in ((1, 0), (2, 1), (0, 2)):
        db.execute("update public.item set id = %s where id = %s", (new, old))
    after = moment(db)
    db.execute("update public.item set name = upper(name) where id = 1")
    for at, names in ((before, ["a", "b"]), (after, ["b", "a"]), (moment(db), ["B", "a"])):
        assert [as_of(db, key, at)["name"] for key in ("1", "2")] == names
        assert (
            values(
                db,
                "select name from chronicle.rows_as_of(null::public.item, %s) order by id",
                (at,),
            )
            == names
        )


def test_records_that_may_have_changed_places_at_once_are_not_told_apart(db: Connection) -> None:
    """Case 5: while a deferrable key is not looked at, two rows may bear it. History does not
    guess."""
    make(db, "id integer primary key deferrable, name text")
    db.execute("insert into public.item values (1, 'a'), (2, 'b')")
    before = moment(db)
    db.execute("update public.item set id = 3 - id")
    after = moment(db)
    db.execute("update public.item set name = upper(name) where id = 1")
    table = "select id, name from chronicle.rows_as_of(null::public.item, %s) order by id"
    assert sqlstate(db, table, (before,)) == "ZC007"
    assert sqlstate(db, "select chronicle.record_history('public.item', '1')") == "ZC007"
    # What changed before is in the log all the same, and what was since is known.
    assert {(old["id"], new["id"]) for _, _, old, new, _ in changes(db)[2:4]} == {(1, 2), (2, 1)}
    assert rows(db, table, (after,)) == [(1, "b"), (2, "a")]


def test_a_key_that_is_used_again_has_two_lives_with_nothing_between(db: Connection) -> None:
    """Case 6: the same record, its second life visible."""
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    first = moment(db)
    db.execute("delete from public.item")
    between = moment(db)
    db.execute("insert into public.item values (1, 'b', 2)")
    one, two = {"id": 1, "name": "a", "price": 1}, {"id": 1, "name": "b", "price": 2}
    assert history(db, "1") == [
        ("INSERT", "1", None, one),
        ("DELETE", "1", one, None),
        ("INSERT", "1", None, two),
    ]
    assert [as_of(db, "1", at) for at in (first, between, moment(db))] == [one, None, two]


def test_the_history_of_a_table_without_a_key_is_refused(db: Connection) -> None:
    """Case 7: without a key there are no records to ask for."""
    make(db, "v text")
    db.execute("insert into public.item values ('a'), ('a')")
    at = moment(db)
    for query in (
        "select * from chronicle.record_history('public.item', 'a')",
        f"select chronicle.record_as_of('public.item', 'a', '{at}')",
        f"select * from chronicle.rows_as_of(null::public.item, '{at}')",
    ):
        assert sqlstate(db, query) == "55000"


def test_a_table_without_a_key_may_be_given_columns_for_one(db: Connection) -> None:
    """Case 7: what names a row may be said where the table does not say it."""
    make(db, "a text, b integer, v text", "_key_columns => '{b,a}'")
    db.execute("insert into public.item values ('x', 1, 'v'), ('x', 2, 'v')")
    db.execute("update public.item set v = 'w' where b = 2")
    key = value(db, "select record_id from chronicle.row_changes where action = 'UPDATE'")
    assert as_of(db, key, moment(db)) == {"a": "x", "b": 2, "v": "w"}
    assert row(db, "select key_columns from chronicle.tracked_tables") == (["b", "a"],)
    run(db, "create table public.keyed (id integer primary key, b integer)")
    refused = refusal(db, "select chronicle.enable_tracking('public.keyed', _key_columns => '{b}')")
    assert refused.sqlstate == "22023"


def test_a_constraint_that_is_renamed_changes_nothing(db: Connection) -> None:
    """Case 8: the name of the primary key's constraint is nothing to capture."""
    make(db, ITEM)
    db.execute("alter table public.item rename constraint item_pkey to k")
    db.execute("alter index public.k rename to l")
    db.execute("insert into public.item values (1, 'a', 1)")
    assert changes(db) == [("INSERT", "1", None, {"id": 1, "name": "a", "price": 1}, None)]
    assert value(db, "select state from chronicle.tracked_tables") == "tracked"


def test_a_key_column_that_is_renamed_goes_on_with_its_history(db: Connection) -> None:
    """Case 8: the key column bears another name since."""
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    at = moment(db)
    db.execute("alter table public.item rename column id to code")
    db.execute("update public.item set name = 'b'")
    db.execute("select chronicle.refresh_tracking('public.item')")
    db.execute("update public.item set name = 'c'")
    assert set(values(db, "select record_id from chronicle.row_changes")) == {"1"}
    assert [each[0] for each in history(db, "1")] == ["INSERT", "UPDATE", "UPDATE"]
    assert as_of(db, "1", at) == {"id": 1, "name": "a", "price": 1}
    assert as_of(db, "1", moment(db)) == {"code": 1, "name": "c", "price": 1}


def test_a_key_that_is_replaced_by_another_is_taken_up(db: Connection) -> None:
    """Case 8: the key is dropped, and the table gets another."""
    make(db, "id integer primary key, code text not null")
    db.execute("insert into public.item values (1, 'a')")
    db.execute("alter table public.item drop constraint item_pkey")
    db.execute("insert into public.item values (2, 'b')")
    db.execute("alter table public.item add primary key (code)")
    db.execute("select chronicle.refresh_tracking('public.item')")
    db.execute("insert into public.item values (3, 'c')")
    assert [each[:2] for each in changes(db)] == [("INSERT", "1"), ("INSERT", "2"), ("INSERT", "c")]
    assert row(db, "select key_columns, state from chronicle.tracked_tables") == (
        *(["code"], "tracked"),
    )


def test_the_history_of_a_renamed_table_is_asked_for_by_its_new_name(db: Connection) -> None:
    """Case 11: the table, its schema and the schema of its later life bear other names."""
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    at = moment(db)
    db.execute("create schema store")
    db.execute("alter table public.item rename to article")
    db.execute("alter table public.article set schema store")
    db.execute("alter schema store rename to shelves")
    db.execute("update shelves.article set name = 'b'")
    # Another table of the former name is another table.
    track_again = "create table public.item (id integer primary key)"
    db.execute(track_again)
    track(db)
    db.execute("insert into public.item values (1)")
    assert [each[0] for each in history(db, "1", "shelves.article")] == ["INSERT", "UPDATE"]
    assert as_of(db, "1", at, "shelves.article") == {"id": 1, "name": "a", "price": 1}
    assert [each[0] for each in history(db, "1")] == ["INSERT"]
