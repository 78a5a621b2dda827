"""``pgchronicle doctor``: it finds what is wrong, and what it advises mends it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from ask import run, value, values
from pgchronicle import Chronicle
from pgchronicle.command import _checks, main
from support import Cluster, Connection, Database

PAGE: Any = {"actor_type": "user", "action_type": "read", "resource_type": "page"}


def doctor(dsn: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and the findings."""
    result = CliRunner().invoke(main, ["doctor", "--dsn", dsn, "--json"])
    assert result.stderr == ""
    return result.exit_code, json.loads(result.stdout)


def complaints(dsn: str) -> list[dict[str, Any]]:
    return [finding for finding in doctor(dsn)[1] if finding["state"] != "ok"]


@pytest.fixture
def healthy(database: Database) -> Iterator[Database]:
    """A database about which there is nothing to say: a table is tracked, somebody administers."""
    with database.connect(autocommit=True) as connection:
        run(connection, "create table t (id integer primary key, org text, secret text)")
        log = Chronicle(connection)
        log.enable_tracking("t", organization_column="org", mask_columns=["secret"])
        log.add_administrator("reader_a", "acme")
        assert complaints(database.dsn()) == []
        assert doctor(database.dsn())[0] == 0
        yield database


def superuser(database: Database) -> Connection:
    return database.connect(database.cluster.superuser, autocommit=True)


