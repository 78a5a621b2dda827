"""``verify``: whether what is sealed is as it was, in the live log and in checkpoints."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ask import run, value
from command.anchoring import (
    ELSEWHERE,
    NAME,
    Signer,
    cut_off,
    log_and_seal,
    rename,
    rewrite,
    superuser,
)
from command.running import done, on_terminal, pgchronicle
from streaming import log
from support import Connection, Database

NOTHING_FROM_OUTSIDE = (
    "Compared with nothing from outside: who can rewrite the whole log with all its hashes is not "
    "found so. Keep checkpoints elsewhere, and say --note FILE.\n"
)

WHAT_NOW = (
    "hint: Change nothing, keep a backup of what is there, and see docs/seals.md, "
    '"When verify finds something".\n'
)


@pytest.fixture
def dsn(quiet: Database) -> str:
    """Of somebody who may see every event, and seal none."""
    return quiet.dsn("auditor")


@pytest.fixture
def auditor(quiet: Database) -> Connection:
    return quiet.connect("auditor", autocommit=True)


@pytest.fixture
def signer(quiet: Database, tmp_path: Path) -> Signer:
    signer = Signer(tmp_path, quiet.dsn("reader_a"))
    signer.make_key()
    return signer


def event_id(auditor: Connection, name: str) -> str:
    return str(
        value(auditor, "select event_id from chronicle.events where resource_id = %s", (name,))
    )


def sealed_until(auditor: Connection) -> str:
    time = value(auditor, "select max(sealed_at) from chronicle.seal_batches")
    return str(time.isoformat(" ", "seconds"))


def this_month() -> str:
    return datetime.now(UTC).strftime("%Y-%m-01")


# The live log


def test_log_that_is_as_it_was_sealed_is_good(
    dsn: str, quiet: Database, auditor: Connection
) -> None:
    log_and_seal(quiet, "a", "b")
    log_and_seal(quiet, "c")
    result = pgchronicle("verify", "--dsn", dsn)
    assert (result.exit_code, result.stdout, result.stderr) == (
        *(0, ""),
        f"3 events in 2 batches, sealed until {sealed_until(auditor)}, are as their seals say.\n"
        f"{NOTHING_FROM_OUTSIDE}",
    )


def test_log_that_was_never_sealed_is_told_how(dsn: str) -> None:
    result = pgchronicle("verify", "--dsn", dsn)
    assert (result.exit_code, result.stdout, result.stderr) == (
        *(0, ""),
        'Nothing is sealed yet: run "pgchronicle seal".\n',
    )


def test_events_that_nothing_covers_are_counted(dsn: str, quiet: Database, signer: Signer) -> None:
    empty = signer.sign("empty.note")
    for name in "ab":
        log(quiet.connect("app", autocommit=True), name)
    result = pgchronicle("verify", "--note", empty, "--key", signer.key, "--dsn", dsn)
    assert (result.exit_code, result.stdout, result.stderr) == (
        *(0, ""),
        'Nothing is sealed yet, so nothing covers the 2 events: run "pgchronicle seal".\n'
        f"The log goes on from {empty} (0 batches, signed by {NAME}). Every log does: a checkpoint "
        "without batches proves nothing. Take a newer one.\n",
    )
    for where in (dsn, ""):
        environment = ELSEWHERE | {"PGHOST": "", "PGCHRONICLE_DSN": where}
        result = pgchronicle("verify", empty, "--key", signer.key, **environment)
        assert (result.exit_code, result.stdout) == (0, "")
        assert "a checkpoint without batches proves nothing" in result.stderr


def test_what_is_not_sealed_yet_is_not_called_good(
    dsn: str, quiet: Database, auditor: Connection
) -> None:
    log_and_seal(quiet, "a")
    log(quiet.connect("app", autocommit=True), "b")
    since = value(auditor, "select recorded_at from chronicle.events where resource_id = 'b'")
    result = pgchronicle("verify", "--dsn", dsn)
    assert result.stderr == (
        f"1 event in 1 batch, sealed until {sealed_until(auditor)}, are as their seals say.\n"
        f"Not sealed yet, and not checked: events recorded since "
        f"{since.isoformat(' ', 'seconds')}.\n"
        f"{NOTHING_FROM_OUTSIDE}"
    )


def test_event_that_was_changed_is_named(dsn: str, quiet: Database, auditor: Connection) -> None:
    log_and_seal(quiet, "a", "b", "c")
    changed = event_id(auditor, "b")
    rename(quiet, "b")
    result = pgchronicle("verify", "--dsn", dsn)
    assert (result.exit_code, result.stderr) == (
        1,
        "error: the log is not as it was sealed: 1 finding; the first is of event "
        f"{changed}\n{WHAT_NOW}",
    )
    (line,) = result.stdout.splitlines()
    kind, batch, event, detail, bucket = line.split("\t")
    assert (kind, batch, event, bucket) == ("event_differs", "0", changed, this_month())
    assert changed in detail


def test_every_range_is_read(
    dsn: str, quiet: Database, auditor: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgchronicle.command._live_log._STEP", 2)
    for names in ("a", "bc", "def", "g", "h"):
        log_and_seal(quiet, *names)
    changed = [event_id(auditor, name) for name in "aegh"]
    assert pgchronicle("verify", "--dsn", dsn).exit_code == 0
    for name in "aegh":
        rename(quiet, name)
    result = pgchronicle("verify", "--dsn", dsn)
    lines = [line.split("\t")[:3] for line in result.stdout.splitlines()]
    assert lines == [
        ["event_differs", str(batch), event]
        for batch, event in zip((0, 2, 3, 4), changed, strict=True)
    ]
    assert f"4 findings; the first is of event {changed[0]}\n" in result.stderr


def test_batch_that_is_gone_is_in_no_range_and_found(
    dsn: str, quiet: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgchronicle.command._live_log._STEP", 1)
    for name in "abc":
        log_and_seal(quiet, name)
    run(superuser(quiet), "delete from chronicle.seal_batches where batch_number = 1")
    result = pgchronicle("verify", "--dsn", dsn)
    assert result.exit_code == 1
    assert "batch_missing" in {line.split("\t")[0] for line in result.stdout.splitlines()}


def test_summary_names_the_event_of_the_first_finding_only(
    dsn: str, quiet: Database, auditor: Connection
) -> None:
    log_and_seal(quiet, "a", "b")
    log_and_seal(quiet, "c")
    rename(quiet, "c")
    run(superuser(quiet), "delete from chronicle.events where resource_id = 'a'")
    result = pgchronicle("verify", "--dsn", dsn)
    first, *rest = (line.split("\t")[:3] for line in result.stdout.splitlines())
    assert (first, rest[-1]) == (
        ["events_missing", "0", ""],
        ["event_differs", "1", event_id(auditor, "c")],
    )
    assert result.stderr.startswith(
        f"error: the log is not as it was sealed: {len(rest) + 1} findings\n"
    )


def test_findings_come_as_json(dsn: str, quiet: Database, auditor: Connection) -> None:
    log_and_seal(quiet, "a", "b")
    good: dict[str, Any] = {
        "findings": [],
        "events": 2,
        "batches": 1,
        "last_sealed_at": value(
            auditor, "select sealed_at from chronicle.seal_batches"
        ).isoformat(),
        "unsealed_since": None,
        "note": None,
    }
    assert json.loads(done("verify", "--json", "--dsn", dsn)) == good
    rename(quiet, "a")
    result = pgchronicle("verify", "--json", "--dsn", dsn)
    assert (result.exit_code, result.stderr) == (1, "")
    said = json.loads(result.stdout)
    (finding,) = said.pop("findings")
    assert said == {name: each for name, each in good.items() if name != "findings"}
    assert (finding["kind"], finding["batch_number"], finding["event_id"]) == (
        *("event_differs", 0),
        event_id(auditor, "a"),
    )
    assert finding["bucket_from"] == this_month()


def test_on_a_terminal_findings_are_for_people(
    dsn: str, quiet: Database, auditor: Connection
) -> None:
    log_and_seal(quiet, *(str(number) for number in range(25)))
    assert on_terminal("verify", "--dsn", dsn) == ""
    first = event_id(auditor, "0")
    run(superuser(quiet), "update chronicle.events set actor_id = 'nobody'")
    lines = on_terminal("verify", "--dsn", dsn, exit_code=1).splitlines()
    assert len(lines) == 21
    assert f"\x1b[1mevent_differs: \x1b[0mEvent {first} " in lines[0]
    assert f" (from {this_month()} on)" in lines[0]
    assert lines[20] == "   and 5 more: pgchronicle verify | less"


def test_only_an_auditor_verifies(quiet: Database) -> None:
    log_and_seal(quiet, "a")
    for user in ("app", "reader_a", "stranger"):
        result = pgchronicle("verify", "--dsn", quiet.dsn(user))
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("error: permission denied for ")
        assert result.stderr.endswith("hint: This needs the role chronicle_auditor.\n")


def test_without_a_server_it_exits_with_3(tmp_path: Path) -> None:
    result = pgchronicle("verify", "--dsn", f"host={tmp_path}")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("error: cannot connect: ")


# Compared with what was kept elsewhere


def test_log_that_goes_on_from_a_note_is_good(
    dsn: str, quiet: Database, auditor: Connection, signer: Signer
) -> None:
    log_and_seal(quiet, "a")
    notes = [signer.sign("first.note")]
    log_and_seal(quiet, "b", "c")
    notes.append(signer.sign("second.note"))
    for note, size in zip(notes, ("1 batch", "2 batches"), strict=True):
        for key in (signer.key, signer.key.read_text()):
            result = pgchronicle("verify", "--note", note, "--key", key, "--dsn", dsn)
            assert (result.exit_code, result.stdout, result.stderr) == (
                *(0, ""),
                f"3 events in 2 batches, sealed until {sealed_until(auditor)}, are as their seals "
                "say.\n"
                f"The log goes on from {note} ({size}, signed by {NAME}). What that covers is as "
                "it was then.\n",
            )


def test_log_that_was_rewritten_with_all_its_hashes_is_found_by_the_note_alone(
    dsn: str, quiet: Database, signer: Signer
) -> None:
    log_and_seal(quiet, "a", "b")
    log_and_seal(quiet, "c")
    note = signer.sign("kept.note")
    checkpoint = signer.directory / "kept"
    checkpoint.write_text(done("checkpoint", "--dsn", signer.dsn))
    rewrite(quiet, "b")
    log_and_seal(quiet, "d")
    # Nothing in the database tells.
    result = pgchronicle("verify", "--dsn", dsn)
    assert (result.exit_code, result.stderr.endswith(NOTHING_FROM_OUTSIDE)) == (0, True)
    for path, key in ((note, ("--key", signer.key)), (checkpoint, ())):
        result = pgchronicle("verify", "--note", path, *key, "--dsn", dsn)
        assert (result.exit_code, result.stdout, result.stderr) == (
            *(1, ""),
            f"error: the log does not go on from {path}: its beginning, 2 batches long, is another "
            f"than it was\n{WHAT_NOW}",
        )


def test_end_that_was_cut_off_is_found_by_the_note_alone(
    dsn: str, quiet: Database, signer: Signer
) -> None:
    log_and_seal(quiet, "a")
    log_and_seal(quiet, "b")
    note = signer.sign("kept.note")
    cut_off(quiet, "b")
    assert pgchronicle("verify", "--dsn", dsn).exit_code == 0
    result = pgchronicle("verify", "--note", note, "--key", signer.key, "--dsn", dsn)
    assert (result.exit_code, result.stderr) == (
        1,
        f"error: the log does not go on from {note}: it had 2 batches then, and has 1 now\n"
        f"{WHAT_NOW}",
    )


def test_what_the_note_says_comes_as_json(dsn: str, quiet: Database, signer: Signer) -> None:
    log_and_seal(quiet, "a")
    log_and_seal(quiet, "b")
    note = signer.sign("kept.note")
    command = ("verify", "--json", "--note", note, "--key", signer.key, "--dsn", dsn)
    said: dict[str, Any] = {"origin": NAME, "batches": 2, "is_signed": True, "difference": None}
    assert json.loads(done(*command))["note"] == said
    cut_off(quiet, "b")
    result = pgchronicle(*command)
    assert (result.exit_code, json.loads(result.stdout)["note"]) == (
        1,
        said | {"difference": "it had 2 batches then, and has 1 now"},
    )


def test_tree_that_gives_no_proof_any_more_is_a_finding(
    dsn: str, quiet: Database, signer: Signer
) -> None:
    log_and_seal(quiet, "a")
    note = signer.sign("kept.note")
    log_and_seal(quiet, "b")
    run(superuser(quiet), "delete from chronicle.seal_nodes")
    result = pgchronicle("verify", "--note", note, "--key", signer.key, "--dsn", dsn)
    assert result.exit_code == 1
    assert "node_missing" in {line.split("\t")[0] for line in result.stdout.splitlines()}
    assert f"error: the log does not go on from {note}: " in result.stderr


def test_checkpoint_of_another_log_is_told_from_one_that_was_changed(
    dsn: str, quiet: Database, tmp_path: Path
) -> None:
    log_and_seal(quiet, "a")
    kept = tmp_path / "kept"
    origin, *rest = done("checkpoint", "--dsn", dsn).splitlines()
    kept.write_text("\n".join(["pgchronicle/0", *rest, ""]))
    result = pgchronicle("verify", "--note", kept, "--dsn", dsn)
    assert (result.exit_code, result.stderr) == (
        1,
        f"error: the log does not go on from {kept}: it is of another log, pgchronicle/0, and this "
        f"one is {origin}\n{WHAT_NOW}",
    )


# A checkpoint


def test_signature_of_a_note_is_verified_without_a_database(
    quiet: Database, signer: Signer
) -> None:
    log_and_seal(quiet, "a")
    note = signer.sign("kept.note")
    result = pgchronicle("verify", note, "--key", signer.key)
    assert (result.exit_code, result.stdout, result.stderr) == (
        *(0, ""),
        f"{note} is signed by {NAME}: 1 batch.\nIt was compared with no log: say --dsn for that.\n",
    )
    note.write_text(note.read_text().replace("\n1\n", "\n2\n"))
    result = pgchronicle("verify", note, "--key", signer.key)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: the signature by {NAME} is wrong\n")


def test_checkpoint_is_compared_with_the_log_where_one_is_named(
    dsn: str, quiet: Database, signer: Signer
) -> None:
    log_and_seal(quiet, "a")
    note = signer.sign("kept.note")
    log_and_seal(quiet, "b")
    command = ("verify", note, "--key", signer.key)
    for result in (
        pgchronicle(*command, "--dsn", dsn),
        pgchronicle(*command, PGCHRONICLE_DSN=dsn),
    ):
        assert (result.exit_code, result.stderr) == (
            0,
            f"The log goes on from {note} (1 batch, signed by {NAME}).\n"
            f"Its events were not read again: pgchronicle verify --note {note} does that.\n",
        )
    rewrite(quiet, "a")
    result = pgchronicle(*command, "--dsn", dsn)
    assert (result.exit_code, result.stderr) == (
        1,
        f"error: the log does not go on from {note}: its beginning, 1 batch long, is another than "
        f"it was\n{WHAT_NOW}",
    )


def test_checkpoint_without_a_signature_does_not_pass_for_a_signed_one(
    dsn: str, quiet: Database, signer: Signer
) -> None:
    log_and_seal(quiet, "a")
    kept = signer.directory / "kept"
    kept.write_text(done("checkpoint", "--dsn", dsn))
    for arguments in ((kept,), ("--note", kept)):
        result = pgchronicle("verify", *arguments, "--key", signer.key, "--dsn", dsn)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"error: nobody has signed {kept}\n")
        assert pgchronicle("verify", *arguments, "--dsn", dsn).exit_code == 0


# Wrong usage


def test_options_that_make_no_sense_are_wrong_usage(
    dsn: str, quiet: Database, signer: Signer
) -> None:
    log_and_seal(quiet, "a")
    note = signer.sign("kept.note")
    kept = signer.directory / "kept"
    kept.write_text(done("checkpoint", "--dsn", dsn))
    for arguments, complaint in (
        ((note,), "is signed: say with which key, --key."),
        (("--note", note, "--dsn", dsn), "is signed: say with which key, --key."),
        ((note, "--note", note), "--note is for the live log"),
        (("--key", signer.key, "--dsn", dsn), "--key verifies a signature"),
        ((kept,), "is not signed, so it says nothing by itself"),
        (("--note", note, "--key", "missing.pub"), "There is no file missing.pub"),
        (("--note", note, "--key", "non+sense"), "Invalid value for --key"),
        (("--note", note, "--key", signer.secret), "private key"),
    ):
        result = pgchronicle("verify", *arguments)
        assert (result.exit_code, result.stdout) == (2, ""), arguments
        assert complaint in result.stderr.replace("\n", " ")


def test_pipe_can_not_be_read_twice(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    result = pgchronicle("verify", pipe)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is no regular file" in result.stderr


def test_file_that_is_nothing_of_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for content in ("", "nonsense", "{", "{}", "[]", "{}\n", "\x00"):
        path.write_text(content)
        result = pgchronicle("verify", path, "--dsn", "host=/nowhere")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("error: "), content
        assert "Traceback" not in result.stderr


def test_what_a_file_could_be_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x"
    note = "acme.example/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    for content, complaint in (
        (b'{"event_id":"0199"}\n{"event_id":"019a"}\n', "is no proof and no sealed month\n"),
        (b"", "is no checkpoint, signed or not\ndetail: It is empty.\n"),
        (b"\x1f\x8b\x08\n\n\x00", "is no checkpoint, signed or not\n"),
        (
            b"log+d455c521+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4\n",
            "detail: A checkpoint has",
        ),
        (note.replace("\n", "\r\n").encode(), "signed or not\ndetail: Its lines end in CR LF"),
    ):
        path.write_bytes(content)
        result = pgchronicle("verify", path, "--dsn", "host=/nowhere")
        assert (result.exit_code, result.stdout) == (1, ""), content
        assert result.stderr.startswith(f"error: {path} is no ")
        assert complaint in result.stderr
        assert '"verify" reads a proof ("prove"), a sealed month' in result.stderr


def test_note_with_other_line_ends_is_not_taken(signer: Signer) -> None:
    note = signer.sign("kept.note")
    note.write_bytes(note.read_bytes().replace(b"\n", b"\r\n"))
    result = pgchronicle("verify", note, "--key", signer.key, "--json", **ELSEWHERE)
    assert (result.exit_code, result.stderr) == (1, "")
    assert json.loads(result.stdout) == {
        "finding": f"{note} is no checkpoint, signed or not",
        "detail": "Its lines end in CR LF, and those of a checkpoint in LF.",
    }


def test_key_of_another_is_not_taken_for_ours(quiet: Database, signer: Signer) -> None:
    log_and_seal(quiet, "a")
    note = signer.sign("kept.note")
    other = Signer(signer.directory / "other", signer.dsn)
    other.directory.mkdir()
    other.make_key()
    result = pgchronicle("verify", note, "--key", other.key, **ELSEWHERE)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: the note is not signed with the key\n")
