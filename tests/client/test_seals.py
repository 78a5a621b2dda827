"""The seals and erasures of the log as methods of the client."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from ask import run, value
from pgchronicle import Chronicle, Finding, SealStatus
from pgchronicle.errors import (
    NotAllowedError,
    NotFoundError,
    WrongFieldError,
)
from pgchronicle.seals import merkle
from pgchronicle.seals.checkpoints import Checkpoint
from pgchronicle.seals.proofs import make_proof, verify_proof
from seals.intrusion import disarm, tamper
from streaming import migrated_database, quiet_cluster, take_id
from support import Cluster, Connection, Database

PAGE: Any = {"actor_type": "user", "actor_id": "ada", "action_type": "read"}

LAW = "Art. 17 GDPR, request 7"

_numbers = count(1)


@pytest.fixture(scope="module")
def quiet() -> Iterator[Cluster]:
    with quiet_cluster() as cluster:
        yield cluster


@pytest.fixture
def own(quiet: Cluster) -> Iterator[Database]:
    """A database on a server where nothing else holds sealing back."""
    yield from migrated_database(quiet, f"sealed_{next(_numbers)}")


@pytest.fixture
def session(own: Database) -> Connection:
    """The installer's, who has every right on the log."""
    return own.connect(autocommit=True)


def log_page(log: Chronicle, name: object, **fields: Any) -> UUID:
    return log.log_audit_event(**PAGE, resource_type="page", resource_id=name, **fields)


def test_log_is_sealed_part_by_part(session: Connection) -> None:
    log = Chronicle(session)
    assert log.seal_events() == 0
    for name in range(5):
        log_page(log, name)
    assert [log.seal_events(2), log.seal_events(2), log.seal_events(2), log.seal_events()] == [
        *(2, 2, 1, 0),
    ]
    assert value(session, "select array_agg(event_count) from chronicle.seal_batches") == [2, 2, 1]


def test_status_says_how_far_it_is(own: Database, session: Connection) -> None:
    log = Chronicle(session)
    log_page(log, 1)
    log.seal_events()
    sealed_at = value(session, "select sealed_at from chronicle.seal_batches")
    log_id = value(session, "select log_id from chronicle.seal_state")
    found = log.seal_status()
    assert isinstance(found.oldest_transaction_id, int)
    assert found == SealStatus(
        log_id=log_id,
        epoch=1,
        batches=1,
        sealed_events=1,
        last_sealed_at=sealed_at,
        unsealed_since=None,
        lag=None,
        oldest_transaction_id=found.oldest_transaction_id,
        held_back_by=None,
        problem=None,
    )
    slow = own.connect("app")
    number = take_id(slow)
    late = log_page(log, 2)
    assert log.seal_events() == 0
    found = log.seal_status()
    assert (found.unsealed_since, found.oldest_transaction_id, found.held_back_by) == (
        value(session, "select recorded_at from chronicle.events where event_id = %s", (late,)),
        number,
        f"pid {slow.info.backend_pid}",
    )
    assert found.lag is not None
    assert found.lag > timedelta(0)


def test_findings_say_what_is_not_as_it_was_sealed(own: Database, session: Connection) -> None:
    log = Chronicle(session)
    ids = [log_page(log, name) for name in range(3)]
    for _ in ids:
        log.seal_events(1)
    assert log.verify_log() == []
    superuser = own.connect(own.cluster.superuser, autocommit=True)
    disarm(superuser)
    tamper(superuser, "update chronicle.events set duration_ms = 7 where event_id = %s", ids[1])
    (found,) = log.verify_log()
    assert str(ids[1]) in found.detail
    assert found == Finding(
        kind="event_differs", batch_number=1, event_id=ids[1], detail=found.detail
    )
    assert [log.verify_log(0, 1), log.verify_log(2), log.verify_log(1, 2)] == [[], [], [found]]


def test_checkpoints_grow_out_of_each_other(session: Connection) -> None:
    log = Chronicle(session)
    for name in range(5):
        log_page(log, name)
        log.seal_events()
    now = Checkpoint.parse(log.checkpoint())
    for size in range(1, 6):
        old = Checkpoint.parse(log.checkpoint(size))
        assert (old.origin, old.size) == (f"pgchronicle/{log.seal_status().log_id}", size)
        for path in (log.consistency_proof(size), log.consistency_proof(size, 5)):
            merkle.verify_consistency(
                old_size=size, new_size=5, old_root=old.root, new_root=now.root, path=path
            )
    for ask in (lambda: log.checkpoint(6), lambda: log.consistency_proof(1, 6)):
        with pytest.raises(WrongFieldError):
            ask()


def test_proof_is_of_the_event_and_of_the_size_asked_for(session: Connection) -> None:
    log = Chronicle(session)
    first, second = log_page(log, 1, reason="because"), log_page(log, 2)
    log.seal_events(1)
    log.seal_events(1)
    for event_id, size in ((first, 1), (first, None), (str(second), 2)):
        proven = verify_proof(make_proof(log.inclusion_proof(event_id, size)))
        assert (proven.event["event_id"], proven.checkpoint.size) == (str(event_id), size or 2)
        assert proven.payload is not None
        assert proven.payload["reason"] == ("because" if event_id == first else None)


