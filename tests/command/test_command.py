"""The command: what it prints, where, and the exit code with which it ends."""

import inspect
import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ask import rows, run, value, values
from command.running import done, on_terminal, pgchronicle
from pgchronicle import Chronicle, __version__, _statements
from pgchronicle.command import main
from pgchronicle.demo import cluster as demo_cluster
from support import Cluster, Connection, Database

PAGE: Any = {"actor_type": "user", "action_type": "read", "resource_type": "page"}


# The group


def test_help_lists_every_subcommand() -> None:
    assert list(main.commands) == [
        *("demo", "migrate", "track", "untrack", "refresh", "tables", "snapshot", "import"),
        *("log", "tail", "events", "show", "history", "as-of", "revert", "export"),
        *("seal", "verify", "checkpoint", "prove"),
        *("key", "gateway", "token", "doctor", "psql"),
    ]
    said = done("--help")
    for command in main.commands:
        assert f"\n  {command} " in said


def _commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path}{name} ")


@pytest.mark.parametrize("name", [name for name, _ in _commands(main)])
def test_every_subcommand_and_option_is_explained(name: str) -> None:
    command = dict(_commands(main))[name]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
    # The sign keeps click from filling the lines.
    _, _, example = inspect.cleandoc(command.help).partition("\b\nExample")
    assert f"pgchronicle {name}" in example
    # One starts its own server, and one needs none.
    if name not in ("demo", "token") and not isinstance(command, click.Group):
        assert "dsn" in {parameter.name for parameter in command.params}


def test_version_is_that_of_the_package() -> None:
    assert __version__ in done("--version")


def test_pipe_never_pays_for_rich(dsn: str, auditor: Connection) -> None:
    run(auditor, "create table t (id integer primary key)")
    Chronicle(auditor).enable_tracking("t")
    run(auditor, "insert into t values (1)")
    event_id = str(value(auditor, "select event_id from chronicle.row_changes"))
    program = (
        "import sys; from pgchronicle.command import main; "
        "main(sys.argv[1:], standalone_mode=False); "
        "assert not [name for name in sys.modules if name.startswith('rich')]"
    )
    for arguments in (
        *(["events"], ["tables"], ["doctor"], ["refresh"], ["history", "t", "1"]),
        *(["as-of", "t", "--at", "0s"], ["snapshot", "t"]),
        *(["tail"], ["export"], ["key", "list"], ["gateway", "list"]),
        *(["seal"], ["verify"], ["checkpoint"]),
        ["import", "--source", "s", "--query", "select 1 as source_id where false"],
        ["revert", "--dry-run", event_id],
    ):
        subprocess.run(
            [sys.executable, "-c", program, *arguments, "--dsn", dsn], check=True, timeout=60
        )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is full")
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("arguments", [("events",), ("events", "--json"), ("--help",)])
def test_output_that_cannot_be_written_is_an_error_of_one_line(
    dsn: str, auditor: Connection, arguments: tuple[str, ...], unbuffered: str
) -> None:
    Chronicle(auditor).log_audit_events([PAGE] * 50)
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-c", "from pgchronicle.command import main; main()", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            env={**os.environ, "PGCHRONICLE_DSN": dsn, "PYTHONUNBUFFERED": unbuffered},
        )
    assert result.stderr == "error: cannot write: No space left on device\n"
    assert result.returncode == 1


# Which database


def test_without_a_server_it_exits_with_3_and_says_what_to_check(tmp_path: Path) -> None:
    for command in (["events"], ["doctor"], ["migrate"], ["log"], ["psql"], ["track", "t"]):
        result = pgchronicle(*command, "--dsn", f"host={tmp_path}")
        assert result.exit_code == 3
        assert "error: cannot connect: " in result.stderr
        assert "hint: Is the server running" in result.stderr
        assert result.stdout == ""


def test_string_that_is_no_connection_string_is_wrong_usage() -> None:
    result = pgchronicle("events", "--dsn", "nonsense")
    assert result.exit_code == 2
    assert 'missing "=" after "nonsense"' in result.stderr


def test_database_may_come_from_the_environment(database: Database, dsn: str) -> None:
    by_libpq = {k: v for k, v in database.environment().items() if k.startswith("PG")}
    assert pgchronicle("tables", **by_libpq).exit_code == 0
    assert pgchronicle("tables", PGCHRONICLE_DSN=dsn).exit_code == 0
    # What is said on the command line counts most.
    assert pgchronicle("tables", "--dsn", dsn, PGCHRONICLE_DSN="host=/nowhere").exit_code == 0


