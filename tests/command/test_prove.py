"""``prove`` and ``export --sealed``: what is given out, and verified without any database."""

import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ask import value
from command.anchoring import ELSEWHERE, NAME, Signer, log_and_seal, rename, rewrite
from command.running import done, pgchronicle
from pgchronicle import Chronicle
from streaming import log
from support import Connection, Database

NOBODY = "No signature was checked: nobody vouches for the checkpoint"


@pytest.fixture
def dsn(quiet: Database) -> str:
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


def month() -> str:
    return datetime.now(UTC).strftime("%Y-%m")


# Proofs


def test_proof_is_verified_without_a_database(
    dsn: str, quiet: Database, auditor: Connection, signer: Signer, tmp_path: Path
) -> None:
    log_and_seal(quiet, "a", "b", "c")
    note = signer.sign("kept.note")
    log_and_seal(quiet, "d")
    event, path = event_id(auditor, "b"), tmp_path / "proof.json"
    result = pgchronicle("prove", event, "--note", note, "--output", path, "--dsn", dsn)
    assert (result.exit_code, result.stdout, result.stderr) == (
        *(0, ""),
        f"The proof of event {event} is in {path}.\n",
    )
    result = pgchronicle("verify", path, "--key", signer.key, **ELSEWHERE)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith(f"Event {event} is in batch 0 of the log ")
    assert f"The log is {NAME} " in result.stderr
    assert result.stderr.endswith(
        f"The checkpoint is signed with the key {signer.key.read_text().strip()}.\n"
    )
    said = json.loads(done("verify", path, "--key", signer.key, "--json", **ELSEWHERE))
    assert (said["event"]["resource_id"], said["checkpoint"]["size"]) == ("b", 1)
    assert said["finding"] is None
    assert said["signed_by"] == signer.key.read_text().strip()


def test_proof_outlives_what_it_proves(
    dsn: str, quiet: Database, auditor: Connection, signer: Signer
) -> None:
    log_and_seal(quiet, "a")
    note = signer.sign("kept.note")
    path = signer.directory / "proof.json"
    path.write_text(done("prove", event_id(auditor, "a"), "--note", note, "--dsn", dsn))
    rewrite(quiet, "a")
    said = json.loads(done("verify", path, "--key", signer.key, "--json", **ELSEWHERE))
    assert said["event"]["actor_id"] is None
    # The log proves what it says now, to nobody who has the note.
    now = pgchronicle("prove", event_id(auditor, "a"), "--note", note, "--dsn", dsn)
    assert (now.exit_code, now.stdout) == (1, "")
    assert now.stderr.startswith("error: the proof is about another state of the log than the note")


def test_without_a_note_nobody_vouches_for_a_proof(
    dsn: str, quiet: Database, auditor: Connection, signer: Signer
) -> None:
    log_and_seal(quiet, "a")
    path = signer.directory / "proof.json"
    path.write_text(done("prove", event_id(auditor, "a"), "--dsn", dsn))
    result = pgchronicle("verify", path, **ELSEWHERE)
    assert (result.exit_code, NOBODY in result.stderr) == (0, True)
    result = pgchronicle("verify", path, "--key", signer.key, **ELSEWHERE)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: nobody has signed this\n")


def test_proof_that_was_changed_is_refused(
    dsn: str, quiet: Database, auditor: Connection, signer: Signer
) -> None:
    log_and_seal(quiet, "a", "b")
    note = signer.sign("kept.note")
    path = signer.directory / "proof.json"
    proof = done("prove", event_id(auditor, "a"), "--note", note, "--dsn", dsn)
    assert proof.count('"page.read"') == 1
    path.write_text(proof.replace('"page.read"', '"page.edit"'))
    for key in ((), ("--key", signer.key)):
        result = pgchronicle("verify", path, *key, **ELSEWHERE)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("error: ")
        as_json = pgchronicle("verify", path, *key, "--json", **ELSEWHERE)
        assert (as_json.exit_code, as_json.stderr) == (1, "")
        said = json.loads(as_json.stdout)
        assert f"error: {said['finding']}\n" in result.stderr


