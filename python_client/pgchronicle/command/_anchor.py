"""Checkpoints that are kept outside of the log, and whether the log goes on from them."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from pgchronicle import Chronicle, _words
from pgchronicle.errors import VerificationError
from pgchronicle.seals import merkle, notes
from pgchronicle.seals.checkpoints import Checkpoint

WHAT_IS_READ = (
    '"verify" reads a proof ("prove"), a sealed month ("export --sealed") and a checkpoint, not '
    "compressed; no other export, and no key."
)


@dataclass(frozen=True, slots=True)
class Anchor:
    """A checkpoint from outside."""

    path: Path
    checkpoint: Checkpoint
    signer: str | None
    """The name of the key that vouches for it; None: nobody does but who kept it."""


def read_key(key: str | None) -> notes.VerifierKey | None:
    """The verifier key that --key says, itself or as a file.

    Raises:
        click.UsageError: it is neither.
    """
    if key is None:
        return None
    path = Path(key)
    is_file = len(key) < 1000 and path.is_file()
    # Every key has one.
    if not is_file and "+" not in key:
        raise click.BadParameter(f"There is no file {key}, and it is no key.", param_hint="--key")
    with _as_usage("--key"):
        return notes.VerifierKey.from_text((read_text(path) if is_file else key).strip())


def read_anchor(path: Path, text: str, key: notes.VerifierKey | None) -> Anchor:
    """The checkpoint that a file holds, signed or not.

    Raises:
        click.UsageError: it is signed, and there is no key.
        VerificationError: it is no checkpoint, or not signed with the key that is given.
    """
    if not is_note(text):
        try:
            checkpoint = Checkpoint.parse(text)
        except VerificationError as error:
            raise VerificationError(
                f"{path} is no checkpoint, signed or not",
                detail=_flaw(text)
                or "A checkpoint has three lines: the origin, the size, and the root in base64.",
                hint=f"Take it as it was written. {WHAT_IS_READ}",
            ) from error
        if key is not None:
            raise VerificationError(
                f"nobody has signed {path}",
                hint="Take a note that is signed with the key. If this one was kept where nobody "
                "else can write, leave --key out.",
            )
        return Anchor(path, checkpoint, None)
    if key is None:
        raise click.UsageError(
            f"{path} is signed: say with which key, --key. "
            '"pgchronicle checkpoint --new-key" printed it.'
        )
    return Anchor(path, Checkpoint.from_note(text, key), key.name)


def _flaw(text: str) -> str | None:
    """What may have happened to a checkpoint, or what was written over it."""
    if not text:
        return "It is empty."
    if "\r\n" in text:
        return "Its lines end in CR LF, and those of a checkpoint in LF."
    return None


def is_note(text: str) -> bool:
    """Whether a checkpoint is signed: an empty line is before the signatures."""
    return "\n\n\N{EM DASH} " in text


def read_note(path: Path) -> tuple[str, int]:
    """The signed note that a file holds, whoever signed it, and of how many batches it is.

    Raises:
        click.UsageError: it can not be read.
        VerificationError: it holds none.
    """
    note = read_text(path)
    if not is_note(note):
        raise VerificationError(
            f"{path} is no signed note",
            detail=_flaw(note),
            hint='Give what "pgchronicle checkpoint --sign" wrote.',
        )
    return note, Checkpoint.parse(note.partition("\n\n")[0] + "\n").size


def read_text(path: Path) -> str:
    """What a file holds.

    Raises:
        click.UsageError: it can not be read.
    """
    try:
        # Not as lines: a note has but one spelling.
        return path.read_bytes().decode(errors="replace")
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from error


def difference(log: Chronicle, anchor: Anchor) -> str | None:
    """Why the log is no continuation of the one of the checkpoint; None: it is one."""
    then = anchor.checkpoint
    now = Checkpoint.parse(log.checkpoint())
    # That of a signed one is its key, which is pinned by who verifies.
    if anchor.signer is None and then.origin != now.origin:
        return f"it is of another log, {then.origin}, and this one is {now.origin}"
    if then.size > now.size:
        return f"it had {_words.batches(then.size)} then, and has {now.size:,} now"
    if then.size == 0:
        return None
    try:
        merkle.verify_consistency(
            old_size=then.size,
            new_size=now.size,
            old_root=then.root,
            new_root=now.root,
            path=log.consistency_proof(then.size, now.size),
        )
    except VerificationError:
        return f"its beginning, {_words.batches(then.size)} long, is another than it was"
    return None


@contextmanager
def _as_usage(option: str) -> Generator[None]:
    try:
        yield
    except VerificationError as error:
        raise click.BadParameter(error.message, param_hint=option) from error
