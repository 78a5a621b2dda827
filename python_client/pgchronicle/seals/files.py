"""Sealed months: all events of a month in a file that proves itself, and that nothing is left out.

The file is JSON Lines, each line in the one spelling of RFC 8785: a header; then the record of
every batch of the log, of which the root of the log is computed anew; and behind the record of each
batch of the month its events, of which the root of the batch is. docs/format.md has the details.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

from pgchronicle.errors import VerificationError
from pgchronicle.seals import _spelling, _vouching
from pgchronicle.seals._month_writer import write_sealed_month
from pgchronicle.seals._running_root import RunningRoot
from pgchronicle.seals._sealed_event import SealedEvent
from pgchronicle.seals._sealed_month import FORMAT, Month, Progress, SealedMonth
from pgchronicle.seals._spelling import Object
from pgchronicle.seals.canonical import BatchRecord
from pgchronicle.seals.notes import VerifierKey

__all__ = ["FORMAT", "SealedMonth", "verify_file", "write_sealed_month"]

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
        if members.get("format") != FORMAT:
            raise VerificationError(
                "this is no file with a sealed month",
                detail=f'Its format is {members.get("format")!r}, and should be "{FORMAT}".',
            )
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
    log = RunningRoot()
    batches = events = erased = 0
    while log.size < header.checkpoint.size:
        batch = lines.read(_batch)
        _check_is_next(batch, log.size, header, lines.number)
        log.append(batch.leaf_hash())
        if header.month.has(batch):
            erased += _verify_events(lines, batch, partial(_tell, progress, events, header.events))
            batches += 1
            events += batch.event_count
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
            detail=f"It says {header.events:,} events in {header.batches:,} batches of the month, "
            f"and there are {events:,} in {batches:,}.",
        )
    return SealedMonth(
        log_id=header.log_id,
        month=header.month.text,
        checkpoint=header.checkpoint,
        signed_by=key,
        batches=batches,
        events=events,
        erased=erased,
    )


def _verify_events(lines: _Lines, batch: BatchRecord, progress: Callable[[int], None]) -> int:
    """Checks the events of a batch; gives how many are erased."""
    first_line = lines.number + 1
    tree = RunningRoot()
    erased = 0
    seqs: list[int] = [batch.max_seq, batch.min_seq]
    places: list[tuple[int, int]] = []
    while tree.size < batch.event_count:
        event = lines.read(_event)
        event.check_belongs_to(batch)
        place = event.place
        if places and place <= places[-1]:
            raise VerificationError(
                f"line {lines.number}: event {event.event_id} is not in the order of the batch"
            )
        places[1:] = [place]
        seqs = [min(seqs[0], place[1]), max(seqs[1], place[1])]
        tree.append(event.leaf)
        erased += event.payload is None
        progress(tree.size)
    if tree.root() != batch.root:
        raise VerificationError(
            f"the events of batch {batch.batch_number} are not those that were sealed",
            detail=f"They are in the lines {first_line} to {lines.number}. Their root is "
            f"{tree.root().hex()}, and that of the batch is {batch.root.hex()}.",
            hint="At least one of them was changed, added, removed or put elsewhere.",
        )
    return erased


def _check_is_next(batch: BatchRecord, number: int, header: _Header, line: int) -> None:
    if batch.log_id != header.log_id:
        raise VerificationError(
            f"line {line}: this is a batch of another log", detail=f"It is of {batch.log_id}."
        )
    if batch.batch_number != number:
        raise VerificationError(
            f"line {line}: batch {number} should come here, not {batch.batch_number}"
        )


def _batch(members: Object) -> BatchRecord:
    return BatchRecord.parse(_spelling.text(_spelling.check_members(members, "batch")["batch"]))


def _event(members: Object) -> SealedEvent:
    _spelling.check_members(members, "event", "payload")
    return SealedEvent.parse(members["event"], members["payload"])


def _tell(progress: Progress, before: int, total: int, done: int) -> None:
    progress(before + done, total)


def _nothing(_: int, __: int) -> None:
    """Where no progress is shown."""
