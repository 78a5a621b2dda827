"""``seal``: everything that is settled, once or on and on."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from typing import IO, Any

import pytest

import sealing
from ask import run, value
from command.running import done, pgchronicle
from pgchronicle import Chronicle
from pgchronicle.command import seal as seal_module
from streaming import log, take_id
from support import Connection, Database


@pytest.fixture
def dsn(quiet: Database) -> str:
    """Of somebody who may seal, and see no event."""
    return quiet.dsn("admin")


@pytest.fixture
def writer(quiet: Database) -> Connection:
    return quiet.connect("app", autocommit=True)


@pytest.fixture
def auditor(quiet: Database) -> Connection:
    """The installer, who is an auditor as well and sees what was sealed."""
    return quiet.connect(autocommit=True)


# Once


def test_what_is_settled_is_sealed(dsn: str, writer: Connection, auditor: Connection) -> None:
    for name in "abc":
        log(writer, name)
    result = pgchronicle("seal", "--dsn", dsn)
    assert (result.exit_code, result.stdout, result.stderr) == (
        *(0, ""),
        "Sealed 3 events; the log has 3 in 1 batch.\n",
    )
    assert sealing.sealed(auditor) == [["a", "b", "c"]]
    log(writer, "d")
    result = pgchronicle("seal", "--dsn", dsn)
    assert result.stderr == "Sealed 1 event; the log has 4 in 2 batches.\n"
    assert sealing.sealed(auditor) == [["a", "b", "c"], ["d"]]


def test_nothing_is_left_however_much_there_is(
    dsn: str, writer: Connection, auditor: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seal_module, "_LIMIT", 2)
    for name in "abcde":
        log(writer, name)
    result = pgchronicle("seal", "--dsn", dsn)
    assert result.stderr == "Sealed 5 events; the log has 5 in 3 batches.\n"
    assert sealing.sealed(auditor) == [["a", "b"], ["c", "d"], ["e"]]


def test_nothing_new_is_no_error(dsn: str, auditor: Connection) -> None:
    result = pgchronicle("seal", "--dsn", dsn)
    assert (result.exit_code, result.stderr) == (
        0,
        "Sealed 0 events; the log has 0 in 0 batches.\n",
    )
    assert sealing.sealed(auditor) == []


def test_it_says_who_holds_back_what(
    dsn: str, quiet: Database, writer: Connection, auditor: Connection
) -> None:
    log(writer, "before")
    slow = quiet.connect("app")
    take_id(slow)
    log(writer, "behind")
    result = pgchronicle("seal", "--dsn", dsn)
    since = value(auditor, "select recorded_at from chronicle.events where resource_id = 'behind'")
    assert (result.exit_code, result.stderr) == (
        0,
        "Sealed 1 event; the log has 1 in 1 batch.\n"
        f"Not sealed yet: events recorded since {since.isoformat(' ', 'seconds')}, held back by "
        f"pid {slow.info.backend_pid} until its transaction ends.\n",
    )
    slow.commit()
    assert "Sealed 1 event;" in pgchronicle("seal", "--dsn", dsn).stderr
    assert sealing.sealed(auditor) == [["before"], ["behind"]]


def test_numbers_come_as_json(
    dsn: str, quiet: Database, writer: Connection, auditor: Connection
) -> None:
    log(writer, "a")
    assert json.loads(done("seal", "--json", "--dsn", dsn)) == {
        "sealed": 1,
        "events": 1,
        "batches": 1,
        "unsealed_since": None,
        "held_back_by": None,
    }
    slow = quiet.connect("app")
    take_id(slow)
    log(writer, "b")
    since = value(auditor, "select recorded_at from chronicle.events where resource_id = 'b'")
    assert json.loads(done("seal", "--json", "--dsn", dsn)) == {
        "sealed": 0,
        "events": 1,
        "batches": 1,
        "unsealed_since": since.isoformat(),
        "held_back_by": f"pid {slow.info.backend_pid}",
    }


def test_only_an_administrator_of_the_log_seals(quiet: Database, writer: Connection) -> None:
    log(writer, "a")
    for user in ("app", "auditor", "reader_a", "stranger"):
        result = pgchronicle("seal", "--dsn", quiet.dsn(user))
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("error: permission denied for ")
        assert result.stderr.endswith("hint: This needs the role chronicle_admin.\n")


def test_another_server_is_refused_with_what_to_do(
    dsn: str, quiet: Database, writer: Connection
) -> None:
    log(writer, "a")
    move_to_another_server(quiet)
    result = pgchronicle("seal", "--dsn", dsn)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(
        "error: nothing is sealed: the log comes from another server\n"
        "hint: A dump was restored, the cluster upgraded or the log copied."
    )
    assert "chronicle.begin_epoch(" in result.stderr


def move_to_another_server(quiet: Database) -> None:
    """Lets the log say that it was written on another server, as a copy of it would."""
    superuser = quiet.connect(quiet.cluster.superuser, autocommit=True)
    run(superuser, "alter table chronicle.epochs disable trigger user")
    changed = run(superuser, "update chronicle.epochs set system_identifier = 1").rowcount
    run(superuser, "alter table chronicle.epochs enable always trigger epochs_reject_change")
    assert changed == 1


# On and on


class Sealer:
    """The command as it goes on, in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.stdout: IO[str] = process.stdout
        self.stderr: IO[str] = process.stderr

    def next(self) -> Any:
        """How many events it says that it has sealed."""
        return json.loads(self.stdout.readline())["sealed"]


