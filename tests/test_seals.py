"""What sealing gives: counts, batches, checkpoints and proofs, each held against Merkle trees that
are computed without the database. That no event escapes is in faults/test_sealing.py; who may call
what in seals/test_rights.py."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any
from uuid import UUID

import pytest

from ask import Refusal, refusal, row, rows, run, sqlstate, value, values
from pgchronicle.migrate import migrate
from pgchronicle.seals import canonical, merkle
from sealing import checkpoint, findings, seal, sealed, status
from streaming import log, migrated_database, quiet_cluster
from support import INSTALLER, Cluster, Connection, Database, lent


@pytest.fixture(scope="module")
def alone() -> Iterator[Cluster]:
    """A server of this module's."""
    with quiet_cluster() as cluster:
        yield cluster


@pytest.fixture
def log_database(alone: Cluster, database_names: Iterator[str]) -> Iterator[Database]:
    """A database on it, whose log is empty."""
    yield from migrated_database(alone, next(database_names))


@pytest.fixture
def app(log_database: Database) -> Connection:
    """A session of the application, which commits each statement."""
    return log_database.connect("app", autocommit=True)


@pytest.fixture
def admin(log_database: Database) -> Connection:
    """Who seals."""
    return log_database.connect("admin", autocommit=True)


@pytest.fixture
def auditor(log_database: Database) -> Connection:
    """Who looks."""
    return log_database.connect("auditor", autocommit=True)


@pytest.fixture(scope="module")
def grown(alone: Cluster, database_names: Iterator[str]) -> Iterator[Database]:
    """A log of eleven batches of one event, two, three and so on; not to be written to."""
    for database in migrated_database(alone, next(database_names)):
        app = database.connect("app", autocommit=True)
        admin = database.connect("admin", autocommit=True)
        for number in range(1, 12):
            for place in range(number):
                log(app, f"{number}/{place}")
            assert seal(admin) == number
        yield database


@pytest.fixture
def leaves(grown: Database) -> list[bytes]:
    """The leaves of that log."""
    with grown.connect("auditor") as session:
        return values(session, "select leaf_hash from chronicle.seal_batches order by batch_number")


@pytest.fixture
def reader(grown: Database) -> Iterator[Connection]:
    """A session of an auditor there."""
    with grown.connect("auditor", autocommit=True) as session:
        yield session


# Sealing.


def test_sealing_says_how_many_events_it_sealed(
    app: Connection, admin: Connection, auditor: Connection
) -> None:
    assert seal(admin) == 0
    for name in ("a", "b", "c"):
        log(app, name)
    assert seal(admin) == 3
    assert seal(admin) == 0
    log(app, "d")
    assert value(admin, "select chronicle.seal_events()") == 1
    assert sealed(auditor) == [["a", "b", "c"], ["d"]]


def test_sealing_nothing_writes_nothing(app: Connection, admin: Connection) -> None:
    """Or a server would never get quiet."""
    log(app, "a")
    assert seal(admin) == 1
    state = "select pg_snapshot_xmax(pg_current_snapshot())::text"
    before = value(admin, state)
    assert seal(admin) == 0
    assert value(admin, state) == before


@pytest.mark.parametrize("limit", [0, -1, 1_000_001, None])
def test_a_limit_out_of_range_is_refused(admin: Connection, limit: int | None) -> None:
    assert refusal(admin, "select chronicle.seal_events(%s)", (limit,)) == Refusal(
        "22023",
        f"_limit is {'null' if limit is None else limit}, not 1 to 1000000",
        None,
        "Call it again until it returns 0.",
    )


