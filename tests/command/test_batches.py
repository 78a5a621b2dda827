"""``snapshot`` and ``import``: long work in batches, which can be stopped and goes on."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ask import rows, run, value, values
from command.running import done, on_terminal, pgchronicle
from pgchronicle import Chronicle
from pgchronicle.command import _progress, import_
from support import Connection


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Has Ctrl-C pressed after the second batch, as long as it is not undone."""

    def advance_to(work: _progress.Work, done: int) -> None:
        work.done = done
        if done >= 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(_progress.Work, "advance_to", advance_to)
        yield context


# snapshot


@pytest.fixture
def old(auditor: Connection) -> Connection:
    """A session with a table that had ten rows when its tracking began."""
    run(auditor, "create table old (id integer primary key, name text)")
    run(auditor, "insert into old select g, 'n' || g from generate_series(1, 10) as g")
    Chronicle(auditor).enable_tracking("old")
    return auditor


SNAPSHOT = (
    "select resource_id, details_after ->> 'name' from chronicle.events "
    "where origin = 'snapshot' order by seq"
)
WHOLE = [(str(n), f"n{n}") for n in range(1, 11)]


def test_snapshot_records_every_row_once(dsn: str, old: Connection) -> None:
    result = pgchronicle("snapshot", "old", "--batch-size", 3, "--dsn", dsn)
    assert (result.exit_code, result.stdout, result.stderr) == (
        *(0, ""),
        "10 rows of old are recorded.\n",
    )
    assert rows(old, SNAPSHOT) == WHOLE
    transactions = "select count(distinct transaction_id) from chronicle.events "
    assert value(old, f"{transactions} where origin = 'snapshot'") == 4


@pytest.mark.usefixtures("old")
def test_snapshot_as_json_says_how_many(dsn: str) -> None:
    said = json.loads(done("snapshot", "old", "--dsn", dsn, "--json"))
    assert said == {"rows_recorded": 10, "rows_total": 10}


def test_snapshot_that_is_stopped_goes_on_where_it_ended(
    dsn: str, old: Connection, stopped: pytest.MonkeyPatch
) -> None:
    command = ("snapshot", "old", "--batch-size", 3, "--dsn", dsn)
    result = pgchronicle(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "error: stopped before the end\n"
        "detail: At least 6 rows are recorded, and stay.\n"
        "hint: To go on from there, run the same command again.\n"
    )
    assert rows(old, SNAPSHOT) == WHOLE[:6]
    stopped.undo()
    result = pgchronicle(*command)
    assert result.stderr == "4 rows of old are recorded, and 6 before it was stopped.\n"
    assert rows(old, SNAPSHOT) == WHOLE


def test_snapshot_whose_session_is_lost_says_how_to_go_on(
    dsn: str, old: Connection, stopped: pytest.MonkeyPatch
) -> None:
    def lose(work: _progress.Work, done: int) -> None:
        work.done = done
        run(
            old,
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'pgchronicle' and datname = current_database()",
        )

    stopped.setattr(_progress.Work, "advance_to", lose)
    result = pgchronicle("snapshot", "old", "--batch-size", 3, "--dsn", dsn)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "error: stopped before the end: " in result.stderr
    assert "detail: At least 3 rows are recorded, and stay.\nhint: To go on" in result.stderr
    assert rows(old, SNAPSHOT) == WHOLE[:3]


def test_ctrl_c_in_the_middle_of_a_batch_ends_it_and_keeps_the_ones_before(
    dsn: str, old: Connection
) -> None:
    # The second batch waits for a row that somebody else holds.
    with old.transaction():
        run(old, "update old set name = 'n5' where id = 5")
        command = [sys.executable, "-c", "from pgchronicle.command import main; main()"]
        process = subprocess.Popen(
            [*command, "snapshot", "old", "--batch-size", "3", "--dsn", dsn],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 60
        waits = "select from pg_stat_activity where wait_event_type = 'Lock' and datname = %s"
        while not rows(old, waits, (old.info.dbname,)):
            assert time.monotonic() < deadline
            run(old, "select pg_stat_clear_snapshot()")
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=60)
    assert (process.returncode, printed) == (1, "")
    assert said.startswith("error: stopped before the end\n")
    assert rows(old, SNAPSHOT) == WHOLE[:3]
    done("snapshot", "old", "--dsn", dsn)
    assert rows(old, SNAPSHOT) == WHOLE