def test_what_can_not_be_proven_is_told_why(
    dsn: str, quiet: Database, auditor: Connection, signer: Signer
) -> None:
    log_and_seal(quiet, "a")
    note = signer.sign("kept.note")
    log_and_seal(quiet, "late")
    log(quiet.connect("app", autocommit=True), "open")
    nobody = "00000000-0000-4000-8000-000000000000"
    for arguments, complaint, hint in (
        (
            (event_id(auditor, "open"),),
            "is not sealed yet",
            'A chronicle_admin seals it: "pgchronicle seal".',
        ),
        (
            (event_id(auditor, "late"), "--note", note),
            event_id(auditor, "late"),
            "Take a newer note: ",
        ),
        ((nobody,), f"there is no event {nobody}", "Check the id"),
    ):
        result = pgchronicle("prove", *arguments, "--dsn", dsn)
        assert (result.exit_code, result.stdout) == (1, ""), arguments
        assert complaint in result.stderr
        assert f"hint: {hint}" in result.stderr


def test_reader_proves_what_they_may_see(quiet: Database, auditor: Connection) -> None:
    owner = quiet.connect(autocommit=True)
    Chronicle(owner).add_administrator("reader_a", "acme")
    with quiet.connect("app", autocommit=True) as writer:
        page: Any = {"actor_type": "user", "action_type": "read", "resource_type": "page"}
        for organization in ("acme", "other"):
            Chronicle(writer).log_audit_event(
                **page,
                resource_id=organization,
                organization_id=organization,
            )
    done("seal", "--dsn", quiet.dsn("admin"))
    dsn = quiet.dsn("reader_a")
    assert json.loads(done("prove", event_id(auditor, "acme"), "--dsn", dsn))["event"]
    result = pgchronicle("prove", event_id(auditor, "other"), "--dsn", dsn)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: there is no event ")


