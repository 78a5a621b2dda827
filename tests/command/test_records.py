"""Which table and which record a person means, whatever they type, and what they are told when
there is none such."""

import json
from typing import Any

import pytest

from ask import run
from command.running import done, pgchronicle
from pgchronicle import Chronicle
from support import Connection, Database

HISTORY = ("history", "as-of")


def ask(command: str, *arguments: object) -> Any:
    """How a question about a record ends."""
    at = ("--at", "2100-01-01") if command == "as-of" else ()
    return pgchronicle(command, *arguments, *at)


@pytest.fixture
def lines(auditor: Connection) -> str:
    """The name of a tracked table, whose key has two columns in another order than the table."""
    run(
        auditor,
        "create table lines (line_no integer, order_id text, item text, "
        "primary key (order_id, line_no))",
    )
    Chronicle(auditor).enable_tracking("lines")
    run(auditor, "insert into lines values (1, 'A \"7\"', 'tea'), (2, 'A \"7\"', 'milk')")
    return "lines"


# Tables


@pytest.mark.parametrize("command", [*HISTORY, "snapshot", "track", "untrack", "refresh"])
def test_table_of_another_schema_is_suggested(
    command: str, dsn: str, database: Database, auditor: Connection
) -> None:
    with database.connect("shopkeeper") as owner:
        run(owner, "create table shop.orders (id integer)")
        run(owner, "create table shop.customers (id integer)")
        run(owner, "grant usage on schema shop to installer")
    run(auditor, 'create table "Customers" (id integer)')
    key = (7,) if command in HISTORY else ()
    for name, hint in (
        ("orders", "Did you mean shop.orders?"),
        ("shop.order", "Did you mean shop.orders?"),
        ("customers", 'Did you mean public."Customers" or shop.customers?'),
        ("nothing.like.it", None),
        ("nowhere", '"pgchronicle tables" lists those that are tracked.'),
    ):
        result = ask(command, name, *key, "--dsn", dsn)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "Traceback" not in result.stderr
        if hint is not None:
            assert result.stderr == f"error: there is no table {name}\nhint: {hint}\n"


@pytest.mark.parametrize("command", [*HISTORY, "snapshot"])
def test_table_that_is_not_tracked_is_told_how_to_be(
    command: str, dsn: str, auditor: Connection
) -> None:
    run(auditor, "create table t (id integer primary key)")
    key = (7,) if command in HISTORY else ()
    result = ask(command, "t", *key, "--dsn", dsn)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "error: public.t is not tracked, so nothing is known of its past\n"
        "hint: To have its changes recorded from now on: pgchronicle track t\n"
    )


def test_table_that_was_dropped_is_told_where_its_events_are(dsn: str, auditor: Connection) -> None:
    run(auditor, "create table t (id integer primary key)")
    Chronicle(auditor).enable_tracking("t")
    run(auditor, "insert into t values (7)")
    run(auditor, "drop table t")
    result = ask("history", "t", 7, "--dsn", dsn)
    assert result.exit_code == 1
    assert result.stderr == (
        "error: there is no table t any more\n"
        "hint: What was recorded of it is there: pgchronicle events --table t\n"
    )


def test_partition_is_taken_for_the_table_that_it_is_a_part_of(
    dsn: str, auditor: Connection
) -> None:
    run(
        auditor,
        "create table t (id integer primary key) partition by list (id); "
        "create table t7 partition of t for values in (7)",
    )
    Chronicle(auditor).enable_tracking("t")
    run(auditor, "insert into t values (7)")
    said = [done("history", table, 7, "--dsn", dsn) for table in ("t", "t7")]
    assert said[0] == said[1] != ""
    assert done("as-of", "t7", "--at", "0s", "--dsn", dsn) == "7\n"


def test_number_is_no_table(dsn: str) -> None:
    result = ask("history", "4711", "7", "--dsn", dsn)
    assert (result.exit_code, result.stderr.splitlines()[0]) == (1, "error: there is no table 4711")


@pytest.mark.parametrize("command", HISTORY)
def test_name_that_is_not_plain_is_told_how_to_be_quoted(command: str, dsn: str) -> None:
    result = ask(command, "We ird", "7", "--dsn", dsn)
    assert result.exit_code == 1
    assert result.stderr.endswith("within the quotes of the shell: '\"We ird\"'.\n")


# Keys


