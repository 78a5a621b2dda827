"""Checkpoints, as in c2sp.org/tlog-checkpoint: which log, how large, and the root of its tree."""

import base64
import re
from dataclasses import dataclass
from typing import Self

from pgchronicle.errors import VerificationError
from pgchronicle.seals import merkle, notes

_LARGEST = 2**63 - 1
_TEXT = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log was at one time.

    Args:
        origin: of the database, ``pgchronicle/<log id>``; of a signed one, the name of the key.
        size: in batches.
        root: of the tree over their hashes.

    Raises:
        VerificationError: no log is so.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin:
            raise VerificationError("the checkpoint has no origin")
        # People are shown it, and where nobody signed it, it may do things to a terminal.
        if not self.origin.isprintable():
            raise VerificationError(
                "the origin of the checkpoint can not be printed", detail=f"{self.origin!r}"
            )
        if not 0 <= self.size <= _LARGEST:
            raise VerificationError(f"no log has {self.size} batches")
        if len(self.root) != merkle.HASH_SIZE:
            raise VerificationError(f"the root has {len(self.root)} bytes, not {merkle.HASH_SIZE}")
        if self.size == 0 and self.root != merkle.EMPTY_ROOT:
            raise VerificationError("a log without batches has another root")

    def text(self) -> str:
        """The three lines, which ``parse`` reads."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The checkpoint of a text, which can be written in no other way.

        Further lines, which the format allows and advises against, are refused.

        Raises:
            VerificationError: it is no checkpoint.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise VerificationError(
                "that is no checkpoint",
                detail="It has three lines: the origin, the size, and the root in base64.",
            )
        origin, size, root = match.groups()
        checkpoint = cls(origin, int(size), base64.b64decode(root))
        if checkpoint.text() != text:
            raise VerificationError("the root of the checkpoint is not written as base64 is")
        return checkpoint

    @classmethod
    def from_note(cls, note: str, key: notes.VerifierKey) -> Self:
        """The checkpoint that a note holds, which is signed with the key and about its log.

        Raises:
            VerificationError: it is no such note.
        """
        checkpoint = cls.parse(notes.verify(note, key))
        if checkpoint.origin != key.name:
            raise VerificationError(
                "the checkpoint is of another log",
                detail=f'It is of "{checkpoint.origin}", and signed with the key "{key.name}".',
            )
        return checkpoint
