"""Capture: a value, a key, a name is recorded as it is, and what is hidden is not."""

import json
from typing import Any

import psycopg
import pytest

from ask import event, events, row, rows, run, value, values
from capturing import ITEM, changes, make, track
from support import Connection


def images(db: Connection) -> list[Any]:
    """What was captured, the values as text: nothing is lost on the way to Python."""
    return rows(
        db,
        """
        select action, old_values::text, new_values::text
        from chronicle.row_changes order by seq
        """,
    )


# Values.


@pytest.mark.parametrize(
    ("type_name", "one", "other"),
    [
        ("numeric", "1.0", "1.00"),
        ("numeric", "'NaN'", "0"),
        ("float8", "'-0'", "0"),
        ("float8", "'NaN'", "null"),
        ("jsonb", "null", "'null'"),
        ("jsonb", "'1.0'", "'1.00'"),
        ("json", "null", "'null'"),
        ("json", "'{}'", "'{ }'"),
        ("json", """'{"a": 1, "a": 2}'""", """'{"a": 2}'"""),
        ("text", "null", "''"),
        ("text", "'a'", "'A'"),
        ("text", "'a'", "'a '"),
        ("interval", "'1 day'", "'24 hours'"),
        ("timetz", "'12:00+00'", "'13:00+01'"),
        ("numeric[]", "'{1.0}'", "'{1.00}'"),
        ("text[]", "'{}'", "null"),
        ("text[]", "'{NULL}'", """'{"NULL"}'"""),
        ("integer[]", "'{1,2}'", "'{1,2,3}'"),
        ("inet", "'10.0.0.1/32'", "'10.0.0.1/24'"),
        ("bit(3)", "'101'", "'100'"),
        ("point", "'(0,0)'", "'(0,1e-12)'"),
        ("numrange", "'[1.0,2)'", "'[1.00,2)'"),
        ("tsvector", "'a:1'", "'a:2'"),
        ("bytea", r"'\x00'", r"'\x0000'"),
    ],
)
def test_a_change_that_some_equality_overlooks_is_recorded(
    db: Connection, type_name: str, one: str, other: str
) -> None:
    make(db, f"id integer primary key, v {type_name}")
    run(db, f"insert into public.item values (1, {one})")
    run(db, f"update public.item set v = {other}")
    run(db, f"update public.item set v = {one}")
    recorded = rows(
        db,
        """
        select action, changed_columns, (old_values -> 'v')::text, (new_values -> 'v')::text
        from chronicle.row_changes order by seq
        """,
    )
    assert [each[:2] for each in recorded] == [
        *(("INSERT", None), ("UPDATE", ["v"]), ("UPDATE", ["v"])),
    ]
    (_, _, _, first), (_, _, before, second), (_, _, third, last) = recorded
    assert (first, second) == (before, third)
    assert first == last
    assert first != second


