"""The nasty schema, performed whole: what was captured is compared with what the tables held."""

from collections.abc import Iterator

import psycopg
import pytest

from ask import rows, sqlstate, values
from conformance import nasty
from support import INSTALLER, Cluster, Database


@pytest.fixture(scope="module")
def play(cluster: Cluster, template: str, database_names: Iterator[str]) -> Iterator[nasty.Play]:
    """The play, performed once."""
    name = next(database_names)
    cluster.execute("create database {} owner {} template {}", name, INSTALLER, template)
    database = Database(cluster, name)
    try:
        nasty.add_extensions(database.connect(cluster.superuser, autocommit=True))
        # So that what takes for ever is red.
        yield nasty.perform(database.connect(autocommit=True, options="-c statement_timeout=20s"))
    finally:
        database.close()
        cluster.execute("drop database {} with (force)", name)


def test_every_built_in_type_has_a_part(play: nasty.Play) -> None:
    """Case 41: a type that a new version brings is missed here before it is missed by a user."""
    known = nasty.SAMPLES.keys() | nasty.WITHOUT_INPUT.keys()
    assert [each for each in nasty.base_types(play.connection) if each not in known] == []


def test_every_table_is_tracked_without_complaint(play: nasty.Play) -> None:
    """Case 9: whatever its name and those of its columns, as many as there may be."""
    tables = values(
        play.connection,
        """
        select c.relname from pg_class as c
        where c.relnamespace = quote_ident(%s)::regnamespace and c.relkind in ('r', 'p')
            and not c.relispartition
        """,
        (nasty.SCHEMA,),
    )
    assert sorted(tables) == sorted(table.name for table in play.tables)
    tracked = rows(
        play.connection,
        "select table_name, state, problem, not_covered <> '{}' from chronicle.tracked_tables",
    )
    # A truncate would be recorded without the rows that row-level security hides.
    assert sorted(tracked) == sorted((name, "tracked", None, name == "secured") for name in tables)


def test_every_kind_of_change_of_every_table_is_recorded(play: nasty.Play) -> None:
    """Case 13: that each table has had an insert, an update, a delete and a truncate."""
    done = {"insert": "INSERT", "update": "UPDATE", "delete": "DELETE", "truncate": "TRUNCATE"}
    expected = {
        (table.name, action)
        for table in play.tables
        for act, action in done.items()
        if table.acts.get(act)
    }
    found = set(rows(play.connection, "select table_name, action from chronicle.row_changes"))
    assert expected - found == set()


def test_no_value_is_too_much_for_an_event(play: nasty.Play) -> None:
    """Case 47: every value of every type could be recorded."""
    errors = rows(
        play.connection,
        """
        select table_name, action, record_id, payload_error from chronicle.row_changes
        where payload_error is not null
        """,
    )
    assert errors == []


def wrong_rows(play: nasty.Play, act: str) -> dict[str, object]:
    """The tables that did not come back as they were after an act, and what is wrong with them."""
    at = play.moments[act]
    wrong: dict[str, object] = {}
    for table in play.tables:
        if not table.has_key or table.name == nasty.WITHOUT_WAY_BACK:
            continue
        query = f"select * from chronicle.rows_as_of(null::{table.path}, '{at}')"
        if table.name == nasty.SWAPPED and act in nasty.BEFORE_KEYS_CHANGE:
            assert sqlstate(play.connection, query) == "ZC007"
            continue
        try:
            with play.connection.transaction():
                found = nasty.differences(
                    play.connection, f"select * from {play.kept(act, table)}", query
                )
        except psycopg.Error as error:
            wrong[table.name] = error.diag.message_primary, error.diag.message_detail
        else:
            if found:
                wrong[table.name] = found
    return wrong


@pytest.mark.parametrize("act", ["before", *nasty.ACTS])
def test_what_every_table_held_comes_back_byte_for_byte(play: nasty.Play, act: str) -> None:
    """Case 47: after each act, in every table with a key, and for every type that is built in."""
    assert wrong_rows(play, act) == {}


ODD_SETTINGS = {
    "timezone": "Asia/Kathmandu",
    "datestyle": "German, DMY",
    "intervalstyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "xmlbinary": "hex",
    "xmloption": "document",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "search_path": "",
    "default_text_search_config": "pg_catalog.english",
}


def test_what_comes_back_does_not_depend_on_the_session_that_asks(play: nasty.Play) -> None:
    """Case 46: a session that is set otherwise than the one that wrote."""
    with play.connection.transaction(force_rollback=True):
        for name, setting in ODD_SETTINGS.items():
            play.connection.execute("select set_config(%s, %s, true)", (name, setting))
        assert wrong_rows(play, "update") == {}


def test_every_record_is_found_by_its_key(play: nasty.Play) -> None:
    """Cases 1 to 5: as many records were there as the table had rows, each under one key."""
    at = play.moments["key"]
    wrong: dict[str, object] = {}
    for table in play.tables:
        # The others have plain keys.
        if "key" not in table.name and table.name not in nasty.NAMES:
            continue
        if not table.has_key or table.name == nasty.SWAPPED:
            continue
        query = f"""
            select (select count(*) from {play.kept("key", table)}),
                count(chronicle.record_as_of({nasty.literal(table.path)}, k.record_id, '{at}'))
            from (
                select distinct record_id from chronicle.row_changes
                where table_name = {nasty.literal(table.name)} and record_id is not null
            ) as k
        """
        try:
            ((held, found),) = rows(play.connection, query)
        except psycopg.Error as error:
            wrong[table.name] = error.diag.message_primary, error.diag.message_detail
        else:
            if held != found:
                wrong[table.name] = held, found
    assert wrong == {}


def test_rows_without_a_key_are_recorded_as_they_were(play: nasty.Play) -> None:
    """Case 7: each row, duplicates too; what the whole table held can not be asked for."""
    for table in play.tables:
        if table.has_key:
            continue
        images = f"""
            select (jsonb_populate_record(null::{table.path}, new_values)).*
            from chronicle.row_changes where table_name = '{table.name}' and action = 'INSERT'
            order by seq limit (select count(*) from {play.kept("insert", table)})
        """
        kept = f"select * from {play.kept('insert', table)}"
        if table.name != "no columns":
            assert nasty.differences(play.connection, kept, images) == []
        assert (
            sqlstate(
                play.connection,
                f"select * from chronicle.rows_as_of(null::{table.path}, clock_timestamp())",
            )
            == "55000"
        )


def test_what_no_text_can_be_read_as_is_recorded_as_text(play: nasty.Play) -> None:
    """Case 47: values that the server makes for itself, and reads from no text."""
    table = next(each for each in play.tables if each.name == nasty.WITHOUT_WAY_BACK)
    (image,) = values(
        play.connection,
        "select new_values ->> 'c0' from chronicle.row_changes "
        "where table_name = %s and action = 'INSERT' order by seq limit 1",
        (table.name,),
    )
    kept = values(
        play.connection,
        f"select c0::text from {play.kept('insert', table)} where id = 0",
    )
    assert [image] == kept
    at = play.moments["insert"]
    query = f"select * from chronicle.rows_as_of(null::{table.path}, '{at}')"
    assert sqlstate(play.connection, query) == "0A000"
