"""Conformance, cases 33 to 47: a value is recorded as it is, and leads back to itself.
README.md says which test holds which case."""

from decimal import Decimal
from typing import Any

import pytest

from ask import rows, run, value, values
from capturing import changes, make
from pgchronicle import Chronicle
from support import Connection


def images(db: Connection) -> list[Any]:
    """The values of column v that were captured, as their JSON text: null is SQL's."""
    return rows(
        db,
        """
        select action, (old_values -> 'v')::text, (new_values -> 'v')::text, payload_error
        from chronicle.row_changes order by seq
        """,
    )


def write_each(db: Connection, type_name: str, literals: list[str]) -> list[Any]:
    """Writes values into a column of one row, one after the other. Gives moments after each."""
    make(db, f"id integer primary key, v {type_name}")
    moments: list[Any] = []
    for place, literal in enumerate(literals):
        if place == 0:
            run(db, f"insert into public.item values (1, {literal})")
        else:
            run(db, f"update public.item set v = {literal}")
        moments.append(value(db, "select clock_timestamp()"))
    return moments


def comes_back(db: Connection, type_name: str, literals: list[str], moments: list[Any]) -> bool:
    """Whether the row was at each moment, byte for byte, what had been written."""
    return all(
        value(
            db,
            f"""
            select row(r.*)::record operator(pg_catalog.*=) row(1, {literal}::{type_name})::record
            from chronicle.rows_as_of(null::public.item, %s) as r
            """,
            (at,),
        )
        for literal, at in zip(literals, moments, strict=True)
    )


@pytest.mark.parametrize("type_name", ["json", "jsonb"])
def test_the_three_nulls_of_json_are_three(db: Connection, type_name: str) -> None:
    """Case 33: SQL's null, JSON's null, and the string that reads like it."""
    literals = ["null", "'null'", "'\"null\"'", "null", "'\"null\"'", "'null'"]
    moments = write_each(db, type_name, literals)
    null, sql_null, text = '"null"', "null", '"\\"null\\""'
    assert [(old, new) for _, old, new, _ in images(db)] == [
        *((None, sql_null), (sql_null, null), (null, text)),
        *((text, sql_null), (sql_null, text), (text, null)),
    ]
    assert comes_back(db, type_name, literals, moments)


@pytest.mark.parametrize("type_name", ["float4", "float8"])
def test_the_two_zeros_of_a_float_are_two(db: Connection, type_name: str) -> None:
    """Case 35: minus zero, which JSON's numbers do not have."""
    literals = ["'-0'", "0", "'-0'"]
    moments = write_each(db, type_name, literals)
    assert [(old, new) for _, old, new, _ in images(db)] == [
        *((None, '"-0"'), ('"-0"', "0"), ("0", '"-0"')),
    ]
    assert comes_back(db, type_name, literals, moments)


@pytest.mark.parametrize("type_name", ["float4", "float8", "numeric"])
def test_numbers_that_are_none_to_json_are_recorded(db: Connection, type_name: str) -> None:
    """Case 35: not a number, and both infinities."""
    literals = ["'NaN'", "'Infinity'", "'-Infinity'", "0", "'NaN'"]
    moments = write_each(db, type_name, literals)
    assert [new for *_, new, _ in images(db)] == [
        *('"NaN"', '"Infinity"', '"-Infinity"', "0", '"NaN"'),
    ]
    assert comes_back(db, type_name, literals, moments)


def test_a_large_number_is_exact_in_python(db: Connection) -> None:
    """Case 36: integers beyond what a double holds, and decimals, through the client."""
    make(db, "id bigint primary key, v numeric, w bigint[]")
    db.execute(
        "insert into public.item values (9007199254740993, 1.10000000000000000001, "
        "'{9223372036854775807,-9007199254740993}')"
    )
    (change,) = Chronicle(db).row_changes(table="item").row_changes
    assert change.record_id == "9007199254740993"
    assert change.new_values is not None
    assert change.new_values == {
        "id": 9007199254740993,
        "v": Decimal("1.10000000000000000001"),
        "w": [9223372036854775807, -9007199254740993],
    }
    assert type(change.new_values["id"]) is int


def test_what_json_can_not_hold_of_json_is_kept_as_its_text(db: Connection) -> None:
    """Case 37: duplicate keys, white space, escapes that jsonb refuses; the write goes on."""
    literals = [
        """'{"a": 1, "a": 2}'""",
        """' {"a":1}\n'""",
        """'{"a":1}'""",
        r"""'{"a": "\u0000"}'""",
        r"""'"\ud800"'""",
        "'[1, 2]'",
        "'1e2'",
    ]
    moments = write_each(db, "json", literals)
    recorded = [new for *_, new, _ in images(db)]
    as_text = values(
        db, f"select to_jsonb(each)::text from unnest(array[{', '.join(literals)}]) as each"
    )
    for place in (0, 1, 3, 4):
        assert recorded[place] == as_text[place]
    assert [error for *_, error in images(db)] == [None] * len(literals)
    assert comes_back(db, "json", literals, moments)