@pytest.mark.parametrize(
    "key",
    [
        ('{"line_no": "1", "order_id": "A \\"7\\""}',),
        ('{"order_id":"A \\"7\\"","line_no":1}',),
        (' { "order_id" : "A \\"7\\"" ,\n"line_no":1}',),
        ('order_id=A "7"', "line_no=1"),
        ("line_no=1", 'order_id=A "7"'),
        ("--key", "line_no=1", "--key", 'order_id=A "7"'),
        ("line_no=1", "--key", 'order_id=A "7"'),
    ],
    ids=["recorded", "tight", "wide", "pairs", "pairs in any order", "options", "both"],
)
def test_key_of_several_columns_may_be_written_in_any_way(
    lines: str, dsn: str, key: tuple[str, ...]
) -> None:
    (change,) = json.loads(done("history", lines, *key, "--dsn", dsn, "--json"))
    assert change["new_values"] == {"line_no": 1, "order_id": 'A "7"', "item": "tea"}
    record = json.loads(done("as-of", lines, *key, "--at", "0s", "--dsn", dsn, "--json"))
    assert record == change["new_values"]


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ((), "Which record? "),
        (("1",), "'1' is no COLUMN=VALUE. "),
        (("line_no=1",), "That is no key of public.lines. "),
        (("line_no=1", "order_id=A", "item=tea"), "That is no key of public.lines. "),
        (('{"line_no": 1}',), "That is no key of public.lines. "),
        (('{"line_no": 1,',), "The key is no JSON: "),
    ],
)
def test_what_is_no_key_of_the_table_is_wrong_usage_and_told_how_keys_look(
    lines: str, dsn: str, key: tuple[str, ...], complaint: str
) -> None:
    result = pgchronicle("history", lines, *key, "--dsn", dsn)
    assert result.exit_code == 2
    assert complaint in result.stderr
    how = "The key of public.lines has 2 columns: say order_id=... line_no=..."
    assert how in result.stderr


def test_key_of_one_column_is_taken_as_it_is(dsn: str, auditor: Connection) -> None:
    run(auditor, "create table t (id text primary key)")
    Chronicle(auditor).enable_tracking("t")
    keys = ["7", "a=b", '{"id": 7}', "", "id=7", "-1"]
    for key in keys:
        run(auditor, "insert into t values (%s)", (key,))

    def found(*key: str) -> str:
        (change,) = json.loads(done("history", "--dsn", dsn, "--json", "t", *key))
        return str(change["record_id"])

    assert found("7") == found("id=7") == found("--key", "id=7") == "7"
    assert found("id=id=7") == found("--key", "id=id=7") == "id=7"
    for key in ("a=b", '{"id": 7}', ""):
        assert found(key) == key
    assert found("--", "-1") == found("--key", "id=-1") == "-1"
    result = pgchronicle("history", "t", "7", "8", "--dsn", dsn)
    assert result.exit_code == 2
    assert "That are 2 keys. The key of public.t is id." in result.stderr


@pytest.mark.parametrize("command", HISTORY)
def test_record_that_nothing_is_known_of_is_told_how_keys_look(
    command: str, lines: str, dsn: str
) -> None:
    result = ask(command, lines, "order_id=B", "line_no=1", "--dsn", dsn)
    assert (result.exit_code, result.stdout) == (1, "")
    message, detail, hint = result.stderr.splitlines()
    record_id = '{"line_no": "1", "order_id": "B"}'
    assert message == f"error: there is nothing about a record {record_id} of public.lines"
    assert detail.startswith("detail: Changed last: {")
    assert '{"line_no": "2", "order_id": "A \\"7\\""}' in detail
    assert hint.startswith("hint: The key of public.lines has 2 columns: say order_id=... line_no=")
    assert " It is tracked since 20" in hint


def test_record_that_has_not_changed_since_is_told_apart(dsn: str, auditor: Connection) -> None:
    run(auditor, "create table t (id integer primary key); insert into t values (7)")
    Chronicle(auditor).enable_tracking("t")
    result = ask("history", "t", 7, "--dsn", dsn)
    assert (result.exit_code, result.stdout) == (1, "")
    message, detail, hint = result.stderr.splitlines()
    assert message == "error: record 7 of public.t has not changed since it is tracked"
    assert detail.startswith("detail: It is tracked since 20")
    assert hint.startswith("hint: It stands in the table as it was then. ")
    assert done("as-of", "t", 7, "--at", "0s", "--dsn", dsn) == "id\t7\n"
