"""``export``: the whole log, each event once, in whatever number of runs."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ask import run, values
from command.running import done, on_terminal, pgchronicle
from formats.samples import AWKWARD, event_of
from pgchronicle import Chronicle, Event
from pgchronicle._json import loads
from pgchronicle.command import _export_file
from pgchronicle.formats import FORMATS
from support import Database

PAGE: Any = {"actor_type": "user", "action_type": "read", "resource_type": "page"}
NAME = "the log"
# A log of some pages; each of these batches is a transaction of its own in the export.
SMALL = ("--batch-size", 3)


@pytest.fixture
def dsn(quiet: Database) -> str:
    return quiet.dsn("auditor")


@pytest.fixture
def log(quiet: Database) -> Chronicle:
    """Writes and reads as the installer, who is an auditor as well."""
    return Chronicle(quiet.connect(autocommit=True))


def add(log: Chronicle, *resource_ids: object) -> None:
    """Logs the reading of pages, each in a transaction of its own."""
    for resource_id in resource_ids:
        log.log_audit_event(**PAGE, resource_id=resource_id, organization_id="acme")


def whole(log: Chronicle) -> list[Event]:
    """The stream to its end."""
    return list(log.events_since())


def read(data: bytes) -> list[Event]:
    """The events of an export as JSON Lines."""
    assert data == b"" or data.endswith(b"\n")
    return [event_of(loads(line)) for line in data.splitlines()]


def export(dsn: str, path: Path, *more: object, form: str = "jsonl") -> None:
    done("export", "--dsn", dsn, "--format", form, "--output", path, "--source", NAME, *more)


# What is exported


@pytest.mark.parametrize("form", FORMATS)
def test_every_event_is_given_in_the_format_asked_for(dsn: str, log: Chronicle, form: str) -> None:
    log.log_audit_event(**PAGE, resource_id=AWKWARD, details_after={"a": AWKWARD})
    add(log, 1, 2)
    chosen = FORMATS[form]
    lines = [chosen.line(chosen.to_text(event, NAME)) for event in whole(log)]
    result = pgchronicle("export", "--dsn", dsn, "--format", form, "--source", NAME)
    assert result.stdout_bytes == chosen.beginning() + b"".join(lines)
    assert result.exit_code == 0


def test_captured_imported_and_management_events_come_as_well(
    dsn: str, quiet: Database, log: Chronicle
) -> None:
    session = quiet.connect(autocommit=True)
    run(session, "create table t (id integer primary key, n numeric)")
    log.enable_tracking("t")
    run(session, "insert into t values (1, 1.10)")
    run(session, "update t set n = 1.1")
    log.snapshot_table("t")
    run(session, "truncate t")
    log.import_events(
        "old",
        "select 1 as source_id, '0001-01-01 00:00+00'::timestamptz as occurred_at, "
        "'system' as actor_type, 'read' as action_type, 'page' as resource_type",
    )
    # In the zone of the session, the first day of year 1 would begin in the year before.
    exported = done("export", "--dsn", dsn, PGTZ="America/New_York")
    found = [loads(line) for line in exported.splitlines()]
    assert [(each["origin"], each["action"]) for each in found] == [
        ("logged", "chronicle.tracking.enable"),
        ("captured", "t.create"),
        ("captured", "t.update"),
        ("logged", "chronicle.snapshot.begin"),
        ("snapshot", "t.snapshot"),
        ("logged", "chronicle.snapshot.end"),
        *[("captured", "t.truncate")] * 2,  # the row, and that it was all
        ("imported", "page.read"),
        ("logged", "chronicle.import"),
    ]
    assert '"details_before":{"n":1.10}' in exported
    assert found[-2]["occurred_at"] == "0001-01-01T00:00:00.000000Z"


def test_reader_exports_what_is_theirs(quiet: Database, log: Chronicle) -> None:
    log.add_administrator("reader_a", "acme")
    add(log, 1)
    log.log_audit_event(**PAGE, organization_id="other")
    found = read(done("export", "--dsn", quiet.dsn("reader_a")).encode())
    assert [(each.organization_id, each.resource_id) for each in found] == [("acme", "1")]


def test_place_goes_behind_what_others_alone_may_see(
    quiet: Database, log: Chronicle, tmp_path: Path
) -> None:
    log.add_administrator("reader_a", "acme")
    log.log_audit_event(**PAGE, organization_id="other")
    path, place = tmp_path / "events", tmp_path / "place"
    export(quiet.dsn("reader_a"), path)
    done("export", "--dsn", quiet.dsn("reader_a"), "--cursor-file", place)
    kept = json.loads((tmp_path / "events.cursor").read_text())["cursor"]
    assert list(log.events_since(kept)) == []
    assert list(log.events_since(place.read_text().strip())) == []
    add(log, 1)
    export(quiet.dsn("reader_a"), path)
    assert [each.resource_id for each in read(path.read_bytes())] == ["1"]


def test_source_is_the_address_of_the_database_unless_it_is_said(
    quiet: Database, log: Chronicle
) -> None:
    add(log, 1)
    command = ("export", "--dsn", quiet.dsn("auditor"), "--format", "cloudevents")
    assert json.loads(done(*command))["source"] == f"postgresql:///{quiet.name}"
    assert json.loads(done(*command, "--source", "urn:x"))["source"] == "urn:x"


def test_event_of_an_open_transaction_comes_in_a_later_run(
    dsn: str, quiet: Database, log: Chronicle, tmp_path: Path
) -> None:
    slow = quiet.connect()
    Chronicle(slow).log_audit_event(**PAGE, resource_id="slow")
    add(log, "quick")
    path = tmp_path / "events"
    export(dsn, path)
    assert read(path.read_bytes()) == []
    slow.commit()
    export(dsn, path)
    assert [each.resource_id for each in read(path.read_bytes())] == ["slow", "quick"]


def test_output_is_utf_8_whatever_the_locale(quiet: Database, log: Chronicle) -> None:
    log.log_audit_event(**PAGE, resource_id="\N{GRINNING FACE}")
    result = subprocess.run(
        [*_COMMAND, "export", "--dsn", quiet.dsn(), "--format", "cef"],
        env={**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        check=True,
    )
    assert " cs3=\N{GRINNING FACE} ".encode() in result.stdout


def test_terminal_gets_no_control_characters(dsn: str, log: Chronicle) -> None:
    log.log_audit_event(**PAGE, resource_id="\x1b[2J\nforged\x9b")
    said = on_terminal("export", "--format", "csv", "--dsn", dsn)
    assert '"\\x1b[2J\\nforged\\x9b"' in said
    assert "\x1b" not in said


# To a file


def test_export_that_is_repeated_adds_what_is_new(dsn: str, log: Chronicle, tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    form = FORMATS["csv"]
    add(log, *range(10))
    result = pgchronicle("export", "--dsn", dsn, "--format", "csv", "--output", path, *SMALL)
    assert (result.exit_code, result.stdout, result.stderr) == (
        *(0, ""),
        f"10 events are exported to {path}.\n",
    )
    add(log, *range(10, 14))
    result = pgchronicle("export", "--dsn", dsn, "--format", "csv", "--output", path, *SMALL)
    assert result.stderr == f"4 events are exported to {path}.\n"
    export_of_nothing = pgchronicle("export", "--dsn", dsn, "--format", "csv", "--output", path)
    assert export_of_nothing.stderr == f"0 events are exported to {path}.\n"
    lines = [form.line(form.to_text(event, "")) for event in whole(log)]
    assert path.read_bytes() == form.beginning() + b"".join(lines)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["events.csv", "events.csv.cursor"]


def test_two_exports_to_the_end_are_equal_and_the_whole_log(
    dsn: str, quiet: Database, log: Chronicle, tmp_path: Path
) -> None:
    add(log, *range(20))
    export(dsn, tmp_path / "one", *SMALL)
    export(dsn, tmp_path / "two", "--batch-size", 7)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    found = [str(event.event_id) for event in read((tmp_path / "one").read_bytes())]
    auditor = quiet.connect("auditor")
    assert sorted(found) == sorted(values(auditor, "select event_id::text from chronicle.events"))


# Where to die: the function, the time it is called, and whether before or after its work.
_DEATHS = {
    "before any byte": ("keep", 1, "before"),
    "after the first note": ("keep", 1, "after"),
    "within a line": ("_write", 2, "half"),
    "with bytes that are not noted": ("keep", 3, "before"),
    "in the middle of the note": ("keep", 3, "half"),
    "between two batches": ("keep", 3, "after"),
    "at the end": ("keep", 5, "after"),
}

_DYING = """
import os, signal, sys
from pgchronicle.command import _export_file, export, main