def test_running_demo_is_used_when_nothing_else_is_said(
    dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database: Database
) -> None:
    monkeypatch.setattr(demo_cluster, "running_dsn", lambda: dsn)
    result = pgchronicle("tables")
    assert result.exit_code == 0
    assert "Using the server of the demo" in result.stderr
    result = pgchronicle("tables", "--dsn", f"host={tmp_path}")
    assert result.exit_code == 3
    result = pgchronicle("tables", PGHOST=str(tmp_path))
    assert result.exit_code == 3
    environment = {k: v for k, v in database.environment().items() if k.startswith("PG")}
    assert "demo" not in pgchronicle("tables", **environment).stderr


def test_database_without_the_log_is_told_apart(empty_database: Database) -> None:
    for command in (("events",), ("show", uuid.uuid4()), ("tables",)):
        result = pgchronicle(*command, "--dsn", empty_database.dsn())
        assert result.exit_code == 1
        assert "hint: Is pgchronicle installed there" in result.stderr, command


def test_function_that_a_former_version_lacks_is_told_apart(
    database: Database, auditor: Connection
) -> None:
    run(auditor, "set role chronicle_owner; drop function chronicle.refresh_tracking(regclass)")
    result = pgchronicle("refresh", "--dsn", database.dsn())
    assert result.exit_code == 1
    assert "hint: Is pgchronicle installed there, and up to date?" in result.stderr


@pytest.mark.parametrize(
    "environment",
    [{"PGCLIENTENCODING": "LATIN1"}, {"PGOPTIONS": "-c DateStyle=German"}],
    ids=["encoding", "dates"],
)
def test_settings_of_the_session_do_not_change_what_is_read(
    dsn: str, auditor: Connection, environment: dict[str, str]
) -> None:
    Chronicle(auditor).log_audit_event(**PAGE, actor_id="ada → bob")
    assert "user ada → bob\tpage.read" in done("events", "--dsn", dsn, **environment)


def test_without_any_database_it_says_how_to_name_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demo_cluster, "datadir", lambda: tmp_path / "demo")
    monkeypatch.setattr(psycopg, "connect", _no_server)
    result = pgchronicle("tables")
    assert result.exit_code == 3
    assert "hint: Say which database: --dsn, PGCHRONICLE_DSN" in result.stderr


def _no_server(*_: object, **__: object) -> None:
    raise psycopg.OperationalError("no server")


# migrate


def test_migrate_installs_once_and_says_what_it_did(empty_database: Database) -> None:
    dsn = empty_database.dsn()
    first = done("migrate", "--dsn", dsn).splitlines()
    assert first[0] == "pgchronicle_0001_roles_and_schemas"
    result = pgchronicle("migrate", "--dsn", dsn)
    assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads(done("migrate", "--dsn", dsn, "--json")) == {"applied": []}
    assert done("log", "--dsn", dsn, *_options(PAGE))


def test_migrate_works_whatever_the_encoding_of_the_session(empty_database: Database) -> None:
    dsn = empty_database.dsn()
    applied = done("migrate", "--dsn", dsn, PGCLIENTENCODING="SQL_ASCII").splitlines()
    assert applied[-1].startswith(f"pgchronicle_{len(applied):04}_")
    assert done("migrate", "--dsn", dsn, PGCLIENTENCODING="SQL_ASCII") == ""


def test_migrate_puts_its_record_where_it_is_told(empty_database: Database) -> None:
    done("migrate", "--dsn", empty_database.dsn(), "--bookkeeping-schema", "kept")
    connection = empty_database.connect()
    assert value(connection, "select count(*) from kept._yoyo_migration") > 0


def test_migrate_as_sql_is_a_script_for_psql(empty_database: Database, cluster: Cluster) -> None:
    script = done("migrate", "--sql")
    assert "psql -X -v ON_ERROR_STOP=1 -f " in script.split("begin;")[0]
    psql = [str(cluster.program("psql")), "-X", "-q", "--set=ON_ERROR_STOP=1"]
    subprocess.run(psql, input=script, text=True, check=True, env=empty_database.environment())
    assert done("log", "--dsn", empty_database.dsn(), *_options(PAGE))
    found = json.loads(done("doctor", "--dsn", empty_database.dsn(), "--json"))
    (migrations,) = (item for item in found if item["check"] == "migrations")
    assert migrations["state"] == "ok"
    assert "without a record by yoyo" in migrations["finding"]