def test_a_batch_says_which_events_it_holds(
    app: Connection, admin: Connection, auditor: Connection
) -> None:
    for name in ("a", "b", "c"):
        log(app, name)
    before = datetime.now(UTC)
    assert seal(admin) == 3
    assert seal(admin) == 0
    places = rows(auditor, "select transaction_id, seq from chronicle.events order by seq")
    first, last = places[0], places[-1]
    (month,) = values(
        auditor,
        """
        select distinct date_trunc('month', occurred_at at time zone 'UTC')::date
        from chronicle.events
        """,
    )
    found = row(auditor, "select * from chronicle.seal_batches")
    hashes: list[bytes] = values(
        auditor,
        "select chronicle.event_leaf(e, chronicle.payload_digest(e)) "
        "from chronicle.events as e order by seq",
    )
    *said, sealed_at, leaf_hash = found
    assert said == [
        *(0, 1, month, (month + timedelta(31)).replace(day=1), *first, *last),
        *(first[1], last[1], False, 3, merkle.root(hashes)),
    ]
    assert before <= sealed_at <= datetime.now(UTC)
    record = value(auditor, "select chronicle.batch_record(b) from chronicle.seal_batches as b")
    assert leaf_hash == merkle.leaf_hash(record.encode())
    assert rows(auditor, "select * from chronicle.seal_leaves") == [(0, b"".join(hashes))]
    assert rows(auditor, "select * from chronicle.seal_nodes") == [(0, 0, leaf_hash)]


def test_sealing_writes_no_event_and_changes_none(
    app: Connection, admin: Connection, auditor: Connection
) -> None:
    for name in ("a", "b"):
        log(app, name)
    before = rows(auditor, "select * from chronicle.events order by seq")
    seal(admin)
    assert rows(auditor, "select * from chronicle.events order by seq") == before


# What it says of itself.


def test_an_empty_log_says_that_nothing_is_sealed(auditor: Connection) -> None:
    found = status(auditor)
    assert isinstance(found.log_id, UUID)
    assert (found.epoch, found.batches, found.sealed_events, found.last_sealed_at) == (
        *(1, 0, 0, None),
    )
    assert (found.unsealed_since, found.lag, found.held_back_by, found.problem) == (
        *(None, None, None, None),
    )
    assert findings(auditor) == []


def test_the_status_tells_what_is_sealed_and_since_when_something_is_not(
    app: Connection, admin: Connection, auditor: Connection
) -> None:
    for name in ("a", "b", "c"):
        log(app, name)
        seal(admin)
    log(app, "d")
    log(app, "e")
    found = status(auditor)
    assert (found.batches, found.sealed_events) == (3, 3)
    assert found.last_sealed_at == value(
        auditor, "select max(sealed_at) from chronicle.seal_batches"
    )
    assert found.unsealed_since == value(
        auditor, "select recorded_at from chronicle.events where resource_id = 'd'"
    )
    assert found.lag > timedelta(0)
    assert status(admin)[:6] == found[:6]
    seal(admin)
    found = status(auditor)
    assert (found.batches, found.sealed_events, found.unsealed_since, found.lag) == (
        *(4, 5, None, None),
    )


# Checkpoints.


def test_a_checkpoint_names_the_log_its_size_and_its_root(
    reader: Connection, leaves: list[bytes]
) -> None:
    origin = f"pgchronicle/{status(reader).log_id}"
    assert checkpoint(reader) == checkpoint(reader, 11)
    assert [checkpoint(reader, size) for size in range(12)] == [
        (origin, size, merkle.root(leaves[:size])) for size in range(12)
    ]


def test_a_checkpoint_without_batches_has_the_hash_of_nothing(auditor: Connection) -> None:
    assert checkpoint(auditor) == checkpoint(auditor, 0)
    assert checkpoint(auditor)[1:] == (0, hashlib.sha256().digest())


def test_an_earlier_checkpoint_stays_as_it_was(
    app: Connection, admin: Connection, auditor: Connection
) -> None:
    given = [checkpoint(auditor)]
    for number in range(9):
        log(app, number)
        seal(admin)
        given.append(checkpoint(auditor))
        assert [checkpoint(auditor, size) for size in range(number + 2)] == given


@pytest.mark.parametrize(
    ("size", "hint"),
    [
        (
            12,
            "If it had so many before, it lost some: it was restored from a backup, or somebody "
            "removed them.",
        ),
        (-1, "Sizes count batches from 0."),
    ],
)
def test_a_size_that_the_log_never_had_is_refused(reader: Connection, size: int, hint: str) -> None:
    expected = Refusal("22023", f"the sealed log has 11 batches, not {size}", None, hint)
    assert refusal(reader, "select chronicle.checkpoint(%s)", (size,)) == expected
    assert refusal(reader, "select chronicle.consistency_proof(%s)", (size,)) == expected
    assert refusal(reader, "select chronicle.consistency_proof(0, %s)", (size,)) == expected


