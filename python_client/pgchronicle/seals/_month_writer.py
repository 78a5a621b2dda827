"""Writes a sealed month from the database, and nothing that does not verify."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO
from uuid import UUID

import psycopg
from psycopg import IsolationLevel
from psycopg.pq import TransactionStatus
from psycopg.rows import scalar_row, tuple_row

from pgchronicle import _words
from pgchronicle.errors import ChronicleError, VerificationError, explained
from pgchronicle.seals import _spelling, _vouching, merkle
from pgchronicle.seals._calendar import day_number
from pgchronicle.seals._running_root import RunningRoot
from pgchronicle.seals._seal_order import SealOrder
from pgchronicle.seals._sealed_event import Payload, SealedEvent
from pgchronicle.seals._sealed_month import FORMAT, Month, Progress, SealedMonth
from pgchronicle.seals.canonical import BatchRecord
from pgchronicle.seals.checkpoints import Checkpoint

_BATCHES = """
    select chronicle.batch_record(b)
    from chronicle.seal_batches as b
    where b.batch_number < %s
    order by b.batch_number
"""

# The bounds of transaction_id repeat what the pairs say, in words from which the planner can tell
# how few rows it is.
_EVENTS = """
    select
        chronicle.event_fields(e), chronicle.payload_fields(e), uuid_send(e.payload_salt),
        case when e.payload_salt is null then (
            select x.payload_digest from chronicle.erasures as x where x.event_id = e.event_id
        ) end
    from chronicle.events as e
    where e.epoch = %(epoch)s
        and e.occurred_at >= (date '1970-01-01' + %(from_day)s)::timestamp at time zone 'UTC'
        and e.occurred_at < (date '1970-01-01' + %(to_day)s)::timestamp at time zone 'UTC'
        and (e.transaction_id, e.seq) >= (%(from_transaction_id)s, %(from_seq)s)
        and (e.transaction_id, e.seq) <= (%(to_transaction_id)s, %(to_seq)s)
        and e.transaction_id between %(from_transaction_id)s and %(to_transaction_id)s
        and e.seq between %(min_seq)s and %(max_seq)s
    order by e.transaction_id, e.seq