name, time, when = sys.argv[1], int(sys.argv[2]), sys.argv[3]
work, called = getattr(_export_file, name), 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def deadly(*arguments):
    global called
    called += 1
    if called != time:
        return work(*arguments)
    if when == "half" and name == "_write":
        file, data = arguments
        work(file, data[: len(data) // 2])
    elif when == "half":
        path, line = arguments
        path.with_name(path.name + ".new").write_text(line[:5])
    elif when == "after":
        work(*arguments)
    die()

setattr(_export_file, name, deadly)
setattr(export, name, deadly)
main(sys.argv[4:])
"""


@pytest.mark.parametrize("where", _DEATHS)
def test_export_killed_anywhere_goes_on_without_a_gap_or_a_repeat(
    dsn: str, log: Chronicle, tmp_path: Path, where: str
) -> None:
    add(log, *range(9))
    path = tmp_path / "events.csv"
    command = ["export", "--dsn", dsn, "--format", "csv", "--output", str(path), "--batch-size=3"]
    dying = [sys.executable, "-c", _DYING, *map(str, _DEATHS[where]), *command]
    assert subprocess.run(dying, timeout=60).returncode == -signal.SIGKILL
    add(log, *range(9, 12))
    done(*command)
    form = FORMATS["csv"]
    lines = [form.line(form.to_text(event, "")) for event in whole(log)]
    assert path.read_bytes() == form.beginning() + b"".join(lines)


_COMMAND = (sys.executable, "-c", "from pgchronicle.command import main; main()")


@contextmanager
def writers(quiet: Database) -> Generator[threading.Semaphore]:
    """Sessions that write large and small transactions, some of which fail: as many as there are
    tickets."""
    is_over = threading.Event()
    tickets = threading.Semaphore(0)

    def write(seed: int) -> None:
        chance = random.Random(seed)
        with psycopg.connect(quiet.dsn()) as connection:
            log = Chronicle(connection)
            while tickets.acquire() and not is_over.is_set():
                for _ in range(chance.randrange(1, 20)):
                    log.log_audit_event(**PAGE, details_after={"x": "y" * chance.randrange(500)})
                connection.commit() if chance.random() < 0.8 else connection.rollback()

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield tickets
    finally:
        is_over.set()
        tickets.release(len(threads))
        for thread in threads:
            thread.join()


def test_export_killed_again_and_again_while_others_write_is_the_whole_log(
    quiet: Database, log: Chronicle, tmp_path: Path
) -> None:
    path = tmp_path / "events"
    note = tmp_path / "events.cursor"
    command = ["export", "--dsn", quiet.dsn("auditor"), "--output", str(path), "--batch-size=5"]
    with writers(quiet) as tickets:
        for _ in range(6):
            tickets.release(50)
            before = note.read_bytes() if note.exists() else b""
            process = subprocess.Popen([*_COMMAND, *command], stderr=subprocess.DEVNULL)
            # It has written something since it was started, and is at work on the next.
            while process.poll() is None and (not note.exists() or note.read_bytes() == before):
                pass
            process.kill()
            process.wait()
    done(*command)
    exported = read(path.read_bytes())
    assert exported == whole(log)
    ids = [str(event.event_id) for event in exported]
    assert sorted(ids) == values(
        quiet.connect("auditor"), "select event_id::text from chronicle.events order by 1"
    )


def test_full_disk_is_an_error_after_which_it_goes_on(
    dsn: str, log: Chronicle, tmp_path: Path
) -> None:
    add(log, *range(9))
    path = tmp_path / "events"
    limited = (
        "import resource, sys; from pgchronicle.command import main; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY)); "
        "main(sys.argv[1:])"
    )
    command = ["export", "--dsn", dsn, "--output", str(path), "--batch-size=2"]
    result = subprocess.run(
        [sys.executable, "-c", limited, *command], capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (1, "error: cannot write: File too large\n")
    assert path.stat().st_size == 5000
    done(*command)
    assert read(path.read_bytes()) == whole(log)


def test_connection_that_is_lost_leaves_what_can_be_continued(
    quiet: Database, log: Chronicle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, *range(9))
    superuser = quiet.connect(quiet.cluster.superuser, autocommit=True)
    append = _export_file.ExportFile.append

    def append_and_lose(*arguments: Any) -> None:
        append(*arguments)
        run(
            superuser,
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'pgchronicle'",
        )

    command = ("export", "--dsn", quiet.dsn("auditor"), "--output", tmp_path / "events", *SMALL)
    with monkeypatch.context() as context:
        context.setattr(_export_file.ExportFile, "append", append_and_lose)
        result = pgchronicle(*command)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: stopped before the end: ")
    assert result.stderr.endswith("hint: To go on from there, run the same command again.\n")
    done(*command)
    assert read((tmp_path / "events").read_bytes()) == whole(log)


def test_only_one_process_writes_to_a_file(dsn: str, log: Chronicle, tmp_path: Path) -> None:
    add(log, 1)
    path = tmp_path / "events"
    with _export_file.open_export(path, form="jsonl", source=NAME, cursor=None):
        result = pgchronicle("export", "--dsn", dsn, "--output", path)
    assert (result.exit_code, result.stderr) == (
        1,
        f"error: another process exports to {path}\n"
        "hint: Wait until it is done, or give this one another file.\n",
    )


def _other_file(path: Path) -> None:
    path.with_name("events.cursor").unlink()


def _file_gone(path: Path) -> None:
    path.unlink()


def _file_cut(path: Path) -> None:
    os.truncate(path, 100)


def _note_spoilt(path: Path) -> None:
    path.with_name("events.cursor").write_text("1.2.3\n")


@pytest.mark.parametrize(
    ("spoil", "more", "complaint"),
    [
        (_other_file, (), "is there, and was not exported by this command"),
        (_file_gone, (), "is gone, but events.cursor is there"),
        (_file_cut, (), "has 100 bytes, and "),
        (_note_spoilt, (), "does not say how far the export has come"),
        (None, ("--format", "csv"), "was begun with --format jsonl, not csv"),
        (None, ("--source", "x"), "was begun with --source the log, not x"),
        (None, ("--cursor", "1.1.1"), "goes on from 1."),
    ],
)
def test_file_that_cannot_be_continued_is_left_alone(
    dsn: str,
    log: Chronicle,
    tmp_path: Path,
    spoil: Callable[[Path], None] | None,
    more: tuple[str, ...],
    complaint: str,
) -> None:
    add(log, 1)
    path = tmp_path / "events"
    export(dsn, path)
    if spoil is not None:
        spoil(path)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    add(log, 2)
    command = ("export", "--dsn", dsn, "--output", path, "--source", NAME, *more)
    result = pgchronicle(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert complaint in result.stderr
    assert "hint: " in result.stderr
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_new_file_may_begin_anywhere(dsn: str, log: Chronicle, tmp_path: Path) -> None:
    add(log, 1, 2)
    stream = log.events_since()
    next(stream)
    export(dsn, tmp_path / "events.csv", "--cursor", stream.cursor, form="csv")
    form = FORMATS["csv"]
    text = form.to_text(whole(log)[1], "")
    assert (tmp_path / "events.csv").read_bytes() == form.beginning() + form.line(text)


def test_file_that_cannot_be_made_is_an_error_of_one_line(
    dsn: str, log: Chronicle, tmp_path: Path
) -> None:
    add(log, 1)
    result = pgchronicle("export", "--dsn", dsn, "--output", tmp_path / "no" / "file")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {tmp_path}/no/file")
    assert result.stderr.endswith(": No such file or directory\n")


@pytest.mark.parametrize("name", ["-", "fifo", "/dev/null"])
def test_what_is_no_regular_file_is_refused_before_anything_is_written(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    result = pgchronicle("export", "--dsn", dsn, "--output", name)
    assert (result.exit_code, result.stdout) == (2, "")
    advice = "leave --output out and keep the place with --cursor-file."
    assert result.stderr.endswith(f"{name} is no regular file: {advice}\n")
    assert [each.name for each in tmp_path.iterdir()] == ["fifo"]


@pytest.mark.parametrize("name", ["-", "fifo", "/dev/full", "nowhere/place"])
def test_the_place_is_kept_in_a_regular_file_or_nothing_is_written(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    result = pgchronicle("export", "--dsn", dsn, "--cursor-file", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith(f"{name} is no regular file, or in no directory.\n")
    assert [each.name for each in tmp_path.iterdir()] == ["fifo"]


# To standard output


def test_cursor_file_keeps_the_place_of_standard_output(
    dsn: str, log: Chronicle, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    command = ("export", "--dsn", dsn, "--format", "csv", "--cursor-file", place, *SMALL)
    form = FORMATS["csv"]
    add(log, *range(5))
    parts = [pgchronicle(*command).stdout_bytes]
    add(log, *range(5, 7))
    parts += [pgchronicle(*command).stdout_bytes, pgchronicle(*command).stdout_bytes]
    lines = [form.line(form.to_text(event, "")) for event in whole(log)]
    assert parts == [form.beginning() + b"".join(lines[:5]), b"".join(lines[5:]), b""]


def test_batch_whose_cursor_was_not_kept_comes_a_second_time(
    dsn: str, log: Chronicle, tmp_path: Path
) -> None:
    add(log, *range(9))
    command = ["export", "--dsn", dsn, "--cursor-file", str(tmp_path / "place"), "--batch-size=3"]
    dying = [sys.executable, "-c", _DYING, "keep", "2", "before", *command]
    killed = subprocess.run(dying, stdout=subprocess.PIPE, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    events = whole(log)
    assert read(killed.stdout) == events[:6]
    assert read(pgchronicle(*command).stdout_bytes) == events[3:]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux names open files there")
def test_redirected_output_is_on_the_disk_before_its_cursor(
    dsn: str, log: Chronicle, tmp_path: Path
) -> None:
    add(log, *range(3))
    telling = (
        "import os, sys; from pgchronicle.command import main; fsync = os.fsync; "
        "os.fsync = lambda file: (fsync(file), print(os.readlink(f'/proc/self/fd/{file}'), "
        "file=sys.stderr)); main(sys.argv[1:])"
    )
    command = ["export", "--dsn", dsn, "--cursor-file", str(tmp_path / "place")]
    with (tmp_path / "events").open("wb") as file:
        result = subprocess.run(
            [sys.executable, "-c", telling, *command],
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
        )
    saved = [Path(line).name for line in result.stderr.splitlines()]
    assert saved[:3] == ["events", "place.new", tmp_path.name]


@contextmanager
def interrupted(monkeypatch: pytest.MonkeyPatch, batches: int) -> Generator[None]:
    """Ctrl-C when so many batches are written."""
    module = sys.modules["pgchronicle.command.export"]
    whole_batches = vars(module)["_batches"]

    def some_batches(*arguments: Any) -> Generator[list[str]]:
        yield from islice(whole_batches(*arguments), batches)
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(module, "_batches", some_batches)
        yield


def test_interrupted_export_to_standard_output_says_the_cursor_to_go_on_from(
    dsn: str, log: Chronicle, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, *range(9))
    command = ("export", "--dsn", dsn, *SMALL)
    with interrupted(monkeypatch, 2):
        result = pgchronicle(*command)
    assert result.exit_code == 1
    said, _, cursor = result.stderr.removesuffix(".\n").rpartition(" ")
    assert said == "error: stopped before the end\nhint: To go on from there: --cursor"
    events = whole(log)
    assert read(result.stdout_bytes) == events[:6]
    assert read(pgchronicle(*command, "--cursor", cursor).stdout_bytes) == events[6:]


def test_interrupted_export_that_has_given_nothing_says_so(
    dsn: str, log: Chronicle, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, 1)
    stream = log.events_since()
    next(stream)
    with interrupted(monkeypatch, 0):
        result = pgchronicle("export", "--dsn", dsn)
        later = pgchronicle("export", "--dsn", dsn, "--cursor", stream.cursor)
    assert (result.exit_code, result.stderr) == (
        1,
        "error: stopped before the end\nhint: No batch was written: run the same command again.\n",
    )
    assert later.stderr.endswith(f"hint: To go on from there: --cursor {stream.cursor}.\n")


def test_interrupted_export_with_a_cursor_file_goes_on_when_it_is_repeated(
    dsn: str, log: Chronicle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, *range(9))
    command = ("export", "--dsn", dsn, "--cursor-file", tmp_path / "place", *SMALL)
    with interrupted(monkeypatch, 2):
        result = pgchronicle(*command)
    assert (result.exit_code, result.stderr) == (
        1,
        "error: stopped before the end\nhint: To go on from there, run the same command again.\n",
    )
    assert read(pgchronicle(*command).stdout_bytes) == whole(log)[6:]


def test_without_a_cursor_file_the_cursor_is_said(dsn: str, log: Chronicle) -> None:
    add(log, 1)
    said = pgchronicle("export", "--dsn", dsn).stderr
    text, _, cursor = said.rstrip("\n").rpartition(" ")
    assert text == "1 event. To go on from here: --cursor"
    add(log, 2)
    found = read(pgchronicle("export", "--dsn", dsn, "--cursor", cursor).stdout_bytes)
    assert [each.resource_id for each in found] == ["2"]


def test_reader_that_leaves_is_no_error_to_speak_of(quiet: Database, log: Chronicle) -> None:
    large: Any = {**PAGE, "details_after": {"x": "y" * 9000}}
    log.log_audit_events([large] * 100)
    process = subprocess.Popen(
        [*_COMMAND, "export", "--dsn", quiet.dsn(), "--batch-size=10"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith(b'{"event_id":')
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), said) == (1, b"")


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (("--cursor", "nonsense"), "error: the cursor is not one of this stream"),
        (("--cursor", "1.999999999999.1"), "error: the stream is ahead of this server"),
    ],
)
def test_cursor_that_is_none_of_this_server_is_refused(
    dsn: str, log: Chronicle, wrong: tuple[str, ...], complaint: str
) -> None:
    add(log, 1)
    result = pgchronicle("export", "--dsn", dsn, *wrong)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(complaint)
    assert "hint: " in result.stderr


def test_options_that_contradict_each_other_are_wrong_usage(dsn: str, tmp_path: Path) -> None:
    place = tmp_path / "place"
    result = pgchronicle("export", "--dsn", dsn, "--output", "x", "--cursor-file", place)
    assert (result.exit_code, "leave --cursor-file out" in result.stderr) == (2, True)
    place.write_text("1.1.1\n")
    result = pgchronicle("export", "--dsn", dsn, "--cursor", "1.1.1", "--cursor-file", place)
    assert (result.exit_code, "leave --cursor out" in result.stderr) == (2, True)