def test_migrate_that_is_refused_says_why_without_a_traceback(empty_database: Database) -> None:
    with empty_database.connect() as connection:
        connection.execute("create schema chronicle")
    result = pgchronicle("migrate", "--dsn", empty_database.dsn())
    assert result.exit_code == 1
    assert 'schema "chronicle" or "chronicle_capture" exists already' in result.stderr
    assert "detail: It belongs to installer." in result.stderr
    assert "hint: Nothing was changed." in result.stderr


# log


def _options(event: Mapping[str, Any]) -> list[str]:
    options: list[str] = []
    for name, said in event.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(said, bool):
            options.append(flag if said else flag.replace("--is-", "--not-"))
        else:
            options += [flag, json.dumps(said) if isinstance(said, dict | list) else str(said)]
    return options


def test_log_records_every_field_and_prints_the_id(dsn: str) -> None:
    event: dict[str, Any] = {
        "organization_id": "acme",
        "actor_id": "ada",
        "actor_type": "employee",
        "ip_address": "192.0.2.7",
        "user_agent": "curl/8",
        "action_type": "update",
        "action_description": "Changed the price",
        "action_meta": {"screen": "prices"},
        "resource_type": "product",
        "resource_id": "P-7",
        "related_resources": [{"resource_type": "list"}],
        "details_before": {"price": 1},
        "details_after": {"price": 2},
        "ai_metadata": {"model": "m"},
        "session_id": "s",
        "request_id": "r",
        "client_info": {"build": 7},
        "duration_ms": 12,
        "severity": "warning",
        "status": "failure",
        "error_code": "E7",
        "error_message": "too cheap",
        "action": "price.change",
        "actor_role": "buyer",
        "impersonator_id": "bob",
        "is_ai_action": True,
        "reason": "season",
        "trace_id": "t",
        "operation_id": "o",
        "parent_event_id": str(uuid.UUID(int=1)),
        "ai_operation_id": str(uuid.UUID(int=2)),
        "occurred_at": "2026-01-02T03:04:05+00:00",
        "event_id": str(uuid.UUID(int=3)),
    }
    assert set(event) == set(_statements.EVENT_FIELDS)
    printed = done("log", "--dsn", dsn, *_options(event))
    assert printed == f"{uuid.UUID(int=3)}\n"
    shown = json.loads(done("show", "--dsn", dsn, printed.strip(), "--json"))
    assert {name: shown[name] for name in event} == event


def test_log_says_its_id_as_json(dsn: str, auditor: Connection) -> None:
    said = json.loads(done("log", "--dsn", dsn, "--json", "--not-ai-action", *_options(PAGE)))
    assert values(auditor, "select event_id::text from chronicle.events") == [said["event_id"]]


def test_log_of_an_event_that_is_refused_exits_with_1(dsn: str, auditor: Connection) -> None:
    result = pgchronicle("log", "--dsn", dsn, "--actor-type", "user")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        "error: an event needs _action_type\n"
        "detail: _actor_type, _action_type and _resource_type are required.\n"
        "hint: Pass _action_type => '...'.\n"
    )
    assert values(auditor, "select event_id from chronicle.events") == []


@pytest.mark.parametrize(
    "wrong",
    [
        ("--actor-type", "robot"),
        ("--action-meta", "{"),
        ("--duration-ms", "long"),
        ("--occurred-at", "yesterday"),
        ("--occurred-at", "99999999999w"),
        ("--nothing", "at all"),
    ],
)
def test_option_that_cannot_be_read_is_wrong_usage(dsn: str, wrong: tuple[str, str]) -> None:
    result = pgchronicle("log", "--dsn", dsn, *_options(PAGE), *wrong)
    assert result.exit_code == 2
    assert wrong[0] in result.stderr


# events and show


