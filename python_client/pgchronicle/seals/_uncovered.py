"""What there is of a month beside what a checkpoint covers."""

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from pgchronicle.errors import explained
from pgchronicle.seals._calendar import month_days

_SEALED = """
    select count(*), coalesce(sum(b.event_count), 0)::bigint
    from chronicle.seal_batches as b
    where b.batch_number >= %(size)s
        and b.bucket_from < date '1970-01-01' + %(end)s
        and b.bucket_to > date '1970-01-01' + %(begin)s
"""

_UNSEALED = """
    select count(*)
    from chronicle.seal_state as s
    inner join chronicle.epochs as x on x.epoch > s.sealed_epochs
    left join lateral (
        select b.to_transaction_id, b.to_seq
        from chronicle.seal_batches as b
        where b.epoch = x.epoch and not b.is_late
        order by b.to_transaction_id desc, b.to_seq desc
        limit 1
    ) as b on true
    inner join chronicle.events as e
        on e.epoch = x.epoch
        and (e.transaction_id, e.seq)
        > (coalesce(b.to_transaction_id, 0), coalesce(b.to_seq, 0))
    where (e.occurred_at at time zone 'UTC')::date >= date '1970-01-01' + %(begin)s
        and (e.occurred_at at time zone 'UTC')::date < date '1970-01-01' + %(end)s
"""


@dataclass(frozen=True, slots=True)
class Uncovered:
    """What a sealed month of a checkpoint does not hold."""

    batches: int
    """That are of the month, and were sealed later."""
    events: int
    """Of these batches."""
    unsealed: int
    """Events of the month that are in no batch yet."""


def uncovered(connection: psycopg.Connection[Any], month: str, size: int) -> Uncovered:
    """What there is of a month by now, beside what a checkpoint covers.

    Args:
        connection: of an account with ``chronicle_auditor``.
        month: of ``occurred_at`` (UTC), as ``2026-11``.
        size: of the checkpoint, in batches.

    Raises:
        NotAllowedError: the account has not the rights of an auditor.
        ValueError: it is no month.
    """
    begin, end = month_days(month)
    bounds = {"begin": begin, "end": end, "size": size}
    with explained(), connection.cursor(row_factory=tuple_row) as cursor:
        ((batches, events),) = cursor.execute(_SEALED, bounds).fetchall()
        ((unsealed,),) = cursor.execute(_UNSEALED, bounds).fetchall()
    return Uncovered(batches, events, unsealed)