@pytest.mark.parametrize(
    ("type_name", "literal", "recorded"),
    [
        ("smallint", "-32768", "-32768"),
        ("bigint", "9223372036854775807", "9223372036854775807"),
        ("numeric", "12345678901234567890.12345678901234567890", None),
        ("numeric", "'NaN'", '"NaN"'),
        ("numeric(10,2)", "1", "1.00"),
        ("float8", "0.1::float8 + 0.2::float8", "0.30000000000000004"),
        ("float8", "'-Infinity'", '"-Infinity"'),
        ("float4", "0.1", "0.1"),
        ("boolean", "true", "true"),
        ("text", r"E'a\n\t\"\\ü\u2028'", '"a\\n\\t\\"\\\\ü\u2028"'),
        ("char(4)", "'ab'", '"ab  "'),
        ("bytea", r"'\x00ff'", r'"\\x00ff"'),
        ("uuid", "'0C1E9B1E-0000-4000-8000-00000000000A'", None),
        ("date", "'4713-01-01 BC'", '"4713-01-01 BC"'),
        ("date", "'infinity'", '"infinity"'),
        ("timestamp", "'2026-03-29 02:30'", '"2026-03-29T02:30:00"'),
        ("timestamptz", "'2026-01-01 00:00:00.123456+02'", '"2025-12-31T22:00:00.123456+00:00"'),
        ("timestamptz", "'-infinity'", '"-infinity"'),
        ("interval", "'1 year 2 mons 3 days 04:05:06.789'", '"P1Y2M3DT4H5M6.789S"'),
        ("time", "'24:00'", '"24:00:00"'),
        ("inet", "'2001:db8::1/64'", '"2001:db8::1/64"'),
        ("integer[]", "'{{1,2},{3,NULL}}'", "[[1, 2], [3, null]]"),
        ("text[]", "'{}'", "[]"),
        ("timestamptz[]", "'{2026-01-01 00:00+02}'", '["2025-12-31T22:00:00+00:00"]'),
        ("int4range", "'[1,5]'", '"[1,6)"'),
        ("int4range", "'empty'", '"empty"'),
        ("tstzrange", "'[2026-01-01 00:00+02,)'", None),
        ("bit varying", "'0101'", '"0101"'),
        ("money", "'1234.5'", None),
        ("point", "'(1.5,-2)'", '"(1.5,-2)"'),
        ("tsvector", "'a:1 b'", """"'a':1 'b'\""""),
        ("jsonb", """'{"b": [1.50, null], "a": {}}'""", '{"a": {}, "b": [1.50, null]}'),
        ("json", """'{"b": 1}'""", '{"b": 1}'),
        # In a column of JSON, a string in the image is the text of the value.
        ("jsonb", "'null'", '"null"'),
        ("jsonb", """'"a"'""", r'"\"a\""'),
        ("jsonb", "'1.0'", "1.0"),
        ("json", "'null'", '"null"'),
        ("json", """' "a"'""", r'" \"a\""'),
        ("json", "'[1,2]'", '"[1,2]"'),
        ("json", "'[1, 2]'", "[1, 2]"),
        ("json", """'{"b": 1, "b": 1}'""", r'"{\"b\": 1, \"b\": 1}"'),
        ("json", """'{"b": 1, "a": 1}'""", r'"{\"b\": 1, \"a\": 1}"'),
        ("json", """'{"a": 1e2}'""", r'"{\"a\": 1e2}"'),
        ("json", r"""'{"a": "\u0000"}'""", r'"{\"a\": \"\\u0000\"}"'),
        ("json", r"""'{"a": "\u0041"}'""", r'"{\"a\": \"\\u0041\"}"'),
        ("json[]", "array[null, 'null', '[1]']::json[]", r'"{NULL,\"null\",[1]}"'),
        ("jsonb[]", """array['"a"']::jsonb[]""", r'"{\"\\\"a\\\"\"}"'),
        ("float8", "'-0'", '"-0"'),
        ("float4[]", "'{-0,0}'", '"{-0,0}"'),
        ("float8[]", "'{0,1}'", "[0, 1]"),
        ("oid", "4294967295", None),
        ("regclass", "'pg_class'", '"pg_class"'),
        ("xid", "'7'", '"7"'),
    ],
)
def test_a_value_is_recorded_as_it_is(
    db: Connection, type_name: str, literal: str, recorded: str | None
) -> None:
    make(db, f"id integer primary key, v {type_name}")
    run(db, f"insert into public.item values (1, {literal})")
    found = value(db, "select (new_values -> 'v')::text from chronicle.row_changes")
    if recorded is not None:
        assert found == recorded
    # And it leads back to the very same value.
    back = "(jsonb_populate_record(null::public.item, c.new_values)).v"
    if type_name in ("json", "jsonb"):
        back = f"(c.new_values ->> 'v')::{type_name}"
    assert (
        value(
            db,
            f"""
        select row(i.v)::record operator(pg_catalog.*=) row({back})::record
        from public.item as i cross join chronicle.row_changes as c
        """,
        )
        is True
    ), found


