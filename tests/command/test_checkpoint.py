"""``checkpoint``: what stands for the log, and signing it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sealing
from ask import value
from command.anchoring import NAME, Signer, cut_off, log_and_seal, rewrite
from command.running import done, pgchronicle
from pgchronicle.seals.checkpoints import Checkpoint
from pgchronicle.seals.notes import VerifierKey
from support import Connection, Database


@pytest.fixture
def dsn(quiet: Database) -> str:
    """Of somebody who sees no event: a checkpoint tells of none."""
    return quiet.dsn("reader_a")


@pytest.fixture
def auditor(quiet: Database) -> Connection:
    return quiet.connect(autocommit=True)


@pytest.fixture
def signer(dsn: str, tmp_path: Path) -> Signer:
    signer = Signer(tmp_path, dsn)
    signer.make_key()
    return signer


def test_it_is_what_the_log_says(dsn: str, quiet: Database, auditor: Connection) -> None:
    assert Checkpoint.parse(done("checkpoint", "--dsn", dsn)).size == 0
    log_and_seal(quiet, "a")
    said = done("checkpoint", "--dsn", dsn)
    assert said == value(auditor, "select chronicle.checkpoint()")
    assert Checkpoint.parse(said).size == 1


def test_note_is_signed_by_the_key_and_about_the_log(
    quiet: Database, auditor: Connection, signer: Signer
) -> None:
    key = VerifierKey.from_text(signer.key.read_text().strip())
    assert key.name == NAME
    for name in "ab":
        log_and_seal(quiet, name)
        note = signer.sign(f"{name}.note").read_text()
        now = sealing.checkpoint(auditor)
        assert Checkpoint.from_note(note, key) == Checkpoint(NAME, now.size, now.root)
        assert signer.state.read_text() == note


def test_new_key_is_a_file_that_its_owner_alone_can_read(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    result = pgchronicle("checkpoint", "--new-key", path, "--name", NAME)
    assert (result.exit_code, result.stderr) == (
        0,
        f"The key to sign with is in {path}. The one to verify with went to standard output: give "
        "that to whoever verifies, by a way that does not lead through the database.\n",
    )
    assert VerifierKey.from_text(result.stdout.removesuffix("\n")).name == NAME
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_text()
    assert before.strip() not in result.output
    again = pgchronicle("checkpoint", "--new-key", path, "--name", NAME)
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr.startswith(f"error: {path} is there already\n")
    assert path.read_text() == before


def test_key_without_a_possible_name_is_not_made(tmp_path: Path) -> None:
    for name in ("", "a b", "a+b", "a\nb"):
        result = pgchronicle("checkpoint", "--new-key", tmp_path / "log.key", "--name", name)
        assert (result.exit_code, result.stdout) == (2, "")
    assert list(tmp_path.iterdir()) == []


def test_log_that_does_not_go_on_from_the_last_note_is_not_signed(
    quiet: Database, signer: Signer
) -> None:
    log_and_seal(quiet, "a")
    log_and_seal(quiet, "b")
    kept = signer.sign("kept.note").read_text()
    command = ("checkpoint", "--sign", signer.secret, "--state", signer.state)
    cut_off(quiet, "b")
    _refused(*command, "--dsn", signer.dsn)
    log_and_seal(quiet, "c")
    _refused(*command, "--dsn", signer.dsn)
    log_and_seal(quiet, "d")
    rewrite(quiet, "a")
    _refused(*command, "--dsn", signer.dsn)
    assert signer.state.read_text() == kept


def _refused(*arguments: Any) -> None:
    result = pgchronicle(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(
        "error: the log does not go on from the checkpoint that was signed last: "
    )
    assert "hint: Nothing was signed." in result.stderr


def test_file_is_written_only_once_the_note_is_signed(quiet: Database, signer: Signer) -> None:
    log_and_seal(quiet, "a")
    path = signer.directory / "new.note"
    command = ("checkpoint", "--sign", signer.secret, "--state", signer.state, "--output", path)
    result = pgchronicle(*command, "--dsn", signer.dsn)
    assert (result.exit_code, result.stdout, path.exists()) == (1, "", False)
    assert done(*command, "--first", "--dsn", signer.dsn) == ""
    assert path.read_text() == signer.state.read_text()


def test_note_is_utf_8_whatever_is_spoken_elsewhere(quiet: Database, signer: Signer) -> None:
    log_and_seal(quiet, "a")
    printed = subprocess.run(
        [
            *(sys.executable, "-c", "from pgchronicle.command import main; main()", "checkpoint"),
            *("--sign", signer.secret, "--state", signer.state, "--first", "--dsn", signer.dsn),
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        timeout=60,
    ).stdout
    assert printed == signer.state.read_bytes()


def test_state_that_is_lost_is_not_taken_for_the_beginning(quiet: Database, signer: Signer) -> None:
    log_and_seal(quiet, "a")
    signer.sign("a.note")
    command = ("checkpoint", "--sign", signer.secret, "--state", signer.state, "--dsn", signer.dsn)
    assert pgchronicle(*command, "--first").exit_code == 1
    signer.state.unlink()
    result = pgchronicle(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: {signer.state} is not there, so nothing says what was signed before\n"
        "hint: If this key has signed nothing yet, say --first. If the file was lost, put the last "
        "note that was given out in its place.\n"
    )


def test_key_that_others_can_read_signs_nothing(signer: Signer) -> None:
    signer.secret.chmod(0o644)
    command = ("checkpoint", "--sign", signer.secret, "--state", signer.state, "--first")
    result = pgchronicle(*command, "--dsn", signer.dsn)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: others can read or change the key in {signer.secret}")


def test_who_may_see_nothing_gets_no_checkpoint(quiet: Database) -> None:
    for user in ("app", "stranger"):
        result = pgchronicle("checkpoint", "--dsn", quiet.dsn(user))
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("error: permission denied for ")
        assert result.stderr.endswith(
            "hint: This needs the role chronicle_reader or chronicle_admin.\n"
        )


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--sign", "KEY"), "--sign and --state go together."),
        (("--state", "x"), "--sign and --state go together."),
        (("--first",), "--first is for --sign."),
        (("--name", "x"), "--name is for --new-key"),
        (("--new-key", "x"), "--new-key needs --name"),
        (("--new-key", "x", "--name", "y", "--output", "z"), "makes a key and nothing else."),
        (("--new-key", "x", "--name", "y", "--state", "z"), "makes a key and nothing else."),
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(
    signer: Signer, options: tuple[str, ...], complaint: str
) -> None:
    given = [str(signer.secret) if each == "KEY" else each for each in options]
    result = pgchronicle("checkpoint", *given, "--dsn", signer.dsn)
    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in result.stderr


def test_without_a_server_it_exits_with_3(tmp_path: Path) -> None:
    result = pgchronicle("checkpoint", "--dsn", f"host={tmp_path}")
    assert (result.exit_code, result.stdout) == (3, "")
