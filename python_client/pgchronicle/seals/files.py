"""Sealed months: all events of a month in a file that proves itself, and that nothing is left out.

The file is JSON Lines, each line in the one spelling of RFC 8785: a header; then the record of
every batch of the log, of which the root of the log is computed anew; and behind the record of each
batch of the month its events, of which the root of the batch is. docs/format.md has the details.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

from pgchronicle import _words
from pgchronicle.errors import VerificationError
from pgchronicle.seals import _spelling, _vouching
from pgchronicle.seals._month_writer import write_sealed_month
from pgchronicle.seals._running_root import RunningRoot
from pgchronicle.seals._seal_order import SealOrder
from pgchronicle.seals._sealed_event import SealedEvent
from pgchronicle.seals._sealed_month import FORMAT, Month, Progress, SealedMonth
from pgchronicle.seals._spelling import Object
from pgchronicle.seals._uncovered import Uncovered, uncovered
from pgchronicle.seals.canonical import BatchRecord
from pgchronicle.seals.notes import VerifierKey

__all__ = [
    "FORMAT",
    "SealedMonth",
    "Uncovered",
    "uncovered",
    "verify_file",
    "write_sealed_month",
]

_Read = TypeVar("_Read")


def verify_file(
    source: str | Path | Iterable[bytes],
    key: VerifierKey | None = None,
    progress: Progress | None = None,
) -> SealedMonth:
    """What a file with a sealed month proves. Everything is computed anew, line by line.

    Args:
        source: the path of the file; or its lines, each with the newline at its end.
        key: with which the checkpoint must be signed. None: no signature is checked, and the file
            shows no more than that it does not contradict itself.
        progress: is told how many events are verified, and how many the file says it has.

    Raises:
        VerificationError: it proves nothing, or is not written as ``write_sealed_month`` writes it.
        OSError: the file can not be read.
    """
    if isinstance(source, str | Path):
        with Path(source).open("rb") as file:
            return _verify(_Lines(file), key, progress or _nothing)
    return _verify(_Lines(source), key, progress or _nothing)


class _Lines:
    """The objects of the lines, with the number of the line in what is said of them."""

    __slots__ = ("_lines", "number")

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self.number = 0

    def read(self, parse: Callable[[Object], _Read]) -> _Read:
        """What the next line is."""
        line = next(self._lines, None)
        self.number += 1
        try:
            if line is None:
                raise VerificationError(
                    "the file ends before it is complete", hint="Take it from where it came from."
                )
            return parse(_spelling.loads(line))
        except VerificationError as error:
            message = f"line {self.number}: {error.message}"
            raise VerificationError(message, detail=error.detail, hint=error.hint) from error

    def check_end(self) -> None:
        if next(self._lines, None) is not None:
            raise VerificationError(
                f"line {self.number + 1}: the file goes on behind the last batch of the log"
            )


class _Header:
    """What the first line says."""

    __slots__ = ("batches", "checkpoint", "events", "log_id", "month")

    def __init__(self, members: Object, key: VerifierKey | None) -> None:
        _spelling.check_format(members, FORMAT, "file with a sealed month")
        vouching = _vouching.member_name(members)
        _spelling.check_members(members, "batches", "events", "format", "log_id", "month", vouching)
        self.batches = _spelling.count(members["batches"])
        self.events = _spelling.count(members["events"])
        self.log_id = _spelling.uuid(members["log_id"])
        try:
            self.month = Month(_spelling.text(members["month"]))
        except ValueError as error:
            raise VerificationError("the file is of no month", detail=f"{error}.") from error
        self.checkpoint = _vouching.checkpoint_of(members, key)
        _vouching.check_origin(self.checkpoint, vouching, self.log_id)


def _verify(lines: _Lines, key: VerifierKey | None, progress: Progress) -> SealedMonth:
    header = lines.read(lambda members: _Header(members, key))
    log, order = RunningRoot(), SealOrder()
    batches = events = without_payload = 0
    while log.size < header.checkpoint.size:
        batch = lines.read(partial(_next_batch, header, log.size, order))
        log.append(batch.leaf_hash())
        if header.month.has(batch):
            found = _Events(batch)
            while found.count < batch.event_count:
                lines.read(found.read)
                progress(events + found.count, header.events)
            found.check_are_all()
            batches, events, without_payload = (
                batches + 1,
                events + found.count,
                without_payload + found.without_payload,
            )
    lines.check_end()
    if log.root() != header.checkpoint.root:
        raise VerificationError(
            "the batches are not those of the checkpoint",
            detail=f"Their root is {log.root().hex()}, and that of the checkpoint is "
            f"{header.checkpoint.root.hex()}.",
            hint="The record of a batch was changed, put elsewhere or replaced; or the checkpoint.",
        )
    if (batches, events) != (header.batches, header.events):
        raise VerificationError(
            "the header counts wrong",
            detail=f"It says {_words.events(header.events)} in "
            f"{_words.batches(header.batches)} of the month, "
            f"and there are {events:,} in {batches:,}.",
        )
    return SealedMonth(
        log_id=header.log_id,
        month=header.month.text,
        checkpoint=header.checkpoint,
        signed_by=key,
        batches=batches,
        events=events,
        without_payload=without_payload,
    )


class _Events:
    """The events of a batch as far as they were read."""

    __slots__ = (
        "_batch",
        "_first",
        "_greatest_seq",
        "_last",
        "_least_seq",
        "_tree",
        "without_payload",
    )

    def __init__(self, batch: BatchRecord) -> None:
        self._batch = batch
        self._tree = RunningRoot()
        self._first = self._last = (0, 0)
        self._least_seq = self._greatest_seq = 0
        self.without_payload = 0

    @property
    def count(self) -> int:
        return self._tree.size

    def read(self, members: Object) -> None:
        """Takes the next one from its line."""
        _spelling.check_members(members, "event", "payload")
        event = SealedEvent.parse(members["event"], members["payload"])
        event.check_belongs_to(self._batch)
        place = event.place
        if self.count == 0:
            self._first = place
            self._least_seq = self._greatest_seq = event.seq
        elif place <= self._last:
            raise VerificationError(f"event {event.event_id} is not in the order of its batch")
        self._last = place
        self._least_seq = min(self._least_seq, event.seq)
        self._greatest_seq = max(self._greatest_seq, event.seq)
        self._tree.append(event.leaf)
        self.without_payload += event.payload is None

    def check_are_all(self) -> None:
        """
        Raises:
            VerificationError: these are not the events that the record is about.
        """
        batch = self._batch
        if self._tree.root() != batch.root:
            raise VerificationError(
                f"the events of batch {batch.batch_number} are not those that were sealed",
                detail=f"Their root is {self._tree.root().hex()}, and that of the batch is "
                f"{batch.root.hex()}.",
                hint="At least one of them was changed, added, removed or put elsewhere.",
            )
        if (self._first, self._last, self._least_seq, self._greatest_seq) != (
            (batch.from_transaction_id, batch.from_seq),
            (batch.to_transaction_id, batch.to_seq),
            batch.min_seq,
            batch.max_seq,
        ):
            raise VerificationError(
                f"the record of batch {batch.batch_number} is not about its events",
                detail="They do not begin or end where it says.",
            )


def _next_batch(header: _Header, number: int, order: SealOrder, members: Object) -> BatchRecord:
    _spelling.check_members(members, "batch")
    batch = BatchRecord.parse(_spelling.text(members["batch"]))
    if batch.log_id != header.log_id:
        raise VerificationError(
            "this is a batch of another log", detail=f"It is of {batch.log_id}."
        )
    if batch.batch_number != number:
        raise VerificationError(f"batch {number} should come here, not {batch.batch_number}")
    order.append(batch)
    return batch


def _nothing(_: int, __: int) -> None:
    """Where no progress is shown."""