SABOTAGE = {
    "row-level security off": (
        "alter table chronicle.{present} disable row level security",
        "row-level security of chronicle.{present} is not forced",
    ),
    "row-level security not forced": (
        "alter table chronicle.events no force row level security",
        "row-level security of chronicle.events is not forced",
    ),
    "guard off": (
        "alter table chronicle.{present} disable trigger events_reject_change",
        "the guard events_reject_change of chronicle.{present} does not always fire",
    ),
    "guard asleep in replica mode": (
        "alter table chronicle.{present} enable trigger events_reject_row_change",
        "the guard events_reject_row_change of chronicle.{present} does not always fire",
    ),
    "guard of a partition gone": (
        "drop trigger events_reject_change on chronicle.{present}",
        "the guard events_reject_change of chronicle.{present} is gone",
    ),
    "guard of all rows gone": (
        "drop trigger events_reject_row_change on chronicle.events",
        "the guard events_reject_row_change of chronicle.events is gone",
    ),
    "guard of updates gone": (
        "drop trigger events_check_erasure on chronicle.events",
        "the guard events_check_erasure of chronicle.events is gone",
    ),
    "guard of updates off": (
        "alter table chronicle.events disable trigger events_reject_update",
        "the guard events_reject_update of chronicle.events does not always fire",
    ),
    "right on a partition": (
        "grant select on chronicle.{present} to stranger",
        "stranger has SELECT on chronicle.{present}",
    ),
    "right on a column": (
        "grant update (reason) on chronicle.{present} to stranger",
        "stranger has UPDATE on chronicle.{present}",
    ),
    "right on the log": (
        "grant delete on chronicle.events to public",
        "public has DELETE on chronicle.events",
    ),
    "guard of the seals off": (
        "alter table chronicle.seal_batches disable trigger seal_batches_reject_change",
        "the guard seal_batches_reject_change of chronicle.seal_batches does not always fire",
    ),
    "guard of the seals asleep in replica mode": (
        "alter table chronicle.seal_leaves enable trigger seal_leaves_reject_change",
        "the guard seal_leaves_reject_change of chronicle.seal_leaves does not always fire",
    ),
    "guard of the seals gone": (
        "drop trigger erasures_reject_change on chronicle.erasures",
        "the guard erasures_reject_change of chronicle.erasures is gone",
    ),
    "right on the seals": (
        "grant insert on chronicle.seal_nodes to stranger",
        "stranger has INSERT on chronicle.seal_nodes",
    ),
    "right on a column of the seals": (
        "grant update (reason) on chronicle.epochs to public",
        "public has UPDATE on chronicle.epochs",
    ),
    "capture function for everybody": (
        "grant execute on function chronicle_capture.{function}() to public",
        "public may execute chronicle_capture.{function}()",
    ),
    "capture trigger off": (
        'alter table t disable trigger "{trigger}"',
        "public.t is broken: ",
    ),
    "capture trigger gone": (
        'drop trigger "{trigger}" on t',
        "public.t is broken: ",
    ),
    "drifted table": ("alter table t add more text", "public.t is drifted: "),
    "heir of a tracked table": (
        "create table heir () inherits (t); alter table heir owner to installer",
        "public.t is partial: ",
    ),
    "table gone": ("drop table t", "public.t is broken: "),
    "partition of the present dropped": (
        "drop table chronicle.{present}",
        "there is none for the present time, from {present_time} until {next_time}. ",
    ),
    "partition of a later time dropped": (
        "drop table chronicle.{next}",
        "there is none from {next_time} until {after_time}. ",
    ),
    "two partitions apart dropped": (
        "drop table chronicle.{present}, chronicle.{after}",
        "there is none for the present time, from {present_time} until {next_time}. ",
    ),
    "partition of the present detached": (
        "alter table chronicle.events detach partition chronicle.{present}",
        "chronicle.{present} is detached: ",
    ),
    "two partitions in a row detached": (
        "alter table chronicle.events detach partition chronicle.{next}; "
        "alter table chronicle.events detach partition chronicle.{present}",
        "chronicle.{present} is detached: ",
    ),
    "partition of all earlier times detached": (
        "alter table chronicle.events detach partition chronicle.events_earlier",
        "chronicle.events_earlier is detached: ",
    ),
    "partition of all earlier times dropped": (
        "drop table chronicle.events_earlier",
        "there is none until {present_time}. ",
    ),
    "every bounded partition dropped": (
        "drop table chronicle.events_earlier, {all}",
        "there is none for the present time, at all. ",
    ),
    "partition missing ahead": (
        "drop table chronicle.{last}",
        "2 of 3 are ready ahead",
    ),
    "no partition for the present": (
        "drop table {all}",
        "there is none for the present time",
    ),
    "no default partition": (
        "drop table chronicle.events_default",
        "there is no DEFAULT partition",
    ),
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_what_is_wrong_is_found_and_mended(healthy: Database, name: str) -> None:
    sabotage, finding = SABOTAGE[name]
    saboteur = superuser(healthy)
    partitions = values(
        saboteur,
        "select relname from pg_class where relnamespace = 'chronicle'::regnamespace "
        r"and relkind = 'r' and relname ~ '^events_\d' order by 1",
    )
    names = {
        "present": partitions[0],
        "next": partitions[1],
        "after": partitions[2],
        "last": partitions[-1],
        "all": ", ".join(f"chronicle.{partition}" for partition in partitions),
    }
    for name_of_time, partition in zip(("present", "next", "after"), partitions, strict=False):
        names[f"{name_of_time}_time"] = partition.removeprefix("events_").replace("_", "-") + "-01"
    names["trigger"] = value(
        saboteur, "select tgname from pg_trigger where tgrelid = 't'::regclass limit 1"
    )
    names["function"] = value(
        saboteur,
        "select proname from pg_proc where pronamespace = to_regnamespace('chronicle_capture') "
        "limit 1",
    )
    run(saboteur, sabotage.format(**names))

    found = complaints(healthy.dsn())
    assert found
    assert found[0]["finding"].startswith(finding.format(**names))
    is_critical = any(each["state"] == "critical" for each in found)
    assert is_critical == (
        name
        not in (
            *("drifted table", "heir of a tracked table", "partition missing ahead"),
            "partition of all earlier times dropped",
        )
    )
    assert doctor(healthy.dsn())[0] == int(is_critical)

    # Advice is given to the one who asks: the installer, no superuser.
    installer = healthy.connect(autocommit=True)
    for each in found:
        run(installer, each["fix"])
        run(installer, "reset role")
    left = complaints(healthy.dsn())
    if name == "table gone":
        assert [each["finding"] for each in left] == ["there is none"]
    else:
        assert left == []


def test_mended_table_keeps_its_options(healthy: Database) -> None:
    connection = healthy.connect(autocommit=True)
    run(connection, "alter table t add more text")
    (finding,) = complaints(healthy.dsn())
    run(connection, finding["fix"])
    (table,) = Chronicle(connection).tracked_tables()
    assert (table.organization_column, table.masked_columns) == ("org", ["secret"])
    assert table.state == "tracked"


def test_broken_table_keeps_every_option(healthy: Database) -> None:
    connection = healthy.connect(autocommit=True)
    run(connection, "create table u (a integer, b text, c text)")
    log = Chronicle(connection)
    log.enable_tracking(
        "u",
        resource_type="thing",
        exclude_columns=["c"],
        capture="full",
        key_columns=["b", "a"],
        truncate="refuse",
        require_actor=True,
    )
    (before,) = (table for table in log.tracked_tables() if table.table_name == "u")
    run(connection, 'drop trigger "!chronicle_insert" on u; drop trigger "!chronicle_update" on u')
    (finding,) = complaints(healthy.dsn())
    assert finding["state"] == "critical"
    run(connection, finding["fix"])
    assert complaints(healthy.dsn()) == []
    (after,) = (table for table in log.tracked_tables() if table.table_name == "u")
    assert replace(after, tracked_since=before.tracked_since) == before


def test_partition_whose_truncate_is_not_seen_is_found_and_mended(healthy: Database) -> None:
    connection = healthy.connect(autocommit=True)
    run(connection, "create table p (id integer primary key) partition by list (id)")
    Chronicle(connection).enable_tracking("p")
    run(connection, "create table p1 partition of p for values in (1)")
    (finding,) = complaints(healthy.dsn())
    assert finding == {
        "check": "tracked tables",
        "state": "warning",
        "finding": "public.p: A truncate of partition public.p1 by itself is not recorded; "
        "chronicle.refresh_tracking takes it up.",
        "fix": "select * from chronicle.refresh_tracking('public.p');",
    }
    run(connection, finding["fix"])
    assert complaints(healthy.dsn()) == []


def test_gap_that_nothing_mends_is_told_without_a_remedy(healthy: Database) -> None:
    connection = healthy.connect(autocommit=True)
    run(connection, "alter table t enable row level security")
    (finding,) = complaints(healthy.dsn())
    assert (finding["state"], finding["fix"]) == ("warning", None)
    assert finding["finding"].startswith("public.t: A truncate is recorded without its rows: ")


def test_events_in_the_default_partition_are_kept_where_they_are(healthy: Database) -> None:
    saboteur = superuser(healthy)
    run(
        saboteur,
        r"""
        do $$
        declare
            v_name text;
        begin
            for v_name in
                select relname from pg_class where relnamespace = 'chronicle'::regnamespace
                and relkind = 'r' and relname ~ '^events_\d'
            loop
                execute format('drop table chronicle.%I', v_name);
            end loop;
        end
        $$
        """,
    )
    connection = healthy.connect(autocommit=True)
    event_id = Chronicle(connection).log_audit_event(**PAGE)
    found = complaints(healthy.dsn())
    assert [each["check"] for each in found] == ["default partition", "partitions"]
    assert found[0]["finding"].startswith("1 events lie in it, of the time from ")
    run(connection, found[0]["fix"])
    assert complaints(healthy.dsn()) == []
    assert Chronicle(connection).event(event_id) is not None
    place = "select tableoid::regclass::text from chronicle.events where event_id = %s"
    assert value(connection, place, (event_id,)).startswith("chronicle.events_from_")
    with pytest.raises(psycopg.errors.DatabaseError) as refused:
        run(saboteur, "delete from chronicle.events where event_id = %s", (event_id,))
    assert refused.value.sqlstate == "ZC003"


def test_events_in_the_default_partition_of_a_gap_are_kept_where_they_are(
    healthy: Database,
) -> None:
    saboteur = superuser(healthy)
    present = value(
        saboteur,
        "select min(relname) from pg_class where relnamespace = 'chronicle'::regnamespace "
        r"and relkind = 'r' and relname ~ '^events_\d'",
    )
    run(saboteur, f"drop table chronicle.{present}")
    connection = healthy.connect(autocommit=True)
    event_id = Chronicle(connection).log_audit_event(**PAGE)
    found = complaints(healthy.dsn())
    assert [(each["check"], each["state"]) for each in found] == [
        ("default partition", "critical"),
        ("partitions", "critical"),
    ]
    assert found[0]["finding"].startswith("1 events lie in it, of the time from ")
    run(connection, found[0]["fix"])
    assert complaints(healthy.dsn()) == []
    assert Chronicle(connection).event(event_id) is not None


def test_events_in_the_default_partition_of_several_gaps_are_moved_unchanged(
    healthy: Database,
) -> None:
    saboteur = superuser(healthy)
    present = value(
        saboteur,
        "select min(relname) from pg_class where relnamespace = 'chronicle'::regnamespace "
        r"and relkind = 'r' and relname ~ '^events_\d'",
    )
    run(saboteur, f"drop table chronicle.{present}, chronicle.events_earlier")
    connection = healthy.connect(autocommit=True)
    log = Chronicle(connection)
    log.log_audit_event(**PAGE)
    log.log_audit_event(**PAGE, occurred_at=datetime(2020, 1, 1, tzinfo=UTC))
    before = values(connection, "select to_jsonb(e) from chronicle.events as e order by seq")
    assert len(before) == 2
    # Apart, so that there are two gaps.
    begin = value(connection, "select date_trunc('month', now(), 'UTC') - interval '1 month'")
    run(
        saboteur,
        "set role chronicle_owner; set timezone = 'UTC'; "
        "select chronicle.add_partition('events_between', format("
        f"'for values from (%L) to (%L)', '{begin}'::timestamptz, "
        "date_trunc('month', now(), 'UTC'))); reset role",
    )
    found = complaints(healthy.dsn())
    assert found[0]["finding"].startswith("2 events lie in it, of the time until ")
    run(connection, found[0]["fix"])
    assert complaints(healthy.dsn()) == []
    after = values(connection, "select to_jsonb(e) from chronicle.events as e order by seq")
    assert after == before
    place = "select count(*) from chronicle.events where tableoid::regclass::text ~ 'default'"
    assert value(connection, place) == 0


def test_role_that_plays_one_of_ours_is_found(healthy: Database) -> None:
    connection = superuser(healthy)
    with connection.transaction(force_rollback=True):
        run(connection, 'create role "Odd One" login; grant chronicle_writer to "Odd One"')
        (finding,) = _checks._roles(connection)  # pyright: ignore[reportPrivateUsage]
        assert finding.finding.startswith('"Odd One" can act as chronicle_writer, past ')
        assert finding.fix is not None
        run(connection, finding.fix)
        (finding,) = _checks._roles(connection)  # pyright: ignore[reportPrivateUsage]
        assert finding.state == "ok"


def test_role_that_is_missing_is_found(healthy: Database) -> None:
    connection = superuser(healthy)
    with connection.transaction(force_rollback=True):
        run(connection, "alter role chronicle_sealer rename to chronicle_gone")
        (finding,) = _checks._roles(connection)  # pyright: ignore[reportPrivateUsage]
        assert (finding.state, finding.finding) == ("critical", "there is no role chronicle_sealer")
    with connection.transaction(force_rollback=True):
        run(connection, "alter role chronicle_auditor rename to chronicle_gone")
        run(connection, "create role chronicle_auditor")
        (finding,) = _checks._roles(connection)  # pyright: ignore[reportPrivateUsage]
        assert finding.finding == "chronicle_auditor is no member of chronicle_reader"
        assert finding.fix is not None
        run(connection, finding.fix)
        (finding,) = _checks._roles(connection)  # pyright: ignore[reportPrivateUsage]
        assert finding.state == "ok"


def test_database_that_nobody_administers_and_nothing_is_tracked_in_is_a_warning(
    database: Database,
) -> None:
    code, found = doctor(database.dsn())
    assert code == 0
    assert [(each["check"], each["state"]) for each in found if each["state"] != "ok"] == [
        ("tracked tables", "warning"),
        ("administrators", "warning"),
    ]


@pytest.mark.parametrize("role", ["app", "reader_a", "auditor", "admin", "stranger"])
def test_role_that_sees_less_is_told_what_it_cannot_see(healthy: Database, role: str) -> None:
    code, found = doctor(healthy.dsn(role))
    assert code == 0
    unknown = {each["check"] for each in found if each["state"] == "unknown"}
    assert {each["state"] for each in found} <= {"ok", "unknown"}
    assert (
        unknown
        == {
            "app": {"default partition", "tracked tables", "administrators", "seals"},
            "reader_a": {"default partition", "administrators", "seals"},
            "auditor": {"administrators"},
            "admin": {"default partition"},
            "stranger": {
                *("default partition", "partitions", "tracked tables", "administrators"),
                *("gateways", "seals"),
            },
        }[role]
    )


def test_database_without_pgchronicle_is_told_how_to_get_it(empty_database: Database) -> None:
    code, found = doctor(empty_database.dsn())
    assert code == 1
    assert [each["check"] for each in found] == ["server", "migrations"]
    assert found[1]["fix"] == "pgchronicle migrate"
    assert "the first is pgchronicle_0001_" in found[1]["finding"]


def test_schema_of_somebody_else_is_not_taken_for_ours(empty_database: Database) -> None:
    with empty_database.connect() as connection:
        connection.execute("create schema chronicle")
    code, found = doctor(empty_database.dsn())
    assert code == 1
    assert found[1]["finding"] == (
        "the schema chronicle belongs to installer and is not pgchronicle's"
    )


def test_migration_that_was_applied_but_not_marked_is_marked_as_advised(
    healthy: Database,
) -> None:
    connection = healthy.connect(autocommit=True)
    mark = "select migration_id from public._yoyo_migration order by 1 desc limit 1"
    migration = value(connection, mark)
    run(connection, "delete from public._yoyo_migration where migration_id = %s", (migration,))
    (finding,) = complaints(healthy.dsn())
    assert finding["finding"] == f"{migration} is applied but not marked: its run ended in between"
    # As a shell would, with yoyo beside this Python.
    beside = os.path.dirname(sys.executable)  # noqa: PTH120
    environment = healthy.environment()
    subprocess.run(
        finding["fix"],
        shell=True,
        check=True,
        timeout=60,
        capture_output=True,
        env=environment | {"PATH": f"{beside}:{environment['PATH']}"},
    )
    assert complaints(healthy.dsn()) == []


def test_marks_without_the_schema_are_critical_and_are_mended_as_advised(
    healthy: Database,
) -> None:
    connection = healthy.connect(autocommit=True)
    Chronicle(connection).log_audit_event(**PAGE)
    run(connection, "set role chronicle_owner")
    run(connection, "drop schema chronicle_capture, chronicle cascade")
    run(connection, "reset role")
    code, found = doctor(healthy.dsn())
    assert code == 1
    assert [(each["check"], each["state"]) for each in found] == [
        ("server", "ok"),
        ("migrations", "critical"),
    ]
    assert found[1]["finding"].startswith(
        "the migrations are marked as applied, but there is no schema chronicle. "
    )
    run(connection, found[1]["fix"])
    assert doctor(healthy.dsn())[1][1]["fix"] == "pgchronicle migrate"
    migrated = CliRunner().invoke(main, ["migrate", "--dsn", healthy.dsn()])
    assert migrated.exit_code == 0
    assert doctor(healthy.dsn())[0] == 0


def test_schema_without_any_mark_is_not_taken_for_lost(healthy: Database) -> None:
    connection = healthy.connect(autocommit=True)
    marks = "delete from public._yoyo_migration returning migration_id"
    migrations = sorted(values(connection, marks))
    assert [each["finding"] for each in complaints(healthy.dsn())] == [
        f"{migration} is applied but not marked: its run ended in between"
        for migration in migrations
    ]


def test_server_that_is_too_old_is_found(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_checks, "OLDEST_SERVER", 990000)
    code, found = doctor(cluster.dsn("postgres"))
    assert code == 1
    assert (found[0]["check"], found[0]["state"]) == ("server", "critical")


def test_in_a_pipe_a_finding_is_a_line(healthy: Database) -> None:
    result = CliRunner().invoke(main, ["doctor", "--dsn", healthy.dsn()])
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert {len(line) for line in lines} == {4}
    assert {line[0] for line in lines} == {"ok"}


def test_a_gateway_that_is_gone_or_too_mighty_is_a_warning(healthy: Database) -> None:
    with healthy.connect("postgres") as connection:
        connection.execute("create role doomed login")
        for gateway in ("app", "doomed", "postgres"):
            connection.execute("select chronicle.add_trusted_gateway(%s)", (gateway,))
        connection.execute("drop role doomed")
        connection.commit()
    _, found = doctor(healthy.dsn())
    warnings = [each for each in found if each["check"] == "gateways"]
    assert [(each["state"], each["finding"]) for each in warnings] == [
        (
            "warning",
            "doomed is believed about who acts, and is no role that can log in: "
            "whoever makes one of that name would be believed",
        ),
        ("warning", "postgres is believed about who acts, and is a superuser"),
    ]
    with healthy.connect("admin") as connection:
        for each in warnings:
            run(connection, each["fix"])
        connection.commit()
    _, found = doctor(healthy.dsn())
    assert [each["finding"] for each in found if each["check"] == "gateways"] == [
        "app is believed without a token"
    ]


def test_a_transaction_that_holds_back_the_stream_is_a_warning(
    healthy: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with healthy.connect("app") as writer, healthy.connect("postgres") as session:
        process = writer.info.backend_pid
        writer.execute("select pg_current_xact_id()")
        (finding,) = _checks._stream(session)  # pyright: ignore[reportPrivateUsage]
        assert (finding.state, finding.finding) == (
            "ok",
            "no transaction has held back events_since for 10 minutes",
        )
        with healthy.connect() as owner:
            (finding,) = _checks._stream(owner)  # pyright: ignore[reportPrivateUsage]
        assert (finding.state, finding.finding) == (
            "ok",
            "no prepared transaction has held back events_since for 10 minutes; "
            "how long others are open, a member of pg_read_all_stats sees",
        )
        monkeypatch.setattr(_checks, "_PATIENCE", timedelta(0))
        (finding,) = [
            each
            for each in _checks._stream(session)  # pyright: ignore[reportPrivateUsage]
            if f"process {process} " in each.finding
        ]
        assert finding.state == "warning"
        assert finding.finding.startswith(
            f"an open transaction of app, process {process} holds back events_since, for "
        )
        assert finding.fix == f"select pg_terminate_backend({process});"