@contextmanager
def sealing_on(dsn: str, every: str = "0.1") -> Generator[Sealer]:
    with subprocess.Popen(
        [
            *(sys.executable, "-c", "from pgchronicle.command import main; main()"),
            *("seal", "--every", every, "--json", "--dsn", dsn),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        # Who waits for a line that never comes then reads the end.
        watch = threading.Timer(60, process.kill)
        watch.start()
        try:
            yield Sealer(process)
        finally:
            watch.cancel()
            process.kill()


def test_it_goes_on_with_what_comes(dsn: str, writer: Connection, auditor: Connection) -> None:
    log(writer, "a")
    with sealing_on(dsn) as sealer:
        assert sealer.next() == 1
        log(writer, "b")
        assert sealer.next() == 1
    assert sealing.sealed(auditor) == [["a"], ["b"]]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_well(dsn: str, writer: Connection, sign: signal.Signals) -> None:
    log(writer, "a")
    with sealing_on(dsn, "3600") as sealer:
        assert sealer.next() == 1
        sealer.process.send_signal(sign)
        assert (sealer.process.wait(60), sealer.stderr.read()) == (0, "")


def test_lost_connection_is_made_again(
    dsn: str, quiet: Database, writer: Connection, auditor: Connection
) -> None:
    log(writer, "a")
    superuser = quiet.connect(quiet.cluster.superuser, autocommit=True)
    with sealing_on(dsn) as sealer:
        assert sealer.next() == 1
        run(
            superuser,
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'pgchronicle'",
        )
        assert sealer.stderr.readline().startswith("The connection is lost: ")
        assert sealer.stderr.readline() == "Connected again.\n"
        log(writer, "b")
        assert sealer.next() == 1
    assert sealing.sealed(auditor) == [["a"], ["b"]]


def test_refusal_is_not_taken_for_a_lost_connection(
    dsn: str, quiet: Database, writer: Connection
) -> None:
    log(writer, "a")
    with sealing_on(dsn) as sealer:
        assert sealer.next() == 1
        move_to_another_server(quiet)
        assert sealer.process.wait(60) == 1
        assert sealer.stderr.readline() == (
            "error: nothing is sealed: the log comes from another server\n"
        )


def test_it_waits_as_long_as_it_was_told(
    dsn: str, monkeypatch: pytest.MonkeyPatch, writer: Connection
) -> None:
    waited: list[float] = []
    rounds = count()
    once = seal_module._seal  # pyright: ignore[reportPrivateUsage]

    def seal(connection: Any) -> Any:
        assert next(rounds) < 10, "it does not wait"
        return once(connection)

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            raise KeyboardInterrupt
        log(writer, "next")

    monkeypatch.setattr(seal_module, "_seal", seal)
    monkeypatch.setattr("pgchronicle.command.seal.time.sleep", wait)
    result = pgchronicle("seal", "--every", 7, "--dsn", dsn)
    assert (result.exit_code, waited) == (0, [7, 7, 7])
    assert result.stderr.count("Sealed 1 event;") == 2


def test_interval_that_is_none_is_wrong_usage(dsn: str) -> None:
    assert pgchronicle("seal", "--every", 0, "--dsn", dsn).exit_code == 2


def test_client_seals_in_the_transaction_of_its_caller(
    quiet: Database, writer: Connection, auditor: Connection
) -> None:
    log(writer, "a")
    with quiet.connect("admin") as connection:
        assert Chronicle(connection).seal_events() == 1
        connection.rollback()
    assert value(auditor, "select count(*) from chronicle.seal_batches") == 0