def test_events_in_a_pipe_are_one_line_each(dsn: str, auditor: Connection) -> None:
    log = Chronicle(auditor)
    first = log.log_audit_event(**PAGE, actor_id="ada", resource_id=7, organization_id="acme")
    second = log.log_audit_event(
        **PAGE, details_before={"a": 1, "b": 1}, details_after={"a": 2}, status="failure"
    )
    lines = [line.split("\t") for line in done("events", "--dsn", dsn).splitlines()]
    times = {str(event.event_id): event.occurred_at.isoformat() for event in log.events().events}
    assert lines == [
        [str(second), times[str(second)], "user", "page.read", "page", "", "failure", "a,b"],
        [str(first), times[str(first)], "user ada", "page.read", "page 7", "acme", "success", ""],
    ]


def test_events_as_json_are_whole(dsn: str, auditor: Connection) -> None:
    Chronicle(auditor).log_audit_event(**PAGE, action_meta={"n": 1.10, "text": "é"})
    said = json.loads(done("events", "--dsn", dsn, "--json"), parse_float=str)
    (event,) = said["events"]
    assert said["next_cursor"] is None
    assert (event["action"], event["action_meta"]) == ("page.read", {"n": "1.1", "text": "é"})


def test_events_go_on_at_the_cursor(dsn: str, auditor: Connection) -> None:
    Chronicle(auditor).log_audit_events([PAGE | {"resource_id": place} for place in range(5)])
    seen: list[str] = []
    more: tuple[str, ...] = ()
    while True:
        result = pgchronicle("events", "--dsn", dsn, "--limit", 2, *more)
        seen += [line.split("\t")[4] for line in result.stdout.splitlines()]
        if "There are more" not in result.stderr:
            break
        more = tuple(result.stderr.split()[-2:])
        assert more[0] == "--cursor"
    assert seen == [f"page {place}" for place in (4, 3, 2, 1, 0)]


def test_every_filter_of_the_client_is_an_option() -> None:
    names = {parameter.name for parameter in main.commands["events"].params}
    others = {"dsn", "limit", "cursor", "as_json"}
    filters = set(_statements.EVENT_FILTERS) | {"is_system_wide", "since", "until", "table"}
    assert names == filters | others


def test_filters_choose_the_events(dsn: str, auditor: Connection) -> None:
    log = Chronicle(auditor)
    run(auditor, "create table t (id integer primary key); ")
    log.enable_tracking("t")
    run(auditor, "insert into t values (1)")
    log.log_audit_event(**PAGE, organization_id="acme", is_ai_action=True)
    log.log_audit_event(**PAGE, occurred_at=datetime(2020, 1, 1, tzinfo=UTC))

    def found(*options: str) -> list[str]:
        return [line.split("\t")[3] for line in done("events", "--dsn", dsn, *options).splitlines()]

    assert found("--table", "t") == ["t.create"]
    assert found("--is-ai-action") == ["page.read"]
    assert found("--organization-id", "acme", "--actor-type", "user") == ["page.read"]
    assert found("--until", "2020-01-01T00:00:01Z") == ["page.read"]
    assert found("--since", "1h", "--not-system-wide") == ["page.read"]
    assert found("--since", "1h", "--is-system-wide", "--origin", "captured") == ["t.create"]
    assert found("--since", "2100-01-01") == []

    result = pgchronicle("events", "--dsn", dsn, "--table", "nothing")
    assert result.exit_code == 1
    assert "nothing is not tracked and never was" in result.stderr