@pytest.mark.usefixtures("old")
def test_snapshot_begins_the_history_of_old_rows(dsn: str) -> None:
    done("snapshot", "old", "--dsn", dsn)
    (line, *state) = done("history", "old", 7, "--dsn", dsn).splitlines()
    assert "  SNAPSHOT  system installer  " in line
    assert state == ["      id: 7", '      name: "n7"']


def test_progress_is_shown_on_a_terminal_only(dsn: str, old: Connection) -> None:
    run(old, "analyze old")
    assert "10 rows" not in pgchronicle("snapshot", "old", "--dsn", dsn, "--json").stderr
    assert on_terminal("snapshot", "old", "--dsn", dsn) == ""


# import


@pytest.fixture
def audit(auditor: Connection) -> Connection:
    """A session with an audit table of another kind, of five entries."""
    run(
        auditor,
        """
        create table "Audit" (
            id integer primary key, "at" timestamptz, "Who, then" text, what text, row_id integer,
            after jsonb
        );
        insert into "Audit"
        select
            g, timestamptz '2020-01-01Z' + g * interval '1 day', 'user' || g, 'orders', 70 + g,
            jsonb_build_object('total', g)
        from generate_series(1, 5) as g
        """,
    )
    return auditor


FROM_TABLE = (
    *("import", "--source", "old", "--from", '"Audit"'),
    *("--map", "occurred_at=at", "--map", "actor_id=Who, then", "--map", "resource_type=what"),
    *("--map", "resource_id=row_id", "--map", "details_after=after"),
    *("--set", "actor_type=user", "--set", "action_type=update", "--set", "reason=it's 100%"),
)
IMPORTED = """
    select
        (occurred_at at time zone 'UTC')::date::text, actor_type::text, actor_id, action,
        resource_id, details_after, reason
    from chronicle.events where origin = 'imported' order by occurred_at
    """
EVENTS = [
    (
        f"2020-01-0{n + 1}",
        "user",
        f"user{n}",
        "orders.update",
        str(70 + n),
        {"total": n},
        "it's 100%",
    )
    for n in range(1, 6)
]


def test_import_takes_a_table_with_its_own_times(dsn: str, audit: Connection) -> None:
    result = pgchronicle(*FROM_TABLE, "--dsn", dsn)
    assert (result.exit_code, result.stdout, result.stderr) == (
        *(0, ""),
        "5 events are imported.\n",
    )
    assert rows(audit, IMPORTED) == EVENTS


def test_import_takes_a_query_from_a_file_or_the_command_line(
    dsn: str, audit: Connection, tmp_path: Path
) -> None:
    query = """
        select id as source_id, "at" as occurred_at, 'user' as actor_type, "Who, then" as actor_id,
            'update' as action_type, what as resource_type, row_id as resource_id,
            after as details_after, 'it''s 100%' as reason
        from public."Audit"
        """
    path = tmp_path / "query.sql"
    path.write_text(f"{query} where id < 4 -- and no more")
    said = json.loads(
        done("import", "--source", "old", "--query-file", path, "--dsn", dsn, "--json")
    )
    assert said == {"events_imported": 3, "events_total": 3}
    result = pgchronicle("import", "--source", "old", "--query", query, "--dsn", dsn)
    assert result.stderr == "2 events are imported; 3 of old were there already.\n"
    assert rows(audit, IMPORTED) == EVENTS


def test_import_repeated_imports_nothing(dsn: str, audit: Connection) -> None:
    done(*FROM_TABLE, "--dsn", dsn)
    result = pgchronicle(*FROM_TABLE, "--dsn", dsn)
    assert (result.exit_code, result.stderr) == (
        0,
        "0 events are imported; 5 of old were there already.\n",
    )
    assert rows(audit, IMPORTED) == EVENTS


