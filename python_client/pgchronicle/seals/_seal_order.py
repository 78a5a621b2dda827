"""The order in which an honest sealer writes batches, which leaves no way back into the past."""

from dataclasses import dataclass

from pgchronicle.errors import VerificationError
from pgchronicle.seals._calendar import day_number
from pgchronicle.seals.canonical import BatchRecord


@dataclass(slots=True)
class _Line:
    """Where the batches of one epoch have come to; those that are late have a line of their own."""

    bucket_to: int
    sealed: tuple[int, int]
    sealed_before: tuple[int, int] | None = None
    """What had been sealed when the present call of seal_events began."""


class SealOrder:
    """Batches as they come. An epoch is sealed before the next one is. A call of seal_events writes
    its months in their order, and all of them lie behind what the calls before it have sealed."""

    __slots__ = ("_epoch", "_lines")

    def __init__(self) -> None:
        self._epoch = 0
        self._lines: dict[tuple[int, bool], _Line] = {}

    def append(self, batch: BatchRecord) -> None:
        """
        Raises:
            VerificationError: it claims events from where all was sealed, or of an epoch that is
                over.
        """
        if batch.epoch < self._epoch:
            raise VerificationError(
                f"batch {batch.batch_number} claims events of epoch {batch.epoch}, and batches of "
                f"epoch {self._epoch} stand before it",
                detail="Somebody has put events into the past, and sealed them themselves.",
            )
        self._epoch = batch.epoch
        first = (batch.from_transaction_id, batch.from_seq)
        last = (batch.to_transaction_id, batch.to_seq)
        bucket_to = day_number(batch.bucket_to)
        line = self._lines.get((batch.epoch, batch.is_late))
        if line is None:
            self._lines[batch.epoch, batch.is_late] = _Line(bucket_to, last)
            return
        if day_number(batch.bucket_from) < line.bucket_to:
            line.sealed_before = line.sealed
        if line.sealed_before is not None and first <= line.sealed_before:
            raise VerificationError(
                f"batch {batch.batch_number} claims events from where everything had been sealed "
                "before it",
                detail="Somebody has put events into the past, and sealed them themselves.",
            )
        line.bucket_to = bucket_to
        line.sealed = max(line.sealed, last)
