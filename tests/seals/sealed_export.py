"""A sealed log with all that a file of a sealed month can hold, and files made of it."""

import io
from collections.abc import Iterator
from uuid import UUID

from ask import run, value, values
from pgchronicle.seals.checkpoints import Checkpoint
from pgchronicle.seals.files import SealedMonth, write_sealed_month
from pgchronicle.seals.notes import SigningKey, sign
from seals.golden import golden_events
from seals.sealed_log import FULL, import_past, log_pages, seal, sealed_database
from support import Cluster, Connection, Database

KEY = SigningKey("example.com/log", bytes(range(32)))
"""Whose notes are verified."""

_NUMBERED = {"seq", "transaction_id", "epoch", "settled_after"}

# Their months begin or end where no time is any more.
_TOO_FAR = {"the first time that there is", "times beyond these"}


def exporting_database(cluster: Cluster, name: str) -> Iterator[Database]:
    """A database with the sealed log of others, the golden events, erased ones and a second epoch;
    what a fixture yields from."""
    for database in sealed_database(cluster, name):
        owner = database.connect(autocommit=True)
        _insert_golden_events(database)
        seal(owner, 15)
        owner.execute("select chronicle.enable_erasure()")
        run(owner, "select chronicle.erase_payload(%s, 'GDPR 17(1)')", (FULL,))
        run(owner, "select chronicle.erase_subject('GDPR 17(1)', _actor_id => 'grace')")
        seal(owner)
        owner.execute("select chronicle.begin_epoch('to have a second one')")
        log_pages(owner, 31, 40)
        import_past(owner, "older_log")
        seal(owner, 7)
        # Others make copies of it.
        database.close()
        yield database


def _insert_golden_events(database: Database) -> None:
    with database.connect(database.cluster.superuser, autocommit=True) as superuser:
        superuser.execute("set role chronicle_writer")
        for vector in golden_events():
            if vector.salt is None or vector.name in _TOO_FAR:
                continue
            given = {name: text for name, text in vector.row.items() if name not in _NUMBERED}
            # Of no type, a text becomes what the column is.
            statement = (
                f"insert into chronicle.events ({', '.join(given)}) "
                f"values ({', '.join(['%s'] * len(given))})"
            )
            run(superuser, statement, list(given.values()))


def signed_checkpoint(auditor: Connection, size: int | None = None) -> str:
    """A note of KEY about the log, as it is or was."""
    text: str = value(auditor, "select chronicle.checkpoint(%s)", (size,))
    checkpoint = Checkpoint.parse(text)
    return sign(Checkpoint(KEY.name, checkpoint.size, checkpoint.root).text(), KEY)


def exported(auditor: Connection, month: str, note: str | None = None) -> tuple[bytes, SealedMonth]:
    """The file of a month, and what is said of it."""
    out = io.BytesIO()
    report = write_sealed_month(auditor, month, out, note)
    return out.getvalue(), report


def months(auditor: Connection) -> list[str]:
    """The months of which there are events."""
    return values(
        auditor,
        """
        select distinct case
            when e.occurred_at < '0001-01-01 00:00+00' then '-0043-03'
            else to_char(e.occurred_at at time zone 'UTC', 'YYYY-MM')
        end
        from chronicle.events as e order by 1
        """,
    )


def sealed_ids(auditor: Connection, month: str) -> list[UUID]:
    """The sealed events of a month, from the year 1 on, in the order of the log."""
    return values(
        auditor,
        """
        select e.event_id
        from chronicle.events as e
        where to_char(e.occurred_at at time zone 'UTC', 'YYYY-MM') = %s
            and e.occurred_at >= '0001-01-01 00:00+00'
            and e.transaction_id < (
                select max(b.to_transaction_id) + 1 from chronicle.seal_batches as b
            )
        order by e.epoch, e.transaction_id, e.seq
        """,
        (month,),
    )
