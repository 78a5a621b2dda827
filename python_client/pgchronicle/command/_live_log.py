"""Verifying the log where it lives: every sealed event is read again."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from pgchronicle import Chronicle, Finding, SealStatus
from pgchronicle.command._anchor import Anchor, difference
from pgchronicle.command._database import Connection
from pgchronicle.command._progress import bar, explained_stop

# About so many events are one question, and one step of the bar.
_STEP = 20_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found, in one snapshot of the log."""

    findings: list[Finding]
    """In the order of the log; last what is of no batch."""
    buckets: dict[int | None, str]
    """Of the batches that are found fault with: the first day of the month, or less, that each is
    of."""
    difference: str | None
    """Why the log does not go on from the checkpoint; None: it does, or there is none."""
    status: SealStatus
    uncovered: int
    """How many events there are while nothing is sealed."""


def verify(connection: Connection, anchor: Anchor | None) -> Verdict:
    """Reads the log again, and compares it with a checkpoint from outside.

    Everything is read in one snapshot, which changes nothing and locks nobody out.

    Raises:
        ChronicleError: it was interrupted; or the caller is no chronicle_auditor.
    """
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    log = Chronicle(connection)
    with explained_stop(connection, lambda: "Run it again."), connection.transaction():
        status = log.seal_status()
        findings: list[Finding] = []
        done = 0
        with bar("events", status.sealed_events) as show:
            for begin, end, events in _ranges(connection):
                findings += log.verify_log(begin, end)
                done += events
                show(done)
        differs = None if anchor is None else _compare(connection, log, anchor)
        findings.sort(key=lambda f: (f.batch_number is None, f.batch_number or 0))
        buckets = _buckets(connection, findings)
        uncovered = 0 if status.batches else _count(connection)
    return Verdict(findings, buckets, differs, status, uncovered)


def _buckets(connection: Connection, findings: list[Finding]) -> dict[int | None, str]:
    numbers = list({finding.batch_number for finding in findings} - {None})
    # As text: no date of Python's is as far as those of PostgreSQL.
    return dict(
        connection.execute(
            """
            select b.batch_number, b.bucket_from::text
            from chronicle.seal_batches as b
            where b.batch_number = any(%s::bigint[])
            """,
            (numbers,),
        ).fetchall()
    )


def _count(connection: Connection) -> int:
    ((count,),) = connection.execute("select count(*) from chronicle.events").fetchall()
    return int(count)


def _compare(connection: Connection, log: Chronicle, anchor: Anchor) -> str | None:
    try:
        with connection.transaction():
            return difference(log, anchor)
    except psycopg.errors.DataCorrupted as error:
        # What verify_log has found, too.
        return error.diag.message_primary


def _ranges(connection: Connection) -> Iterator[tuple[int, int | None, int]]:
    """All batches, those too that are missing, in ranges with about as many events each."""
    steps = connection.execute(
        """
        select min(b.batch_number), sum(b.event_count)::bigint
        from (
            select
                b.batch_number, b.event_count,
                (sum(b.event_count) over (order by b.batch_number) - b.event_count)
                    / %s::bigint as step
            from chronicle.seal_batches as b
        ) as b
        group by trunc(b.step)
        order by 1
        """,
        (_STEP,),
    ).fetchall()
    if not steps:
        yield 0, None, 0
    for number, (begin, events) in enumerate(steps):
        is_last = number == len(steps) - 1
        yield 0 if number == 0 else begin, None if is_last else steps[number + 1][0], events