def test_who_may_see_nothing_proves_nothing(quiet: Database, auditor: Connection) -> None:
    log_and_seal(quiet, "a")
    result = pgchronicle("prove", event_id(auditor, "a"), "--dsn", quiet.dsn("stranger"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("hint: This needs the role chronicle_reader.\n")


def test_note_that_is_none_is_refused(
    dsn: str, quiet: Database, auditor: Connection, tmp_path: Path
) -> None:
    log_and_seal(quiet, "a")
    path = tmp_path / "x"
    for content in ("nonsense", done("checkpoint", "--dsn", dsn)):
        path.write_text(content)
        for command in (
            ("prove", event_id(auditor, "a")),
            ("export", "--sealed", month(), "--output", tmp_path / "m"),
        ):
            result = pgchronicle(*command, "--note", path, "--dsn", dsn)
            assert (result.exit_code, result.stdout) == (1, "")
            assert result.stderr.startswith(f"error: {path} is no signed note\n")


# Sealed months


def test_sealed_month_is_verified_without_a_database(
    dsn: str, quiet: Database, signer: Signer, tmp_path: Path
) -> None:
    log_and_seal(quiet, "a", "b", "c")
    note = signer.sign("kept.note")
    log_and_seal(quiet, "d")
    log_and_seal(quiet, "e", "f")
    log(quiet.connect("app", autocommit=True), "g")
    path = tmp_path / "month.jsonl"
    command = ("export", "--sealed", month(), "--output", path, "--dsn", dsn)
    result = pgchronicle(*command, "--note", note)
    assert (result.exit_code, result.stdout, result.stderr) == (
        *(0, ""),
        f"3 events of {month()}, in 1 batch, are in {path}.\n"
        f"Not in the file: 3 events of {month()}, in 2 batches, sealed since the note. Take a "
        "newer note.\n"
        f"Not in the file: 1 event of {month()} that nobody has sealed yet. Run "
        '"pgchronicle seal", and then take a newer note.\n',
    )
    result = pgchronicle("verify", path, "--key", signer.key, **ELSEWHERE)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith(
        f"3 events of {month()}, in 1 batch: all that had been sealed of that month when the log "
    )
    assert " had 1 batch.\n" in result.stderr
    said = json.loads(done("verify", path, "--key", signer.key, "--json", **ELSEWHERE))
    assert (said["events"], said["month"], said["checkpoint"]["size"]) == (3, month(), 1)
    assert said["signed_by"] == signer.key.read_text().strip()
    result = pgchronicle(*command, "--force")
    assert result.stderr == (
        f"6 events of {month()}, in 3 batches, are in {path}.\n"
        "Nobody vouches for the file: it holds the checkpoint as the database says it. To put a "
        "signed one into it, say --note.\n"
        f"Not in the file: 1 event of {month()} that nobody has sealed yet. Run "
        '"pgchronicle seal", and then take a newer note.\n'
    )
    result = pgchronicle("verify", path, **ELSEWHERE)
    assert (result.exit_code, NOBODY in result.stderr) == (0, True)


def test_only_what_is_of_the_month_is_missed(
    dsn: str, quiet: Database, signer: Signer, tmp_path: Path
) -> None:
    log_and_seal(quiet, "a")
    note = signer.sign("kept.note")
    log_and_seal(quiet, "b")
    log(quiet.connect("app", autocommit=True), "c")
    path = tmp_path / "month.jsonl"
    command = ("export", "--sealed", "2019-06", "--note", note, "--output", path, "--dsn", dsn)
    assert pgchronicle(*command).stderr == f"0 events of 2019-06, in 0 batches, are in {path}.\n"


def test_note_of_an_empty_or_another_log_gives_no_month(
    dsn: str, quiet: Database, signer: Signer, tmp_path: Path
) -> None:
    empty = signer.sign("empty.note")
    log_and_seal(quiet, "a")
    note = signer.sign("kept.note")
    rewrite(quiet, "a")
    for given, complaint in (
        (empty, "error: the note is of a log without batches, so it covers nothing\n"),
        (note, "error: the batches of the log are not those of the checkpoint\n"),
    ):
        path = tmp_path / "month.jsonl"
        result = pgchronicle(
            *("export", "--sealed", month(), "--note", given, "--output", path, "--dsn", dsn)
        )
        assert (result.exit_code, result.stdout, path.exists()) == (1, "", False)
        assert result.stderr.startswith(complaint)


def test_month_that_was_changed_is_refused(dsn: str, quiet: Database, tmp_path: Path) -> None:
    log_and_seal(quiet, "a", "b")
    path = tmp_path / "month.jsonl"
    done("export", "--sealed", month(), "--output", path, "--dsn", dsn)
    lines = path.read_text().splitlines(keepends=True)
    for changed in (
        [line.replace('"page.read"', '"page.edit"') for line in lines],
        lines[:-1],
        [*lines, lines[-1]],
        [*lines[:-2], lines[-1], lines[-2]],
    ):
        assert changed != lines
        path.write_text("".join(changed))
        result = pgchronicle("verify", path, **ELSEWHERE)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("error: ")


def test_log_that_is_not_as_it_was_sealed_is_not_exported(
    dsn: str, quiet: Database, tmp_path: Path
) -> None:
    log_and_seal(quiet, "a", "b")
    rename(quiet, "a")
    path = tmp_path / "month.jsonl"
    path.write_text("the one before")
    command = ("export", "--sealed", month(), "--output", path, "--force", "--dsn", dsn)
    result = pgchronicle(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is not what was sealed" in result.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["month.jsonl"]
    assert path.read_text() == "the one before"


def test_sealed_month_is_for_auditors(quiet: Database, tmp_path: Path) -> None:
    log_and_seal(quiet, "a")
    for user in ("admin", "reader_a", "stranger"):
        result = pgchronicle(
            *("export", "--sealed", month(), "--output", tmp_path / "m"),
            *("--dsn", quiet.dsn(user)),
        )
        assert (result.exit_code, result.stdout) == (1, "")
        assert "permission denied" in result.stderr
        assert result.stderr.endswith("hint: This needs the role chronicle_auditor.\n")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        ("--sealed", "2026-10"),
        ("--sealed", "2026-13", "--output", "FILE"),
        ("--sealed", "October", "--output", "FILE"),
        ("--sealed", "2026-10", "--output", "FILE", "--format", "jsonl"),
        ("--sealed", "2026-10", "--output", "FILE", "--cursor", "1.1.1"),
        ("--note", "FILE"),
        ("--output", "FILE", "--force"),
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(
    dsn: str, tmp_path: Path, options: tuple[str, ...]
) -> None:
    path = tmp_path / "x"
    if options[0] == "--note":
        path.touch()
    given = [str(path) if each == "FILE" else each for each in options]
    result = pgchronicle("export", *given, "--dsn", dsn)
    assert (result.exit_code, result.stdout) == (2, "")


# Where they are written


def written_to(path: Path, auditor: Connection, dsn: str) -> list[tuple[object, ...]]:
    """Each command that writes a file as a whole, to that one."""
    to = ("--output", path, "--dsn", dsn)
    return [
        ("prove", event_id(auditor, "a"), *to),
        ("export", "--sealed", month(), *to),
        ("checkpoint", *to),
    ]


def test_file_that_is_there_is_replaced_only_by_force(
    dsn: str, quiet: Database, auditor: Connection, tmp_path: Path
) -> None:
    log_and_seal(quiet, "a")
    path = tmp_path / "x"
    for command in written_to(path, auditor, dsn):
        path.write_text("the one before")
        result = pgchronicle(*command)
        assert (result.exit_code, result.stdout, result.stderr) == (
            *(1, ""),
            f"error: {path} is there already\n"
            "hint: Give another name, or say --force to replace it.\n",
        )
        assert path.read_text() == "the one before"
        done(*command, "--force")
        assert path.read_text() != "the one before"
        assert list(tmp_path.iterdir()) == [path]


def test_link_is_followed(dsn: str, quiet: Database, auditor: Connection, tmp_path: Path) -> None:
    log_and_seal(quiet, "a")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / "x"
    link.symlink_to(elsewhere / "file")
    for command in written_to(link, auditor, dsn):
        done(*command)
        assert link.is_symlink()
        assert [each.name for each in elsewhere.iterdir()] == ["file"]
        (elsewhere / "file").unlink()


def test_what_is_no_file_is_not_written_over(
    dsn: str, quiet: Database, auditor: Connection, tmp_path: Path
) -> None:
    log_and_seal(quiet, "a")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to(pipe)
    for path in (pipe, link, Path("-")):
        for command in written_to(path, auditor, dsn):
            result = pgchronicle(*command, "--force")
            assert (result.exit_code, result.stdout) == (2, "")
            assert f"{path} is no regular file" in result.stderr
    assert pipe.is_fifo()


def test_directory_that_is_not_there_is_told(
    dsn: str, quiet: Database, auditor: Connection, tmp_path: Path
) -> None:
    log_and_seal(quiet, "a")
    path = tmp_path / "nowhere" / "x"
    for command in written_to(path, auditor, dsn):
        result = pgchronicle(*command)
        assert (result.exit_code, result.stdout, result.stderr) == (
            *(1, ""),
            f"error: {path} can not be written: there is no directory {path.parent}\n",
        )


def test_nothing_is_left_of_an_export_that_was_terminated(
    dsn: str, quiet: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_and_seal(quiet, "a")

    def terminated(*_: object) -> None:
        assert len(list(tmp_path.iterdir())) == 1
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("pgchronicle.command._sealed_month.write_sealed_month", terminated)
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        command = ("export", "--sealed", month(), "--output", tmp_path / "x", "--dsn", dsn)
        result = pgchronicle(*command)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (result.exit_code, result.stderr) == (
        1,
        "error: stopped before the end\nhint: Nothing was written: run the same command again.\n",
    )
    assert list(tmp_path.iterdir()) == []
