"""What a file with a sealed month says first, and what is known of one that was read or written."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from pgchronicle import _words
from pgchronicle.seals import _vouching
from pgchronicle.seals._calendar import day_number, month_days
from pgchronicle.seals.canonical import BatchRecord
from pgchronicle.seals.checkpoints import Checkpoint
from pgchronicle.seals.notes import VerifierKey

FORMAT = "pgchronicle-sealed-events/v1"

Progress: TypeAlias = Callable[[int, int], None]
"""Is told how many events are done, and how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedMonth:
    """What a file proves: all that was sealed of a month in a log that was so.

    The events are those of every batch of which some days are in the month, so where partitions are
    of weeks there are some of the months beside it.
    """

    log_id: UUID
    month: str
    checkpoint: Checkpoint
    signed_by: VerifierKey | None
    """Whose signature of the checkpoint was checked; None: nobody's."""
    batches: int
    events: int
    without_payload: int
    """Of how many events there is only the digest of the payload: it was erased, or left out."""

    def __str__(self) -> str:
        bare = f", {self.without_payload:,} without their payload" if self.without_payload else ""
        return (
            f"{_words.events(self.events)} of {self.month}{bare}, in "
            f"{_words.batches(self.batches)}: all that had been sealed of that month when the log "
            f"{self.log_id} had {_words.batches(self.checkpoint.size)}.\n"
            f"The log is {self.checkpoint.origin} of size {self.checkpoint.size}, with the root "
            f"{self.checkpoint.root.hex()}.\n{_vouching.verdict(self.signed_by)}"
        )


class Month:
    """A month of the calendar, UTC.

    Args:
        text: as ``2026-11``.

    Raises:
        ValueError: it is none.
    """

    __slots__ = ("_begin", "_end", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._begin, self._end = month_days(text)

    def has(self, batch: BatchRecord) -> bool:
        """Whether the batch can hold an event of the month."""
        begin, end = day_number(batch.bucket_from), day_number(batch.bucket_to)
        return begin < self._end and self._begin < end