# Proofs.


def test_every_older_log_is_proven_to_have_grown_into_every_newer_one(
    reader: Connection, leaves: list[bytes]
) -> None:
    for new in range(1, 12):
        for old in range(1, new + 1):
            path = value(reader, "select chronicle.consistency_proof(%s, %s)", (old, new))
            assert path == merkle.consistency_path(leaves[:new], old)
            merkle.verify_consistency(
                old_size=old,
                new_size=new,
                old_root=checkpoint(reader, old).root,
                new_root=checkpoint(reader, new).root,
                path=path,
            )
        assert value(reader, "select chronicle.consistency_proof(0, %s)", (new,)) == []
    assert value(reader, "select chronicle.consistency_proof(5)") == merkle.consistency_path(
        leaves, 5
    )


@pytest.mark.parametrize(("old", "new"), [(5, 4), (None, 4), (None, None), (1, 0)])
def test_a_log_that_shrinks_is_not_proven(
    reader: Connection, old: int | None, new: int | None
) -> None:
    assert refusal(reader, "select chronicle.consistency_proof(%s, %s)", (old, new)) == Refusal(
        "22023",
        f"the older size is {'null' if old is None else old}, the newer one "
        f"{11 if new is None else new}",
        None,
        "Pass the size of the checkpoint that you keep first.",
    )


def events(session: Connection) -> list[list[UUID]]:
    """The events of each batch of the grown log, in their order."""
    found: list[UUID] = values(session, "select event_id from chronicle.events order by seq")
    remaining = iter(found)
    return [[next(remaining) for _ in range(number)] for number in range(1, 12)]


def test_every_event_is_proven_against_every_checkpoint_that_covers_it(
    reader: Connection, leaves: list[bytes]
) -> None:
    checkpoints: list[str] = [
        value(reader, "select chronicle.checkpoint(%s)", (size,)) for size in range(12)
    ]
    records: list[str] = values(
        reader,
        "select chronicle.batch_record(b) from chronicle.seal_batches as b order by batch_number",
    )
    for number, held in enumerate(events(reader)):
        proofs = [value(reader, "select chronicle.inclusion_proof(%s)", (each,)) for each in held]
        hashes = [leaf(proof) for proof in proofs]
        expected = [
            {
                "format": "pgchronicle-proof/v1",
                "event": proof["event"],
                "payload": proof["payload"],
                "event_index": index,
                "event_path": hexes(merkle.inclusion_path(hashes, index)),
                "batch": records[number],
                "batch_path": hexes(merkle.inclusion_path(leaves, number)),
                "checkpoint": checkpoints[-1],
            }
            for index, proof in enumerate(proofs)
        ]
        assert proofs == expected
        assert [proof["event"][0] for proof in proofs] == list(map(str, held))
        for size in range(number + 1, 12):
            assert value(
                reader, "select chronicle.inclusion_proof(%s, %s)", (held[-1], size)
            ) == expected[-1] | {
                "batch_path": hexes(merkle.inclusion_path(leaves[:size], number)),
                "checkpoint": checkpoints[size],
            }


def leaf(proof: Any) -> bytes:
    """The leaf of the event in a proof, computed from what the proof tells of it."""
    payload = proof["payload"]
    assert payload.keys() == {"salt", "fields"}
    digest = canonical.payload_digest(UUID(payload["salt"]), payload["fields"])
    return canonical.event_leaf(proof["event"], digest)


def hexes(hashes: list[bytes]) -> list[str]:
    """The hashes as a proof has them."""
    return [each.hex() for each in hashes]