def test_import_that_is_stopped_goes_on_where_it_ended(
    dsn: str, audit: Connection, stopped: pytest.MonkeyPatch
) -> None:
    command = (*FROM_TABLE, "--batch-size", 2, "--dsn", dsn)
    result = pgchronicle(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "detail: At least 4 events are recorded, and stay.\nhint: To go on" in result.stderr
    assert rows(audit, IMPORTED) == EVENTS[:4]
    stopped.undo()
    result = pgchronicle(*command)
    assert result.stderr == "1 events are imported; 4 of old were there already.\n"
    assert rows(audit, IMPORTED) == EVENTS


def test_dry_run_shows_the_first_events_and_imports_none(dsn: str, audit: Connection) -> None:
    run(audit, """insert into "Audit" values (6, '2020-02-01Z', 'late', 'orders', 76, '{}')""")
    printed = done(*FROM_TABLE, "--dry-run", "--dsn", dsn)
    events = sorted(line.split("\t")[1:5] for line in printed.splitlines())
    assert [event[1:] for event in events] == [
        [f"user user{n}", "orders.update", f"orders {70 + n}"] for n in range(1, 6)
    ]
    said = json.loads(done(*FROM_TABLE, "--dry-run", "--dsn", dsn, "--json"))
    assert {event["origin"] for event in said} == {"imported"}
    assert values(audit, "select count(*) from chronicle.events") == [0]
    assert done(*FROM_TABLE, "--dsn", dsn) == ""
    result = pgchronicle(*FROM_TABLE, "--dry-run", "--dsn", dsn)
    assert result.stdout == ""
    assert "There is nothing that is not there already." in result.stderr


def test_event_that_is_refused_is_told_in_the_words_of_the_log(dsn: str, audit: Connection) -> None:
    run(audit, """update "Audit" set "at" = null where id = 3""")
    for more in ((), ("--dry-run",)):
        result = pgchronicle(*FROM_TABLE, *more, "--dsn", dsn)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("error: ")
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ((), "Say one of --query, --query-file and --from."),
        (("--query", "select", "--from", "t"), "Say one of "),
        (("--query", "select", "--set", "reason=x"), "--map and --set go with --from."),
        (("--from", "t", "--map", "reason"), "'reason' is no FIELD=COLUMN."),
        (("--from", "t", "--set", "reason"), "'reason' is no FIELD=VALUE."),
        (("--from", "t", "--set", "actr_id=x"), "no field 'actr_id'. Did you mean actor_id?"),
        (("--from", "t", "--set", "event_id=x"), "an event has no field 'event_id'."),
        (
            ("--from", '"Audit"', "--set", "reason=x", "--map", "reason=what"),
            "reason is said twice.",
        ),
    ],
)
def test_import_that_makes_no_sense_is_wrong_usage(
    dsn: str, audit: Connection, wrong: tuple[str, ...], complaint: str
) -> None:
    result = pgchronicle("import", "--source", "old", *wrong, "--dsn", dsn)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert values(audit, "select count(*) from chronicle.events") == [0]


def test_every_field_of_an_imported_event_may_be_mapped(auditor: Connection) -> None:
    fields = values(
        auditor,
        "select attname from pg_attribute "
        "where attrelid = 'chronicle.imported_event'::regclass and attnum > 0",
    )
    assert set(fields) == set(import_.FIELDS)


def test_table_without_a_plain_key_needs_its_source_id_said(dsn: str, audit: Connection) -> None:
    run(audit, """alter table "Audit" drop constraint "Audit_pkey" """)
    result = pgchronicle(*FROM_TABLE, "--dsn", dsn)
    assert result.exit_code == 2
    assert "has no primary key of one column: say --map source_id=COLUMN" in result.stderr
    done(*FROM_TABLE, "--map", "source_id=id", "--dsn", dsn)
    assert rows(audit, IMPORTED) == EVENTS


@pytest.mark.usefixtures("audit")
def test_import_of_a_table_that_is_not_there_is_told_which_may_be_meant(dsn: str) -> None:
    result = pgchronicle("import", "--source", "old", "--from", "audit", "--dsn", dsn)
    assert result.exit_code == 1
    assert result.stderr == ('error: there is no table audit\nhint: Did you mean public."Audit"?\n')
