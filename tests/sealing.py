"""Sealing the log, and reading back what is sealed: by the rule of what a batch holds, not by what
the database says that it holds."""

import base64
from collections import defaultdict
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import namedtuple_row

from ask import rows, value
from pgchronicle.seals import merkle
from support import Connection

MEMBERS = """
    from chronicle.seal_batches as b
    cross join lateral (
        select *
        from chronicle.events as x
        where x.epoch = b.epoch
            and (x.transaction_id, x.seq) >= (b.from_transaction_id, b.from_seq)
            and (x.transaction_id, x.seq) <= (b.to_transaction_id, b.to_seq)
            and x.seq between b.min_seq and b.max_seq
            and (x.occurred_at at time zone 'UTC')::date >= b.bucket_from
            and (x.occurred_at at time zone 'UTC')::date < b.bucket_to
        -- Or the planner would compare every event with every batch.
        offset 0
    ) as e
"""
"""Each batch with each of its events."""


class Checkpoint(NamedTuple):
    """The state of the sealed log: its name, its size in batches, its Merkle tree hash."""

    origin: str
    size: int
    root: bytes


def seal(session: Connection, limit: int = 100_000) -> int:
    """Seals what is settled; gives how many events that were."""
    sealed: int = value(session, "select chronicle.seal_events(%s)", (limit,))
    return sealed


def seal_all(session: Connection, limit: int = 100_000) -> int:
    """Seals until nothing settled is left; gives how many events that were."""
    sealed = 0
    while found := seal(session, limit):
        assert found <= limit
        sealed += found
    return sealed


def findings(session: Connection) -> list[Any]:
    """What ``verify_log`` finds, to an auditor."""
    return rows(session, "select kind, batch_number, event_id, detail from chronicle.verify_log()")


def status(session: Connection) -> Any:
    """The row of ``seal_status``, as a named tuple."""
    with session.cursor(row_factory=namedtuple_row) as cursor:
        found = cursor.execute("select * from chronicle.seal_status").fetchall()
    assert len(found) == 1, f"{len(found)} rows"
    return found[0]


def checkpoint(session: Connection, size: int | None = None) -> Checkpoint:
    """The checkpoint of the log, or of its first batches."""
    text: str = value(session, "select chronicle.checkpoint(%s)", (size,))
    origin, number, root, end = text.split("\n")
    assert end == ""
    return Checkpoint(origin, int(number), base64.b64decode(root, validate=True))


def check_consistent(session: Connection, earlier: Checkpoint) -> None:
    """Raises unless the log has grown out of what it was at an earlier checkpoint."""
    now = checkpoint(session)
    assert now.origin == earlier.origin
    path: list[bytes] = value(
        session, "select chronicle.consistency_proof(%s, %s)", (earlier.size, now.size)
    )
    if earlier.size == 0:
        assert path == []
        return
    merkle.verify_consistency(
        old_size=earlier.size,
        new_size=now.size,
        old_root=earlier.root,
        new_root=now.root,
        path=path,
    )


def batches_of(session: Connection) -> dict[UUID, list[int]]:
    """To each event of the log the batches that hold it, to an auditor."""
    held: dict[UUID, list[int]] = {
        event_id: [] for (event_id,) in rows(session, "select event_id from chronicle.events")
    }
    for event_id, batch in rows(session, f"select e.event_id, b.batch_number {MEMBERS}"):
        held[event_id].append(batch)
    return held


def sealed(session: Connection) -> list[list[str]]:
    """The resource ids of the events of each batch in their order, to an auditor.

    Every batch is read again on the way: its events give its root, its record its leaf hash, all
    together the checkpoint; no event is in two; and ``verify_log`` finds nothing.
    """
    assert [each for each in batches_of(session).values() if len(each) > 1] == []
    names: dict[int, list[str]] = defaultdict(list)
    leaves: dict[int, list[bytes]] = defaultdict(list)
    for batch, name, leaf in rows(
        session,
        f"""
        select b.batch_number, e.resource_id,
            chronicle.event_leaf(e, chronicle.payload_digest(e))
        {MEMBERS}
        order by b.batch_number, e.transaction_id, e.seq
        """,
    ):
        names[batch].append(name)
        leaves[batch].append(leaf)
    batches = rows(
        session,
        """
        select b.batch_number, b.event_count, b.root, b.leaf_hash, chronicle.batch_record(b)
        from chronicle.seal_batches as b order by b.batch_number
        """,
    )
    assert batches == [
        (
            number,
            len(leaves[number]),
            merkle.root(leaves[number]),
            merkle.leaf_hash(record.encode()),
            record,
        )
        for number, (*_, record) in enumerate(batches)
    ]
    hashes = [leaf_hash for _, _, _, leaf_hash, _ in batches]
    now = checkpoint(session)
    assert (now.size, now.root) == (len(hashes), merkle.root(hashes))
    assert findings(session) == []
    return [names[number] for number in range(len(batches))]