def test_an_event_is_not_proven_against_a_checkpoint_before_it(reader: Connection) -> None:
    for number, held in enumerate(events(reader)):
        for size in range(number + 1):
            refused = refusal(reader, "select chronicle.inclusion_proof(%s, %s)", (held[0], size))
            assert refused == Refusal(
                "55000",
                f"event {held[0]} was not sealed yet when the log had {size} batches",
                f"It is in batch {number}, counted from 0.",
                "Ask for the proof at a later size.",
            )


def test_an_event_that_is_not_sealed_yet_is_not_proven(
    app: Connection, admin: Connection, auditor: Connection
) -> None:
    log(app, "a")
    assert seal(admin) == 1
    event_id = log(app, "b")
    assert refusal(auditor, "select chronicle.inclusion_proof(%s)", (event_id,)) == Refusal(
        "55000",
        f"event {event_id} is not sealed yet",
        None,
        "select chronicle.seal_events(); chronicle.seal_status tells what holds it back.",
    )
    seal(admin)
    proof = value(auditor, "select chronicle.inclusion_proof(%s)", (event_id,))
    assert (proof["event"][0], proof["event_index"]) == (str(event_id), 0)


NOBODY = UUID("01900000-0000-7000-8000-000000000000")


def test_a_reader_has_proofs_of_the_events_that_they_may_see_and_of_no_others(
    log_database: Database, app: Connection, admin: Connection
) -> None:
    """What one may not see is not there, sealed or not."""
    ours, theirs = (
        value(
            app,
            """
            select chronicle.log_audit_event(
                _actor_type => 'user', _action_type => 'read', _resource_type => 'page',
                _organization_id => %s::text
            )
            """,
            (organization,),
        )
        for organization in ("acme", "globex")
    )
    run(admin, "select chronicle.add_administrator('reader_a', 'acme')")
    reader = log_database.connect("reader_a", autocommit=True)
    proof = "select chronicle.inclusion_proof(%s)"
    assert sqlstate(reader, proof, (ours,)) == "55000"
    assert sqlstate(reader, proof, (theirs,)) == "P0002"
    seal(admin)
    assert value(reader, proof, (ours,))["event"][0] == str(ours)
    for hidden in (theirs, NOBODY):
        assert refusal(reader, proof, (hidden,)) == Refusal(
            "P0002",
            f"there is no event {hidden} that you may see",
            None,
            "Check the id, and that you may see events of its organization.",
        )
    assert checkpoint(reader).size == 1
    assert sqlstate(reader, "select * from chronicle.verify_log()") == "42501"
    assert sqlstate(reader, "select * from chronicle.seal_status") == "42501"


def test_the_number_of_nodes_is_that_of_the_complete_subtrees(
    reader: Connection, leaves: list[bytes]
) -> None:
    expected = [
        (level, index, merkle.root(leaves[index << level : (index + 1) << level]))
        for level in range(4)
        for index in range(len(leaves) >> level)
    ]
    assert rows(reader, "select * from chronicle.seal_nodes order by level, node_index") == expected
    stored: list[bytes] = values(
        reader, "select leaves from chronicle.seal_leaves order by batch_number"
    )
    assert [len(each) for each in stored] == [32 * number for number in range(1, 12)]
    assert len(set(chain(leaves, stored))) == 22


def test_a_log_that_is_not_in_utf8_is_not_sealed(
    alone: Cluster, database_names: Iterator[str]
) -> None:
    """In WIN1252, an application can write what has no equivalent, and so could stop the sealing;
    and elsewhere the keys of a document have another order."""
    name = next(database_names)
    alone.execute(
        "create database {} owner {} template template0 encoding 'WIN1252' locale 'C'",
        name,
        INSTALLER,
    )
    for database in lent(Database(alone, name)):
        migrate(alone.dsn(name, INSTALLER))
        admin = database.connect("admin", autocommit=True)
        log(database.connect("app", autocommit=True), "a")
        assert refusal(admin, "select chronicle.seal_events()") == Refusal(
            "55000",
            "nothing is sealed: the encoding of the database is WIN1252, not UTF8",
            None,
            "Move to a database in UTF8; a dump converts. Writers are not affected.",
        )
        assert status(admin).problem == "the encoding of the database is WIN1252, not UTF8"