def test_a_text_that_only_its_collation_holds_for_equal_is_recorded(db: Connection) -> None:
    any_case = (
        "create collation public.any_case "
        "(provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
    try:
        with db.transaction():
            run(db, any_case)
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("the server was built without ICU")
    make(db, "id integer primary key, v text collate public.any_case")
    db.execute("insert into public.item values (1, 'a')")
    db.execute("update public.item set v = 'A'")
    assert changes(db)[1] == ("UPDATE", "1", {"v": "a"}, {"v": "A"}, ["v"])


SETTINGS = {
    "timezone": ("UTC", "Asia/Kathmandu"),
    "datestyle": ("ISO, MDY", "German, DMY"),
    "intervalstyle": ("postgres", "sql_standard"),
    "bytea_output": ("hex", "escape"),
    "extra_float_digits": ("1", "-15"),
    "xmlbinary": ("base64", "hex"),
    "quote_all_identifiers": ("off", "on"),
    "search_path": ("public", ""),
}


def test_settings_of_the_session_make_no_difference(db: Connection) -> None:
    db.execute("create type public.pair as (at timestamptz, amount float8, span interval)")
    db.execute("create type public.moments as range (subtype = timestamptz)")
    columns = {
        "a": ("timestamptz", "'2026-01-02 03:04:05+00'"),
        "b": ("date", "'2026-01-02'"),
        "c": ("interval", "'1 year -2 days 03:04'"),
        "d": ("bytea", r"'\xdeadbeef'::bytea"),
        "e": ("float8", "1.0::float8 / 3"),
        "f": ("float4[]", "array[1.0::float4 / 3]"),
        "g": ("tstzrange", "'[2026-01-02 03:04+00,)'"),
        "h": ("daterange", "'[2026-01-02,2026-02-03)'"),
        "i": ("timestamptz[]", "array['2026-01-02 03:04:05+00'::timestamptz]"),
        "j": ("public.pair", "row('2026-01-02 03:04+00', 1.0::float8 / 3, '36 hours')"),
        "k": ("public.moments", "'[\"2026-01-02 03:04+00\",)'"),
        "l": ("point", "point(1.0::float8 / 3, 0)"),
        "m": ("timestamp", "'2026-01-02 03:04:05'"),
        "n": ("money", "1234.5::money"),
        "o": ("interval[]", "array['1 mon -1 day'::interval]"),
        "p": ("regclass", "'public.item'::regclass"),
        "q": ("timestamptz", "'2026-07-02 03:04:05+00'"),
    }
    listed = ", ".join(f"{name} {type_name}" for name, (type_name, _) in columns.items())
    db.execute(f"create table public.item ({listed}, primary key (a, c, d, e, q))".encode())
    track(db)
    literals = ", ".join(literal for _, literal in columns.values())
    for place in (0, 1):
        for name, values_of_it in SETTINGS.items():
            db.execute("select set_config(%s, %s, true)", (name, values_of_it[place]))
        run(db, f"insert into public.item values ({literals})".replace("'public.item'", "1259"))
        run(db, "delete from public.item")
    first, second = images(db)[:2], images(db)[2:]
    assert first == second
    assert len(set(values(db, "select record_id from chronicle.row_changes"))) == 1


def test_settings_make_no_difference_within_a_type_that_a_user_made(db: Connection) -> None:
    db.execute(
        "create type public.bundle as (at timestamptz, amount float8, span interval, bytes bytea)"
    )
    make(db, "id integer primary key, v public.bundle")
    for place in (0, 1):
        for name, values_of_it in SETTINGS.items():
            db.execute("select set_config(%s, %s, true)", (name, values_of_it[place]))
        db.execute(
            """
            insert into public.item values (
                1, row('2026-01-02 03:04:05+00', 1.0::float8 / 3, '36 hours', '\\xff'::bytea)
            )
            """
        )
        db.execute("delete from public.item")
    assert images(db)[:2] == images(db)[2:]


def test_a_json_null_is_not_a_missing_value(db: Connection) -> None:
    make(db, "id integer primary key, v jsonb")
    db.execute("insert into public.item values (1, null)")
    db.execute("update public.item set v = 'null'")
    db.execute("""update public.item set v = '"null"'""")
    db.execute("update public.item set v = null")
    assert [each[2:] for each in changes(db)] == [
        (None, {"id": 1, "v": None}, None),
        ({"v": None}, {"v": "null"}, ["v"]),
        ({"v": "null"}, {"v": '"null"'}, ["v"]),
        ({"v": '"null"'}, {"v": None}, ["v"]),
    ]


def test_an_array_keeps_its_bounds(db: Connection) -> None:
    make(db, "id integer primary key, v integer[]")
    db.execute("insert into public.item values (1, '{1,2}')")
    db.execute("update public.item set v = '[0:1]={1,2}'")
    db.execute("update public.item set v = '[1:1][2:3]={{1,2}}'")
    assert [each[2:4] for each in changes(db)] == [
        (None, {"id": 1, "v": [1, 2]}),
        ({"v": [1, 2]}, {"v": "[0:1]={1,2}"}),
        ({"v": "[0:1]={1,2}"}, {"v": "[1:1][2:3]={{1,2}}"}),
    ]


def test_a_column_that_did_not_change_is_not_stored_again(db: Connection) -> None:
    make(db, "id integer primary key, n integer, document text")
    db.execute("alter table public.item alter column document set storage external")
    db.execute("insert into public.item values (1, 1, repeat('x', 100000))")
    db.execute("update public.item set n = 2")
    assert changes(db)[1] == ("UPDATE", "1", {"n": 1}, {"n": 2}, ["n"])


@pytest.mark.parametrize("count", [49, 50, 51, 100, 101, 1500])
def test_a_table_may_have_many_columns(db: Connection, count: int) -> None:
    names = [f"c{number}" for number in range(count)]
    make(db, "id integer primary key, " + ", ".join(f"{name} integer" for name in names))
    db.execute("insert into public.item (id, c0) values (1, 7)")
    run(db, f"update public.item set c{count - 1} = 8, c1 = 9")
    (_, _, _, inserted, _), (_, _, before, after, changed) = changes(db)
    assert inserted == dict.fromkeys(names) | {"id": 1, "c0": 7}
    assert (before, after) == ({"c1": None, names[-1]: None}, {"c1": 9, names[-1]: 8})
    assert changed == ["c1", names[-1]]


# Values that cannot be rendered.


def test_a_nul_in_json_is_recorded_by_its_text(db: Connection) -> None:
    make(db, "id integer primary key, v json, n integer")
    db.execute("""insert into public.item values (1, '{"a": "\\u0000"}', 1)""")
    db.execute("""update public.item set v = '{"a": "\\u0000\\u0000"}', n = 2""")
    db.execute("update public.item set n = 3")
    db.execute("delete from public.item")
    recorded = rows(
        db,
        """
        select action, record_id, old_values, new_values, changed_columns, payload_error
        from chronicle.row_changes order by seq
        """,
    )
    one, two = (json.dumps({"a": "\0" * count}) for count in (1, 2))
    assert recorded == [
        ("INSERT", "1", None, {"id": 1, "v": one, "n": 1}, None, None),
        ("UPDATE", "1", {"v": one, "n": 1}, {"v": two, "n": 2}, ["v", "n"], None),
        ("UPDATE", "1", {"n": 2}, {"n": 3}, ["n"], None),
        ("DELETE", "1", {"id": 1, "v": two, "n": 3}, None, None, None),
    ]


# Keys.


@pytest.mark.parametrize(
    ("type_name", "literal", "record_id"),
    [
        ("integer", "1", "1"),
        ("bigint", "9007199254740993", "9007199254740993"),
        ("numeric", "1.50", "1.50"),
        ("uuid", "'0C1E9B1E-0000-4000-8000-00000000000A'", "0c1e9b1e-0000-4000-8000-00000000000a"),
        ("text", "'a:b'", "a:b"),
        ("text", "''", ""),
        ("text", r"""E'a"b\\c{}%s\'ü'""", """a"b\\c{}%s'ü"""),
        ("char(3)", "'a'", "a  "),
        ("date", "'2026-01-02'", "2026-01-02"),
        ("timestamptz", "'2026-01-02 03:04:05.6+02'", "2026-01-02 01:04:05.6+00"),
        ("bytea", r"'\x00ff'", r"\x00ff"),
        ("boolean", "true", "t"),
        ("public.colour", "'red'", "red"),
        ("public.code", "'X1'", "X1"),
        ("integer[]", "'{1,2}'", "{1,2}"),
        ("inet", "'10.0.0.1'", "10.0.0.1"),
    ],
)
def test_a_record_is_found_by_its_key(
    db: Connection, type_name: str, literal: str, record_id: str
) -> None:
    db.execute("create type public.colour as enum ('red')")
    db.execute("create domain public.code as text check (value ^@ 'X')")
    db.execute("set local timezone = 'Asia/Kathmandu'")
    db.execute("set local bytea_output = 'escape'")
    make(db, f"k {type_name} primary key, n integer")
    run(db, f"insert into public.item values ({literal}, 1)")
    db.execute("update public.item set n = 2")
    db.execute("delete from public.item")
    assert [each[:2] for each in changes(db)] == [
        *(("INSERT", record_id), ("UPDATE", record_id), ("DELETE", record_id))
    ]


def test_a_composite_key_is_a_json_object(db: Connection) -> None:
    make(db, 'a text, b integer, "c d" text, n integer, primary key (b, a, "c d")')
    db.execute("insert into public.item values ('x:y', 1, 'z', 0), ('x', 1, 'y:z', 0)")
    assert [json.loads(each[1]) for each in changes(db)] == [
        {"b": "1", "a": "x:y", "c d": "z"},
        {"b": "1", "a": "x", "c d": "y:z"},
    ]
    assert row(db, "select key_columns from chronicle.tracked_tables") == (["b", "a", "c d"],)


def test_a_table_without_a_key_is_recorded_row_by_row(db: Connection) -> None:
    make(db, "v text")
    db.execute("insert into public.item values ('a'), ('a')")
    db.execute("update public.item set v = 'b'")
    db.execute("delete from public.item")
    assert changes(db) == [
        *[("INSERT", None, None, {"v": "a"}, None)] * 2,
        *[("UPDATE", None, {"v": "a"}, {"v": "b"}, ["v"])] * 2,
        *[("DELETE", None, {"v": "b"}, None, None)] * 2,
    ]
    assert row(db, "select key_columns, state from chronicle.tracked_tables") == ([], "tracked")


def test_a_changed_key_leads_from_the_one_record_to_the_other(db: Connection) -> None:
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    db.execute("update public.item set id = 2")
    changed = event(
        db, value(db, "select event_id from chronicle.row_changes where action = 'UPDATE'")
    )
    what = ("resource_id", "related_resources", "details_before", "details_after")
    assert tuple(changed[each] for each in what) == (
        "2",
        [{"relation": "previous_key", "resource_type": "item", "resource_id": "1"}],
        {"id": 1},
        {"id": 2},
    )


def test_a_changed_part_of_a_composite_key_names_the_whole_earlier_key(db: Connection) -> None:
    make(db, "a integer, b integer, primary key (a, b)")
    db.execute("insert into public.item values (1, 2)")
    db.execute("update public.item set b = 3")
    changed = event(
        db, value(db, "select event_id from chronicle.row_changes where action = 'UPDATE'")
    )
    (related,) = changed["related_resources"]
    assert json.loads(changed["resource_id"]) == {"a": "1", "b": "3"}
    assert json.loads(related["resource_id"]) == {"a": "1", "b": "2"}


def test_a_key_that_is_used_again_is_the_same_record(db: Connection) -> None:
    make(db, ITEM)
    for name in ("a", "b"):
        db.execute("insert into public.item values (1, %s, 1)", (name,))
        db.execute("delete from public.item")
    assert [each[:2] for each in changes(db)] == [
        *(("INSERT", "1"), ("DELETE", "1"), ("INSERT", "1"), ("DELETE", "1"))
    ]


@pytest.mark.parametrize("length", [300, 1000, 1001, 2688])
def test_a_long_key_does_not_break_the_write(db: Connection, length: int) -> None:
    make(db, "k text primary key, org text, n integer", "_organization_column => 'org'")
    digits = "(select string_agg(md5(n::text), '') from generate_series(1, 100) as n)"
    run(
        db,
        f"insert into public.item "
        f"select substr({digits}, 1, {length}), substr({digits}, 2, {length}), 1",
    )
    db.execute("update public.item set n = 2")
    key, digest = row(
        db, "select k, 'sha256:' || encode(sha256(convert_to(k, 'UTF8')), 'hex') from public.item"
    )
    assert len(key) == length
    record_id = key if length <= 1000 else digest
    assert [each[1] for each in changes(db)] == [record_id] * 2
    assert changes(db)[0][3]["k"] == key
    db.execute("update public.item set k = 'short'")
    previous = {"relation": "previous_key", "resource_type": "item", "resource_id": record_id}
    assert [each["related_resources"] for each in events(db, "item", "related_resources")] == [
        *(None, None, [previous])
    ]


def test_long_parts_of_a_key_that_change_do_not_break_the_write(db: Connection) -> None:
    make(db, "a text, b text, primary key (a, b)")
    # As long as a primary key allows, and nothing that could be compressed.
    db.execute(
        """
        insert into public.item
        select left(r.text, 1340), right(r.text, 1340)
        from (
            select string_agg(encode(sha256(int4send(n)), 'base64'), '') as text
            from generate_series(1, 100) as n
        ) as r
        """
    )
    db.execute("update public.item set a = 'x' || substr(a, 2)")
    first, second = values(db, "select record_id from chronicle.row_changes order by seq")
    (related,) = events(db, "item", "related_resources")[1]["related_resources"]
    assert related["resource_id"] == first
    assert len(first) == len(second) == len("sha256:") + 64
    assert first != second


# Names.

NASTY = [
    'double"quote',
    "single'quote",
    "percent%s%%d",
    "back\\slash",
    "curly{}bracket[]",
    "dot.dot",
    "comma,semi;colon",
    " spaces ",
    "dollar$body$",
    "select",
    "new",
    "v_before",
    "Ünïcödé ☃",
    "-- comment",
    "x" * 63,
]


@pytest.mark.parametrize("name", NASTY)
def test_any_name_may_be_that_of_a_table_or_a_column(db: Connection, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    run(db, f"create schema {quoted}")
    run(
        db,
        f'create table {quoted}.{quoted} ({quoted} text primary key, "org%s" text, b text, c text)',
    )
    db.execute(
        """
        select chronicle.enable_tracking(
            format('%%1$I.%%1$I', %(name)s::text)::regclass, _organization_column => 'org%%s'
        )
        """,
        {"name": name},
    )
    run(db, f"insert into {quoted}.{quoted} values ('k', 'o', 'b', 'c')")
    run(db, f"update {quoted}.{quoted} set {quoted} = 'l', b = 'd'")
    assert rows(
        db,
        """
        select schema_name, table_name, record_id, new_values, changed_columns, organization_id
        from chronicle.row_changes order by seq
        """,
    ) == [
        (name, name, "k", {name: "k", "org%s": "o", "b": "b", "c": "c"}, None, "o"),
        (name, name, "l", {name: "l", "b": "d"}, [name, "b"], "o"),
    ]
    run(
        db,
        f"select chronicle.disable_tracking(to_regclass('{quoted.replace(chr(39), chr(39) * 2)}."
        f"{quoted.replace(chr(39), chr(39) * 2)}'))",
    )


@pytest.mark.parametrize("name", NASTY)
def test_any_name_may_be_that_of_a_masked_an_excluded_or_an_organization_column(
    db: Connection, name: str
) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    for place, option in enumerate(("_mask_columns", "_exclude_columns", "_organization_column")):
        table = f"public.item_{place}"
        run(db, f"create table {table} (id integer primary key, {quoted} text)")
        given = name if option == "_organization_column" else [name]
        db.execute(
            f"select chronicle.enable_tracking(%s::regclass, {option} => %s)".encode(),
            (table, given),
        )
        run(db, f"insert into {table} values (1, 'secret')")
    assert rows(
        db, "select new_values, organization_id from chronicle.row_changes order by seq"
    ) == [
        ({"id": 1, name: "[masked]"}, None),
        ({"id": 1}, None),
        ({"id": 1, name: "secret"}, "secret"),
    ]


def test_tables_of_one_name_in_two_schemas_are_two(db: Connection) -> None:
    for schema in ("one", "two"):
        run(db, f"create schema {schema}")
        run(db, f"create table {schema}.item (id integer primary key)")
        track(db, table=f"{schema}.item")
        run(db, f"insert into {schema}.item values (1)")
    assert rows(
        db, "select schema_name, table_name, record_id from chronicle.row_changes order by seq"
    ) == [("one", "item", "1"), ("two", "item", "1")]
    assert value(db, "select count(distinct table_id) from chronicle.row_changes") == 2


def test_a_renamed_table_goes_on_with_its_history(db: Connection) -> None:
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    db.execute("create schema store")
    db.execute("alter table public.item rename to article")
    db.execute("alter table public.article set schema store")
    db.execute("update store.article set name = 'b'")
    assert rows(
        db,
        """
        select distinct schema_name, table_name, table_id, count(*) over ()
        from chronicle.row_changes
        """,
    ) == [("store", "article", value(db, "select table_id from chronicle.tracked_tables"), 2)]
    track(db, "_resource_type => 'item'", table="store.article")
    assert rows(db, "select schema_name, table_name, state from chronicle.tracked_tables") == [
        ("store", "article", "tracked")
    ]


def test_a_new_table_under_the_name_of_a_renamed_one_is_another(db: Connection) -> None:
    make(db, ITEM)
    db.execute("alter table public.item rename to article")
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    db.execute("insert into public.article values (1, 'a', 1)")
    assert rows(db, "select table_name from chronicle.row_changes order by seq") == [
        ("item",),
        ("article",),
    ]
    assert value(db, "select count(distinct table_id) from chronicle.row_changes") == 2


# Columns that are not recorded, or not shown.


def test_an_excluded_column_is_not_recorded(db: Connection) -> None:
    make(db, "id integer primary key, name text, note text", "_exclude_columns => '{note}'")
    db.execute("insert into public.item values (1, 'a', 'hidden')")
    db.execute("update public.item set note = 'hidden too'")
    db.execute("update public.item set note = 'hidden as well', name = 'b'")
    db.execute("delete from public.item")
    assert changes(db) == [
        ("INSERT", "1", None, {"id": 1, "name": "a"}, None),
        ("UPDATE", "1", {"name": "a"}, {"name": "b"}, ["name"]),
        ("DELETE", "1", {"id": 1, "name": "b"}, None, None),
    ]


def test_of_a_masked_column_is_recorded_that_it_changed(db: Connection) -> None:
    make(db, "id integer primary key, name text, note jsonb", "_mask_columns => '{note,name}'")
    db.execute("insert into public.item values (1, null, '1')")
    db.execute("update public.item set note = '2'")
    db.execute("update public.item set note = null, name = 'hidden'")
    db.execute("delete from public.item")
    expected: list[Any] = [
        ("INSERT", "1", None, {"id": 1, "name": None, "note": "[masked]"}, None),
        ("UPDATE", "1", {"note": "[masked]"}, {"note": "[masked]"}, ["note"]),
        (
            *("UPDATE", "1", {"name": None, "note": "[masked]"}),
            *({"name": "[masked]", "note": None}, ["name", "note"]),
        ),
        ("DELETE", "1", {"id": 1, "name": "[masked]", "note": None}, None, None),
    ]
    assert changes(db) == expected


def test_columns_named_like_secrets_are_masked_unless_told_otherwise(db: Connection) -> None:
    make(db, 'id integer primary key, password text, "apiKey" text, passwords text')
    assert row(db, "select masked_columns from chronicle.tracked_tables") == (
        ["password", "apiKey"],
    )
    db.execute("insert into public.item values (1, 'x', 'y', 'z')")
    track(db, "_mask_columns => '{}'")
    db.execute("update public.item set password = 'q'")
    assert changes(db) == [
        (
            *("INSERT", "1", None),
            *({"id": 1, "password": "[masked]", "apiKey": "[masked]", "passwords": "z"}, None),
        ),
        ("UPDATE", "1", {"password": "x"}, {"password": "q"}, ["password"]),
    ]


def test_a_key_named_like_a_secret_is_not_masked(db: Connection) -> None:
    make(db, "token text primary key")
    db.execute("insert into public.item values ('t-1')")
    assert changes(db) == [("INSERT", "t-1", None, {"token": "t-1"}, None)]


@pytest.mark.parametrize(
    ("option", "given"), [("_mask_columns", "'{note}'"), ("_exclude_columns", "'{note}'")]
)
def test_what_is_hidden_stays_so_when_something_goes_wrong(
    db: Connection, option: str, given: str
) -> None:
    make(db, "id integer primary key, v json, note text", f"{option} => {given}")
    db.execute("""insert into public.item values (1, '"\\u0000"', 'hidden')""")
    db.execute("alter table public.item rename column v to w")
    db.execute("update public.item set note = 'hidden too', w = '2'")
    db.execute("alter table public.item alter column note type integer using 12345678")
    db.execute("update public.item set note = 12345679, w = '3'")
    # Which of the columns that are new is the one that was to be hidden?
    db.execute("alter table public.item rename column note to comment")
    db.execute("update public.item set comment = 12345670, w = '4'")
    db.execute("truncate public.item")
    assert rows(db, "select outcome from chronicle.refresh_tracking()") == [("refreshed",)]
    db.execute("insert into public.item values (1, '5', 12345671)")
    whole = values(db, "select e::text from chronicle.events as e where e.origin = 'captured'")
    assert len(whole) == 7
    assert [each for each in whole if "hidden" in each or "123456" in each] == []
    # Once that is known, the other is shown again.
    assert changes(db)[-1][3] == {"id": 1, "w": 5} | (
        {"comment": "[masked]"} if option == "_mask_columns" else {}
    )