"""

_LEAVES = "select l.leaves from chronicle.seal_leaves as l where l.batch_number = %s"

_AT_A_TIME = 1000


def write_sealed_month(
    connection: psycopg.Connection[Any],
    month: str,
    out: BinaryIO,
    note: str | None = None,
    progress: Progress | None = None,
) -> SealedMonth:
    """Writes all sealed events of a month, with what proves that they are.

    They are read in one read-only transaction, a batch at a time, and hashed while they are
    written: what does not verify is not exported. What is not sealed yet is not in the file.

    Args:
        connection: in no transaction, of an account with ``chronicle_auditor``.
        month: of ``occurred_at`` (UTC), as ``2026-11``.
        out: gets bytes; after an error, what it got is no whole file.
        note: a signed note with a checkpoint of the log, which then is the state of the log that
            the file is about. None: the present state, and nobody vouches for it.
        progress: is told how many events are written, and how many there are.

    Raises:
        ChronicleError: the connection is in a transaction.
        NotAllowedError: the account has not the rights of an auditor.
        ValueError: it is no month.
        VerificationError: the log is not what was sealed, or what the note is about.
    """
    wanted = Month(month)
    with explained(), _snapshot(connection):
        log = _Log(connection, wanted, note)
        log.survey()
        return log.write(out, progress or _nothing)


class _Log:
    """The log as one transaction sees it, up to the checkpoint."""

    def __init__(self, connection: psycopg.Connection[Any], month: Month, note: str | None) -> None:
        self._connection = connection
        self._month = month
        self._log_id: UUID = self._value("select s.log_id from chronicle.seal_state as s")
        if note is None:
            said: str = self._value("select chronicle.checkpoint()")
            self._vouching = {"checkpoint": said}
            self._checkpoint = Checkpoint.parse(said)
        else:
            self._vouching = {"note": note}
            self._checkpoint = _vouching.unsigned(note)
            # Any log goes on from that one, so it would say nothing of whose it is.
            if self._checkpoint.size == 0:
                raise VerificationError(
                    "the note is of a log without batches, so it covers nothing",
                    hint="Take a newer note.",
                )
        self._batches = self._events = 0

    def survey(self) -> None:
        """Counts what is to be written, and checks that the batches are the checkpoint's."""
        tree, order = RunningRoot(), SealOrder()
        for text in self._records():
            batch = BatchRecord.parse(text)
            if batch.batch_number != tree.size:
                raise VerificationError(f"batch {tree.size} is missing in the log")
            order.append(batch)
            tree.append(batch.leaf_hash())
            if self._month.has(batch):
                self._batches += 1
                self._events += batch.event_count
        if tree.size < self._checkpoint.size:
            raise VerificationError(
                f"the log has {_words.batches(tree.size)}, and the checkpoint is about "
                f"{self._checkpoint.size}",
                hint="It is the checkpoint of another log, or the log has lost batches.",
            )
        if tree.root() != self._checkpoint.root:
            raise VerificationError(
                "the batches of the log are not those of the checkpoint",
                detail=f"Their root is {tree.root().hex()}, and that of the checkpoint is "
                f"{self._checkpoint.root.hex()}, at size {self._checkpoint.size}.",
                hint='If the checkpoint is of this log, "pgchronicle verify" says what differs.',
            )

    def write(self, out: BinaryIO, progress: Progress) -> SealedMonth:
        header = {
            "format": FORMAT,
            "log_id": str(self._log_id),
            "month": self._month.text,
            "batches": self._batches,
            "events": self._events,
            **self._vouching,
        }
        out.write(_spelling.dumps(header))
        written = without_payload = 0
        for text in self._records():
            out.write(_spelling.dumps({"batch": text}))
            batch = BatchRecord.parse(text)
            if not self._month.has(batch):
                continue
            for event in self._sealed_events(batch):
                out.write(_spelling.dumps(event.members()))
                written += 1
                without_payload += event.payload is None
                progress(written, self._events)
        return SealedMonth(
            log_id=self._log_id,
            month=self._month.text,
            checkpoint=self._checkpoint,
            signed_by=None,
            batches=self._batches,
            events=written,
            without_payload=without_payload,
        )

    def _records(self) -> Generator[str]:
        with self._connection.cursor("chronicle_batches", row_factory=scalar_row) as cursor:
            cursor.itersize = _AT_A_TIME
            yield from cursor.execute(_BATCHES, (self._checkpoint.size,))

    def _sealed_events(self, batch: BatchRecord) -> Generator[SealedEvent]:
        """The events of a batch, each held against the hash that was sealed."""
        leaves = self._leaves(batch)
        place = 0
        for event in self._events_of(batch):
            if leaves[place : place + 1] != [event.leaf]:
                raise VerificationError(
                    f"event {event.event_id} is not what was sealed",
                    detail=f"Batch {batch.batch_number} has another event in place {place}.",
                    hint="It was changed or added, or one before it was removed: "
                    '"pgchronicle verify" says which.',
                )
            yield event
            place += 1
        if place != batch.event_count:
            raise VerificationError(
                f"batch {batch.batch_number} has {_words.events(place)}, and "
                f"{batch.event_count:,} were sealed",
                hint="The others were removed, or are hidden from this account.",
            )

    def _leaves(self, batch: BatchRecord) -> list[bytes]:
        found: bytes = self._value(_LEAVES, batch.batch_number, default=b"")
        leaves = [found[n : n + merkle.HASH_SIZE] for n in range(0, len(found), merkle.HASH_SIZE)]
        if len(leaves) != batch.event_count or merkle.root(leaves) != batch.root:
            raise VerificationError(
                f"the hashes that the log keeps of batch {batch.batch_number} are not those that "
                "were sealed",
                hint="They were changed in chronicle.seal_leaves.",
            )
        return leaves

    def _events_of(self, batch: BatchRecord) -> Iterator[SealedEvent]:
        bounds = {
            "epoch": batch.epoch,
            "from_day": day_number(batch.bucket_from),
            "to_day": day_number(batch.bucket_to),
            "from_transaction_id": batch.from_transaction_id,
            "from_seq": batch.from_seq,
            "to_transaction_id": batch.to_transaction_id,
            "to_seq": batch.to_seq,
            "min_seq": batch.min_seq,
            "max_seq": batch.max_seq,
        }
        with self._connection.cursor(binary=True, row_factory=tuple_row) as cursor:
            for fields, payload, salt, digest in cursor.stream(_EVENTS, bounds):
                yield _event(fields, payload, salt, digest)

    def _value(self, query: str, *parameters: object, default: Any = None) -> Any:
        with self._connection.cursor(row_factory=scalar_row) as cursor:
            found = cursor.execute(query.encode(), parameters).fetchone()
        return default if found is None else found


def _event(
    fields: list[bytes | None],
    payload: list[bytes | None],
    salt: bytes | None,
    digest: bytes | None,
) -> SealedEvent:
    texts = [None if each is None else each.decode() for each in fields]
    if salt is not None:
        kept = [None if each is None else each.decode() for each in payload]
        return SealedEvent(texts, Payload(UUID(bytes=salt), kept))
    if digest is None:
        raise VerificationError(
            f"event {texts[0]} has no salt, and no record of an erasure",
            hint="It was taken away otherwise than by chronicle.erase_payload.",
        )
    return SealedEvent(texts, digest)


@contextmanager
def _snapshot(connection: psycopg.Connection[Any]) -> Generator[None]:
    """A read-only transaction that sees one state of the log."""
    if connection.info.transaction_status != TransactionStatus.IDLE:
        raise ChronicleError(
            "the connection is in a transaction",
            detail="A sealed month is read in a transaction of its own.",
            hint="Commit or roll back first, or give another connection.",
        )
    before = connection.isolation_level, connection.read_only
    connection.isolation_level, connection.read_only = IsolationLevel.REPEATABLE_READ, True
    try:
        with connection.transaction():
            yield
    finally:
        if not connection.closed:
            connection.isolation_level, connection.read_only = before


def _nothing(_: int, __: int) -> None:
    """Where no progress is shown."""
