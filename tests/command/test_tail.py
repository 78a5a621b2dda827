"""``tail``: the last events, and then each as it comes."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from ask import run
from command.running import done, on_terminal, pgchronicle
from pgchronicle import Chronicle
from pgchronicle.formats import csv, jsonl
from streaming import take_id
from support import Database

PAGE: Any = {
    "actor_type": "user",
    "actor_id": "ada",
    "action_type": "read",
    "resource_type": "page",
}


@pytest.fixture
def dsn(quiet: Database) -> str:
    return quiet.dsn("auditor")


@pytest.fixture
def log(quiet: Database) -> Chronicle:
    """Writes and reads as the installer, who is an auditor as well."""
    return Chronicle(quiet.connect(autocommit=True))


def add(log: Chronicle, *resource_ids: object) -> None:
    for resource_id in resource_ids:
        log.log_audit_event(**PAGE, resource_id=resource_id)


def names(said: str) -> list[str]:
    """The resources of events that were printed as JSON Lines."""
    return [json.loads(line)["resource_id"] for line in said.splitlines()]


# The last ones


def test_last_events_come_oldest_first(dsn: str, log: Chronicle) -> None:
    add(log, *range(30))
    assert names(done("tail", "--dsn", dsn, "--json")) == [str(n) for n in range(10, 30)]
    assert names(done("tail", "--dsn", dsn, "--json", "-n", 2)) == ["28", "29"]
    assert names(done("tail", "--dsn", dsn, "--json", "-n", 30)) == [str(n) for n in range(30)]
    assert names(done("tail", "--dsn", dsn, "--json", "-n", 99)) == [str(n) for n in range(30)]
    assert done("tail", "--dsn", dsn, "-n", 0) == ""


def test_events_of_an_empty_log_are_none(dsn: str) -> None:
    assert done("tail", "--dsn", dsn) == ""


def test_last_events_are_the_last_of_the_stream(dsn: str, quiet: Database, log: Chronicle) -> None:
    add(log, "first")
    early, blocker = quiet.connect(), quiet.connect()
    take_id(early)
    take_id(blocker)
    add(log, 1, 2)
    Chronicle(early).log_audit_event(**PAGE, resource_id="early")
    early.commit()
    # What is not settled does not count: it comes later, and may come in another place.
    assert names(done("tail", "--dsn", dsn, "--json", "-n", 1)) == ["first"]
    blocker.commit()
    add(log, 3)
    streamed = [str(event.resource_id) for event in log.events_since()]
    assert streamed == ["first", "1", "2", "early", "3"]
    for count in range(1, 6):
        assert names(done("tail", "--dsn", dsn, "--json", "-n", count)) == streamed[-count:]


def test_in_a_pipe_each_event_is_a_line_as_of_events(dsn: str, log: Chronicle) -> None:
    add(log, 1, 2)
    lines = done("events", "--dsn", dsn).splitlines()
    assert done("tail", "--dsn", dsn).splitlines() == lines[::-1]


def test_format_may_be_any_of_export(dsn: str, log: Chronicle) -> None:
    add(log, 1)
    (event,) = log.events_since()
    assert done("tail", "--dsn", dsn, "--json") == f"{jsonl.to_text(event)}\n"
    assert pgchronicle("tail", "--dsn", dsn, "--format", "csv").stdout_bytes.decode() == (
        f"{csv.HEADER}\r\n{csv.to_text(event)}\r\n"
    )
    found = done("tail", "--dsn", dsn, "--format", "cloudevents", "--source", "urn:x")
    assert json.loads(found)["source"] == "urn:x"


def test_cursor_says_where_to_begin(dsn: str, log: Chronicle) -> None:
    add(log, *range(30))
    stream = log.events_since()
    next(stream)
    said = done("tail", "--dsn", dsn, "--json", "--cursor", stream.cursor)
    assert names(said) == [str(n) for n in range(1, 30)]


def test_reader_sees_the_last_of_theirs(quiet: Database, log: Chronicle) -> None:
    log.add_administrator("reader_a", "acme")
    for n in range(4):
        log.log_audit_event(**PAGE, resource_id=n, organization_id="acme" if n % 2 else "other")
    assert names(done("tail", "--dsn", quiet.dsn("reader_a"), "--json", "-n", 1)) == ["3"]
    assert names(done("tail", "--dsn", quiet.dsn("reader_a"), "--json", "-n", 9)) == ["1", "3"]


def test_on_a_terminal_an_event_is_for_people(dsn: str, log: Chronicle) -> None:
    add(log, "seven")
    said = on_terminal("tail", "--dsn", dsn)
    assert "\x1b[36muser ada\x1b[0m  \x1b[1mpage.read\x1b[0m  seven" in said


def test_options_that_contradict_each_other_are_wrong_usage(dsn: str) -> None:
    result = pgchronicle("tail", "--dsn", dsn, "--json", "--format", "csv")
    assert (result.exit_code, "--json is --format jsonl" in result.stderr) == (2, True)


# Following


class Follower:
    """The command as it follows, in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.stdout: IO[str] = process.stdout
        self.stderr: IO[str] = process.stderr

    def next(self) -> Any:
        """The resource of the next event that it prints."""
        return json.loads(self.stdout.readline())["resource_id"]