def test_what_can_not_be_proven_is_refused(session: Connection) -> None:
    log = Chronicle(session)
    first = log_page(log, 1)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        log.inclusion_proof(first)
    log.seal_events()
    second = log_page(log, 2)
    log.seal_events()
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        log.inclusion_proof(second, 1)
    with pytest.raises(WrongFieldError):
        log.inclusion_proof(first, 3)
    with pytest.raises(NotFoundError):
        log.inclusion_proof(uuid4())


def test_epoch_is_begun_with_a_reason(session: Connection) -> None:
    log = Chronicle(session)
    log_page(log, 1)
    assert log.begin_epoch("restored") == 2
    assert value(session, "select reason from chronicle.epochs where epoch = 2") == "restored"
    assert log.seal_status().epoch == 2
    with pytest.raises(WrongFieldError):
        log.begin_epoch("")
    while log.seal_events():
        pass
    assert log.verify_log() == []


def test_erased_event_keeps_its_proof(session: Connection) -> None:
    log = Chronicle(session)
    event_id = log_page(log, 1, reason="because")
    log.seal_events()
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        log.erase_payload(event_id, LAW)
    log.enable_erasure()
    assert [log.erase_payload(event_id, LAW), log.erase_payload(str(event_id), LAW)] == [
        *(True, False),
    ]
    event = log.event(event_id)
    assert event is not None
    assert (event.payload_salt, event.reason, event.payload_error) == (None, None, "erased")
    assert event.actor_id == "ada"
    proven = verify_proof(make_proof(log.inclusion_proof(event_id)))
    assert (proven.event["event_id"], proven.payload) == (str(event_id), None)
    assert log.verify_log() == []
    with pytest.raises(NotFoundError):
        log.erase_payload(uuid4(), LAW)
    with pytest.raises(WrongFieldError):
        log.erase_payload(event_id, "")


def test_events_of_a_subject_are_erased(session: Connection) -> None:
    log = Chronicle(session)
    log.enable_erasure()
    by_ada = [log_page(log, name, organization_id=name) for name in "ab"]
    about_ada = log.log_audit_event(
        actor_type="employee",
        actor_id=8,
        action_type="update",
        resource_type="customer",
        resource_id="ada",
    )
    other = log.log_audit_event(**PAGE | {"actor_id": "bob"}, resource_type="page")
    as_customer = log.log_audit_event(
        **PAGE | {"actor_type": "customer"}, resource_type="page", resource_id=1
    )

    def erased() -> set[UUID]:
        found = session.execute("select event_id from chronicle.erasures").fetchall()
        return {event_id for (event_id,) in found}

    assert log.erase_subject(LAW, actor_id="ada", actor_type="user", organization_id="a") == 1
    assert erased() == {by_ada[0]}
    assert log.erase_subject(LAW, resource_id="ada", resource_type="customer") == 1
    assert erased() == {by_ada[0], about_ada}
    assert log.erase_subject(LAW, actor_id="ada") == 2
    assert erased() == {*by_ada, about_ada, as_customer}
    assert log.erase_subject(LAW, actor_id="ada") == 0
    assert other not in erased()
    with pytest.raises(WrongFieldError):
        log.erase_subject(LAW)


def test_rights_are_those_of_the_caller(own: Database, session: Connection) -> None:
    event_id = log_page(Chronicle(session), 1)
    Chronicle(session).seal_events()

    def refused(user: str) -> set[str]:
        """What a role may not do."""
        log = Chronicle(own.connect(user, autocommit=True))
        calls: dict[str, Any] = {
            "seal_events": lambda: log.seal_events(),
            "verify_log": lambda: log.verify_log(),
            "checkpoint": lambda: log.checkpoint(),
            "consistency_proof": lambda: log.consistency_proof(1),
            "inclusion_proof": lambda: log.inclusion_proof(event_id),
            "seal_status": lambda: log.seal_status(),
            "begin_epoch": lambda: log.begin_epoch("a reason"),
            "enable_erasure": lambda: log.enable_erasure(),
            "erase_subject": lambda: log.erase_subject(LAW, actor_id="nobody"),
        }
        found: set[str] = set()
        for name, call in calls.items():
            try:
                call()
            except NotAllowedError:
                found.add(name)
            except (NotFoundError, psycopg.errors.ObjectNotInPrerequisiteState):
                # Hidden by row-level security; not enabled.
                pass
        return found

    of_admins = {"seal_events", "begin_epoch", "enable_erasure", "erase_subject"}
    proofs = {"checkpoint", "consistency_proof", "inclusion_proof"}
    assert refused("auditor") == of_admins
    assert refused("reader_a") == {*of_admins, "verify_log", "seal_status"}
    assert refused("admin") == {"verify_log", "inclusion_proof", "enable_erasure"}
    assert refused("app") == {*of_admins, *proofs, "verify_log", "seal_status"}


def test_sealing_under_an_old_snapshot_is_refused(own: Database) -> None:
    connection = own.connect(autocommit=True)
    run(connection, "begin isolation level repeatable read")
    with pytest.raises(psycopg.errors.ActiveSqlTransaction):
        Chronicle(connection).seal_events()
    run(connection, "rollback")
    with pytest.raises(WrongFieldError):
        Chronicle(connection).seal_events(0)
