"""Signing the checkpoints of a log, each only if the log goes on from the one before.

That one rule makes of whoever signs regularly, elsewhere than in the database, a witness: what was
signed can not be changed or removed later without being noticed, not even by the database's owner.
"""

import base64
import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from pgchronicle import _durable
from pgchronicle.errors import ChronicleError, InconsistentLogError, VerificationError
from pgchronicle.seals import merkle, notes
from pgchronicle.seals.checkpoints import Checkpoint


class Log(Protocol):
    """What is asked of a log; ``Chronicle`` is one."""

    def checkpoint(self, size: int | None = None, /) -> str:
        """The checkpoint of that size, or of now."""
        ...

    def consistency_proof(self, old: int, new: int | None = None, /) -> list[bytes]:
        """The proof that the log of the old size has grown into that of the new one."""
        ...


class CheckpointSigner:
    """Signs the checkpoints of one log with one key.

    The last note that was signed is kept in a file, as it was given out. Whoever can write to that
    file or put another in its place can make the signer forget: keep it where neither the database
    nor its administrators can write. A lock beside it, ``<name>.lock``, lets one sign at a time.

    Args:
        key: its name is the origin of every note, whatever the log calls itself.
        state: the file with the last note; the directory must be there.
    """

    def __init__(self, key: notes.SigningKey | notes.ExternalKey, state: Path) -> None:
        self._key = key
        self._state = state

    def sign(self, log: Log, *, first: bool = False) -> str:
        """A signed note of the log's present checkpoint, once it is safely in the file.

        Read over a connection in autocommit, and with no ``seal_events`` of its own still to be
        committed: a checkpoint that is rolled back after it was signed makes the log inconsistent
        with it for ever.

        Args:
            log: whose checkpoint it is.
            first: nothing was signed with this key before. Then the file must not be there, and
                else it must be: one that was lost would let any other log pass for this one. In its
                place goes the last note that was given out, wherever a copy is.

        Raises:
            InconsistentLogError: the log does not go on from the last note. Nothing was signed.
            VerificationError: the file holds no note by this key, or the log no checkpoint.
            ChronicleError: the file is there or missing against what ``first`` says, can not be
                written, or another one signs at this moment.
        """
        with self._alone():
            last = self._last(first=first)
            now = Checkpoint.parse(log.checkpoint())
            if last is not None:
                note, signed = last
                self._check(log, signed, now)
                if now.size == signed.size:
                    return note
            checkpoint = Checkpoint(self._key.verifier.name, now.size, now.root)
            note = notes.sign(checkpoint.text(), self._key)
            self._keep(note)
            return note

    @contextmanager
    def _alone(self) -> Generator[None]:
        path = self._beside("lock")
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ChronicleError(f"{path}: {error.strerror}") from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ChronicleError(
                    f"another process is signing with {self._state}",
                    hint="Wait until it is done.",
                ) from error
            yield
        finally:
            os.close(lock)

    def _last(self, *, first: bool) -> tuple[str, Checkpoint] | None:
        if first:
            if os.path.lexists(self._state):
                raise ChronicleError(
                    f"{self._state} is there, so this is not the first checkpoint",
                    hint="Sign it as one that goes on from the last.",
                )
            return None
        try:
            note = self._state.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError as error:
            raise ChronicleError(
                f"{self._state} is not there, so nothing says what was signed before",
                hint="If it was lost, put the last note that was given out in its place. If this "
                "key has signed nothing yet, say that it is the first.",
            ) from error
        except OSError as error:
            raise ChronicleError(f"{self._state}: {error.strerror}") from error
        try:
            return note, Checkpoint.from_note(note, self._key.verifier)
        except VerificationError as error:
            raise VerificationError(
                f"{self._state} does not hold the last note by this key: {error.message}",
                detail=error.detail,
                hint="Put the last note that was given out in its place. With another key, keep "
                "another file.",
            ) from error

    def _check(self, log: Log, signed: Checkpoint, now: Checkpoint) -> None:
        """Whether the log goes on from what was signed."""
        if now.size < signed.size:
            raise self._inconsistent(signed, now, "it has lost batches")
        if now.size == signed.size:
            if now.root != signed.root:
                raise self._inconsistent(signed, now, "its batches are others")
            return
        # Of the empty log every other one is a continuation.
        if signed.size == 0:
            return
        try:
            merkle.verify_consistency(
                old_size=signed.size,
                new_size=now.size,
                old_root=signed.root,
                new_root=now.root,
                path=log.consistency_proof(signed.size, now.size),
            )
        except VerificationError as error:
            raise self._inconsistent(signed, now, "it begins with other batches") from error

    def _inconsistent(self, signed: Checkpoint, now: Checkpoint, why: str) -> InconsistentLogError:
        return InconsistentLogError(
            f"the log does not go on from the checkpoint that was signed last: {why}",
            detail=f"Signed, and kept in {self._state}: {_said(signed)}. "
            f"{now.origin} says now: {_said(now)}.",
            hint="Nothing was signed. Sealed events were changed or removed; or this is another "
            "database, a standby that is behind, or a backup from before that checkpoint. Keep "
            "the note in that file: it proves what the log was. Where a backup was restored on "
            "purpose, go on with a key of another name and a file of its own.",
        )

    def _keep(self, note: str) -> None:
        """Puts the note into the file: after a crash it is there, or the one before, whole."""
        new = self._beside("new")
        try:
            with new.open("w", encoding="utf-8", newline="\n") as file:
                file.write(note)
                _durable.replace(file, new, self._state)
        except OSError as error:
            raise ChronicleError(
                f"{self._state} can not be written: {error.strerror}",
                hint="No note was given out.",
            ) from error

    def _beside(self, suffix: str) -> Path:
        return self._state.with_name(f"{self._state.name}.{suffix}")


def _said(checkpoint: Checkpoint) -> str:
    return f"size {checkpoint.size}, root {base64.b64encode(checkpoint.root).decode()}"