@contextmanager
def following(dsn: str, *options: str) -> Generator[Follower]:
    command = [
        *(sys.executable, "-c", "from pgchronicle.command import main; main()", "tail"),
        *("-f", "--json", "--poll", "0.05", "--dsn", dsn, *options),
    ]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Lines come at once all the same.
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    ) as process:
        # Who waits for a line that never comes then reads the end.
        watch = threading.Timer(60, process.kill)
        watch.start()
        try:
            yield Follower(process)
        finally:
            watch.cancel()
            process.kill()


def test_following_begins_with_the_last_and_gives_what_comes(dsn: str, log: Chronicle) -> None:
    add(log, 1, 2, 3)
    with following(dsn, "-n", "2") as follower:
        assert [follower.next(), follower.next()] == ["2", "3"]
        add(log, 4)
        assert follower.next() == "4"
        add(log, 5, 6)
        assert [follower.next(), follower.next()] == ["5", "6"]


def test_event_that_was_open_when_following_began_is_not_missed(
    dsn: str, quiet: Database, log: Chronicle
) -> None:
    slow = quiet.connect()
    add(log, "before")
    Chronicle(slow).log_audit_event(**PAGE, resource_id="slow")
    with following(dsn) as follower:
        assert follower.next() == "before"
        add(log, "quick")
        slow.commit()
        assert [follower.next(), follower.next()] == ["slow", "quick"]


def test_ctrl_c_ends_it_well(dsn: str, log: Chronicle) -> None:
    add(log, 1)
    with following(dsn) as follower:
        assert follower.next() == "1"
        follower.process.send_signal(signal.SIGINT)
        assert (follower.process.wait(60), follower.stderr.read()) == (0, "")


def test_connection_that_is_lost_is_made_again_without_a_gap_or_a_repeat(
    dsn: str, quiet: Database, log: Chronicle
) -> None:
    add(log, 1)
    superuser = quiet.connect(quiet.cluster.superuser, autocommit=True)
    with following(dsn) as follower:
        assert follower.next() == "1"
        run(
            superuser,
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'pgchronicle'",
        )
        assert follower.stderr.readline().startswith("The connection is lost: ")
        add(log, 2)
        assert follower.stderr.readline() == "Connected again.\n"
        add(log, 3)
        assert [follower.next(), follower.next()] == ["2", "3"]


def test_refusal_is_not_taken_for_a_lost_connection(dsn: str, log: Chronicle) -> None:
    add(log, 1)
    with following(dsn, "--cursor", "1.999999999999.1") as follower:
        assert follower.stderr.readline() == "error: the stream is ahead of this server\n"
        assert follower.process.wait(60) == 1


def test_server_that_is_not_there_at_first_exits_with_3(tmp_path: Path) -> None:
    result = pgchronicle("tail", "-f", "--dsn", f"host={tmp_path}")
    assert result.exit_code == 3
    assert "error: cannot connect: " in result.stderr


def test_reader_that_leaves_is_no_error_to_speak_of(dsn: str, log: Chronicle) -> None:
    add(log, 1)
    with following(dsn) as follower:
        assert follower.next() == "1"
        follower.stdout.close()
        add(log, 2)
        assert (follower.process.wait(60), follower.stderr.read()) == (1, "")