def test_case_that_a_type_overlooks_is_recorded(db: Connection) -> None:
    """Case 41: citext, to which upper and lower case are equal."""
    require(db, "citext")
    moments = write_each(db, "citext", ["'a'", "'A'", "'A'"])
    assert [(old, new) for _, old, new, _ in images(db)] == [(None, '"a"'), ('"a"', '"A"')]
    assert comes_back(db, "citext", ["'a'", "'A'", "'A'"], moments)


def test_a_type_of_an_extension_comes_back(db: Connection) -> None:
    """Case 41: hstore, with its null and its quotes."""
    require(db, "hstore")
    literals = ["""'a=>NULL, "b,c"=>"d\\"e", f=>""'""", "''", "null"]
    moments = write_each(db, "hstore", literals)
    assert [error for *_, error in images(db)] == [None] * 3
    assert comes_back(db, "hstore", literals, moments)


def require(db: Connection, extension: str) -> None:
    found = rows(db, "select from pg_available_extensions where name = %s", (extension,))
    if not found:
        pytest.skip(f"the server does not come with {extension}")
    run(db, f"create extension {extension}")


@pytest.mark.parametrize("type_name", ["json", "jsonb"])
def test_a_key_that_was_removed_within_a_document_comes_back(
    db: Connection, type_name: str
) -> None:
    """Case 42: the whole document stands before and after."""
    literals = ["""'{"a": {"b": 1, "c": [2, null]}}'""", """'{"a": {"c": [2]}}'""", "'{}'"]
    moments = write_each(db, type_name, literals)
    assert [each[2:4] for each in changes(db)[1:]] == [
        ({"v": {"a": {"b": 1, "c": [2, None]}}}, {"v": {"a": {"c": [2]}}}),
        ({"v": {"a": {"c": [2]}}}, {"v": {}}),
    ]
    assert comes_back(db, type_name, literals, moments)


def test_generated_columns_stand_in_the_row_as_it_was(db: Connection, server_version: int) -> None:
    """Cases 43 and 44: a stored one is recorded, a virtual one is computed from what was."""
    virtual = server_version >= 180000
    make(
        db,
        ("thrice integer generated always as (3 * n) virtual, " if virtual else "")
        + "id integer primary key, twice integer generated always as (2 * n) stored, n integer",
    )
    db.execute("insert into public.item (id, n) values (1, 1), (2, null)")
    first = value(db, "select clock_timestamp()")
    db.execute("update public.item set n = coalesce(n, 0) + 10")
    query = (
        f"select id, n, twice, {'thrice' if virtual else '3 * n'} "
        "from chronicle.rows_as_of(null::public.item, %s) order by id"
    )
    assert rows(db, query, (first,)) == [(1, 1, 2, 3), (2, None, None, None)]
    now = value(db, "select clock_timestamp()")
    assert rows(db, query, (now,)) == [(1, 11, 22, 33), (2, 10, 20, 30)]


def test_a_column_that_was_added_later_with_a_default_stands_in_rows_of_before(
    db: Connection,
) -> None:
    """Case 45: a row on disk from before holds no value for it, and shows the default."""
    db.execute("create table public.item (gone text, id integer primary key, v text)")
    db.execute("insert into public.item values ('g', 1, 'a'), ('g', 2, 'b')")
    db.execute("alter table public.item drop column gone")
    db.execute("alter table public.item add column n numeric default 1.50")
    db.execute("select chronicle.enable_tracking('public.item')")
    at = value(db, "select clock_timestamp()")
    db.execute("update public.item set v = 'c' where id = 1")
    db.execute("delete from public.item where id = 2")
    assert [each[2:4] for each in changes(db)] == [
        ({"v": "a"}, {"v": "c"}),
        ({"id": 2, "v": "b", "n": Decimal("1.50")}, None),
    ]
    assert rows(
        db, "select id, v, n::text from chronicle.rows_as_of(null::public.item, %s)", (at,)
    ) == [(1, "a", "1.50"), (2, "b", "1.50")]


def test_money_does_not_depend_on_where_one_is(db: Connection) -> None:
    """Case 46: the currency of the session is not that of the record."""
    elsewhere = values(
        db,
        """
        select collcollate from pg_collation
        where collprovider = 'c' and collcollate ~ '^[a-z]+_[A-Z]+' order by 1
        """,
    )
    if not elsewhere:
        pytest.skip("the server knows no place but C")
    make(db, "id integer primary key, v money")
    for place in ("C", elsewhere[0]):
        db.execute("select set_config('lc_monetary', %s, true)", (place,))
        db.execute("insert into public.item values (1, 1234.5::numeric::money)")
        db.execute("delete from public.item")
    recorded = images(db)
    assert recorded[:2] == recorded[2:]