def test_reader_who_sees_nothing_is_told_that_there_may_be_something(database: Database) -> None:
    result = pgchronicle("events", "--dsn", database.dsn("reader_a"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "none that you may see" in result.stderr


def test_show_in_a_pipe_is_a_field_a_line_and_a_diff(dsn: str, auditor: Connection) -> None:
    before = {"same": 1, "price": Decimal("2.5"), "gone": "old", "text": "5"}
    after = {"same": 1, "price": Decimal("2.50"), "new": None, "text": 5}
    event_id = Chronicle(auditor).log_audit_event(
        **PAGE, details_before=before, details_after=after, action_meta={"a": "é"}
    )
    lines = done("show", "--dsn", dsn, event_id).splitlines()
    assert lines[0] == f"event_id\t{event_id}"
    assert 'action_meta\t{"a":"é"}' in lines
    assert lines[-7:] == [
        '- gone: "old"',
        "+ new: null",
        "- price: 2.5",
        "+ price: 2.50",
        "  same: 1",
        '- text: "5"',
        "+ text: 5",
    ]


def test_show_of_an_event_that_is_not_there_exits_with_1(database: Database) -> None:
    connection = database.connect(autocommit=True)
    hidden = Chronicle(connection).log_audit_event(**PAGE)
    for event_id in (uuid.UUID(int=7), hidden):
        result = pgchronicle("show", "--dsn", database.dsn("reader_a"), event_id)
        assert result.exit_code == 1
        assert f"there is no event {event_id}, or you may not see it" in result.stderr
    assert pgchronicle("show", "--dsn", database.dsn(), "7").exit_code == 2


def test_terminal_gets_colour_unless_it_is_not_wanted(dsn: str, auditor: Connection) -> None:
    event_id = Chronicle(auditor).log_audit_event(
        **PAGE, details_before={"price": 1}, details_after={"price": 2}
    )
    assert "\x1b[31m1\x1b[0m → \x1b[32m2\x1b[0m" in on_terminal("events", "--dsn", dsn)
    assert "\x1b[31m- price: 1\x1b[0m" in on_terminal("show", "--dsn", dsn, event_id)
    for command in (["events"], ["show", str(event_id)], ["doctor"], ["tables"]):
        assert "\x1b" not in on_terminal(*command, "--dsn", dsn, NO_COLOR="1")
    assert "price: 1 → 2" in on_terminal("events", "--dsn", dsn, NO_COLOR="1")


def test_terminal_that_lacks_a_letter_gets_its_escape(dsn: str, auditor: Connection) -> None:
    event_id = Chronicle(auditor).log_audit_event(**PAGE, actor_id="Zoë", reason="→")
    for command in (("events",), ("show", event_id)):
        said = on_terminal(*command, "--dsn", dsn, PYTHONIOENCODING="ascii")
        assert r"Zo\xeb" in said
        assert r"\u2192" in said


def test_what_others_wrote_cannot_steer_the_terminal(dsn: str, auditor: Connection) -> None:
    evil = "a\x1b[2Jb\nc\td\u202ee\x9b31m[red]"
    event_id = Chronicle(auditor).log_audit_event(
        **PAGE,
        actor_id=evil,
        resource_id=evil,
        reason=evil,
        details_before={evil: 1},
        details_after={evil: evil},
    )
    tame = r"a\x1b[2Jb\nc\td\u202ee\x9b31m[red]"
    for command in (["events"], ["show", str(event_id)]):
        for said in (
            done(*command, "--dsn", dsn),
            on_terminal(*command, "--dsn", dsn, NO_COLOR="1"),
        ):
            assert tame in said
            for sign in ("\x1b", "\u202e", "\x9b"):
                assert sign not in said
    assert len(done("events", "--dsn", dsn).splitlines()) == 1


# Tracking


def test_track_tables_and_untrack(dsn: str, auditor: Connection) -> None:
    run(auditor, "create table t (id integer primary key, org text, a text, b text, token text)")
    options = ["--resource-type", "thing", "--organization-column", "org"]
    columns = ["--exclude-column", "a", "--mask-column", "b", "--mask-column", "token"]
    result = pgchronicle("track", "t", "--dsn", dsn, *options, *columns)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "t is tracked.\n")
    listed = "public.t\ttracked\tid\torg\texclude=a mask=b,token\t\t\n"
    assert done("tables", "--dsn", dsn) == listed
    (table,) = json.loads(done("tables", "--dsn", dsn, "--json"))
    assert (table["resource_type"], table["excluded_columns"], table["masked_columns"]) == (
        *("thing", ["a"]),
        ["b", "token"],
    )
    done("track", "t", "--dsn", dsn)
    assert Chronicle(auditor).tracked_tables()[0].masked_columns == ["token"]
    done("track", "t", "--dsn", dsn, "--mask-nothing")
    assert Chronicle(auditor).tracked_tables()[0].masked_columns == []
    done("untrack", "t", "--dsn", dsn)
    assert done("tables", "--dsn", dsn).split("\t")[1] == "ended"

    assert pgchronicle("untrack", "t", "--dsn", dsn).exit_code == 1
    both = ["--mask-nothing", "--mask-column", "a"]
    assert pgchronicle("track", "t", "--dsn", dsn, *both).exit_code == 2


def test_every_option_of_tracking_is_an_option(dsn: str, auditor: Connection) -> None:
    run(auditor, "create table t (a integer, b text)")
    options = ["--capture", "full", "--truncate", "refuse", "--require-actor"]
    done("track", "t", "--dsn", dsn, *options, "--key-column", "b", "--key-column", "a")
    listed = "public.t\ttracked\tb, a\t\tcapture=full truncate=refuse require-actor=yes\t\t\n"
    assert done("tables", "--dsn", dsn) == listed
    done("track", "t", "--dsn", dsn)
    # A table without a key is captured in full, whatever is asked for.
    listed = "public.t\ttracked\t\t\tcapture=full\t\t\n"
    assert done("tables", "--dsn", dsn) == listed
    for wrong in (("--capture", "some"), ("--truncate", "maybe")):
        assert pgchronicle("track", "t", "--dsn", dsn, *wrong).exit_code == 2


def test_tables_say_what_is_not_covered(dsn: str, auditor: Connection) -> None:
    run(
        auditor,
        "create table t (id integer primary key) partition by list (id); "
        "create table t1 partition of t for values in (1)",
    )
    Chronicle(auditor).enable_tracking("t")
    run(auditor, "create table t2 partition of t for values in (2)")
    gap = "A truncate of partition public.t2 by itself is not recorded; "
    mend = "chronicle.refresh_tracking takes it up."
    assert done("tables", "--dsn", dsn) == f"public.t\ttracked\tid\t\t\t\t{gap}{mend}\n"
    assert "not covered" in on_terminal("tables", "--dsn", dsn)
    assert done("refresh", "--dsn", dsn) == "public.t\trefreshed\n"
    assert done("tables", "--dsn", dsn) == "public.t\ttracked\tid\t\t\t\t\n"


def test_refresh_takes_up_what_has_changed(dsn: str, auditor: Connection) -> None:
    assert pgchronicle("refresh", "--dsn", dsn).stderr == "No table is tracked.\n"
    for table in ("t", "u"):
        run(auditor, f"create table {table} (id integer primary key)")
        Chronicle(auditor).enable_tracking(table)
    run(auditor, "alter table t add more text; alter table u add more text")
    assert done("refresh", "t", "--dsn", dsn) == "public.t\trefreshed\n"
    assert done("refresh", "--dsn", dsn) == "public.t\tunchanged\npublic.u\trefreshed\n"
    assert json.loads(done("refresh", "u", "--dsn", dsn, "--json")) == [
        {"table_name": "public.u", "outcome": "unchanged"}
    ]
    run(auditor, "create table v (id integer)")
    result = pgchronicle("refresh", "v", "--dsn", dsn)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: public.v is not tracked\n")


def test_refresh_that_skips_a_table_exits_with_1(dsn: str, database: Database) -> None:
    installer = database.connect(autocommit=True)
    run(installer, "grant chronicle_admin to shopkeeper")
    try:
        with database.connect("shopkeeper") as owner:
            run(owner, "create table shop.t (id integer primary key)")
            Chronicle(owner).enable_tracking("shop.t")
            run(owner, "alter table shop.t add more text")
    finally:
        # Roles belong to the server, and other tests ask what this one may not do.
        run(installer, "revoke chronicle_admin from shopkeeper")
    result = pgchronicle("refresh", "--dsn", dsn)
    assert (result.exit_code, result.stdout) == (1, "shop.t\tskipped: must be owner\n")


@pytest.mark.parametrize("command", [("track",), ("untrack",), ("events", "--table")])
def test_name_that_is_not_plain_is_told_how_to_be_quoted(
    dsn: str, auditor: Connection, command: tuple[str, ...]
) -> None:
    run(auditor, 'create table "We ird" (id integer primary key)')
    Chronicle(auditor).enable_tracking('"We ird"')
    result = pgchronicle(*command, "We ird", "--dsn", dsn)
    assert result.exit_code == 1
    assert result.stderr.endswith("within the quotes of the shell: '\"We ird\"'.\n")
    done(*command, '"We ird"', "--dsn", dsn)


def test_table_of_somebody_else_is_refused_with_what_to_do(database: Database) -> None:
    with database.connect("shopkeeper") as owner:
        owner.execute("create table shop.t (id integer); grant usage on schema shop to admin")
    result = pgchronicle("track", "shop.t", "--dsn", database.dsn("admin"))
    assert result.exit_code == 1
    for label in ("error: ", "hint: "):
        assert label in result.stderr
    assert "Traceback" not in result.stderr


# psql


def test_psql_runs_on_the_database_with_chronicle_on_its_path(database: Database) -> None:
    command = [sys.executable, "-c", "from pgchronicle.command import main; main()", "psql"]
    query = ("-XAtc", "show search_path")
    for options in ("", r'-csearch_path=shop,"My\ Schema"'):
        result = subprocess.run(
            [*command, "--dsn", make_conninfo(database.dsn(), options=options), "--", *query],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        before = 'shop,"My Schema"' if options else '"$user", public'
        assert result.stdout == f"{before}, chronicle\n"


def test_psql_keeps_a_password_off_the_command_line(database: Database, tmp_path: Path) -> None:
    fake = tmp_path / "psql"
    fake.write_text('#!/bin/sh\necho "$@"\necho "[$PGPASSWORD]"\n')
    fake.chmod(0o755)
    command = [sys.executable, "-c", "from pgchronicle.command import main; main()", "psql"]
    result = subprocess.run(
        [*command, "--dsn", f"{database.dsn()} password=sesame"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    line, password = result.stdout.splitlines()
    assert "sesame" not in line
    assert password == "[sesame]"


# demo


@pytest.fixture
def own_demo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The demo's server, in a place of the test's own.

    Not below pytest's directory, which every run of pytest that begins closes to other accounts.
    """
    with tempfile.TemporaryDirectory() as room:
        Path(room).chmod(0o755)
        place = Path(room) / "demo"
        monkeypatch.setattr(demo_cluster, "datadir", lambda: place)
        yield place


def test_demo_can_be_repeated_looked_around_in_and_stopped(own_demo: Path) -> None:
    said = ""
    try:
        for _ in range(2):
            said = done("demo", "--seconds", 1, "--clients", 2)
            for heading in (
                *("What was recorded, and by whom", "Account 4711, its last changes"),
                *("Who sees how much of it", "The owner of the log tries to edit it"),
                *("How fast", "Look around"),
            ):
                assert f"\n{heading}\n" in said
            assert "\x1b" not in said
            assert "ERROR: update on chronicle.events is refused" in said
            assert "HINT: To correct an event" in said
            assert "events a second" in said
            branch_2 = next(line for line in said.splitlines() if line.startswith("2  "))
            assert branch_2.split()[2] == "0"
        for actor in ("system demo_tellers", "user ada", "ai refund-assistant", "service balance"):
            assert actor in said
        listed = pgchronicle("events", "--actor-type", "ai", "--limit", 5)
        assert len(listed.stdout.splitlines()) == 5
        assert "Using the server of the demo" in listed.stderr
        assert pgchronicle("doctor").exit_code == 0
        account = done("history", "pgbench_accounts", 4711, "--limit", 3).splitlines()
        assert sum("  UPDATE  " in line for line in account) == 3
        branches = done("as-of", "pgbench_branches", "--at", "0s").splitlines()
        assert [line.split("\t")[0] for line in branches] == ["1", "2"]
        dsn = demo_cluster.running_dsn()
        assert dsn is not None
        with psycopg.connect(f"{dsn} options='-csearch_path=chronicle'") as connection:
            for query in _queries(said):
                assert run(connection, query).rowcount > 0
            own = "select rolsuper from pg_roles where rolname = current_user"
            assert rows(connection, own) == [(False,)]
    finally:
        stopped = pgchronicle("demo", "--stop")
    assert stopped.stderr == "Stopped and removed.\n"
    assert not own_demo.exists()
    assert "There is no demo to stop." in pgchronicle("demo", "--stop").stderr


def _queries(said: str) -> list[str]:
    """The queries that the demo suggests, as they are printed."""
    lines = [line.strip() for line in said.splitlines() if line.startswith("    ")]
    text = " ".join(lines)
    return [f"select {part.split(';')[0]}" for part in text.split("select ")[1:]]


def test_demo_is_not_running_when_its_lock_file_is_left_over(own_demo: Path) -> None:
    (own_demo / "data").mkdir(parents=True)
    (own_demo / "data" / "postmaster.pid").write_text(f"1\n/data\n1\n5432\n{own_demo}\n")
    assert demo_cluster.running_dsn() is None
