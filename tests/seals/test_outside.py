"""What the database alone can not find: somebody with all rights rewrites the log with every hash,
or the functions that check it. Whoever kept a checkpoint outside, and verifies there, finds it."""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ask import run, value
from pgchronicle import Chronicle
from pgchronicle.errors import InconsistentLogError, VerificationError
from pgchronicle.seals import merkle
from pgchronicle.seals.checkpoints import Checkpoint
from pgchronicle.seals.files import verify_file, write_sealed_month
from pgchronicle.seals.notes import SigningKey
from pgchronicle.seals.proofs import make_proof, verify_proof
from pgchronicle.seals.signer import CheckpointSigner
from seals.intrusion import disarm, tamper
from seals.sealed_log import FULL, details, log_pages, seal, sealed_database, unsealed
from streaming import quiet_cluster
from support import INSTALLER, Cluster, Connection, Database, lent

KEY = SigningKey("acme.example/log", bytes(range(32)))

MONTH = "2026-07"
"""That of the event that is forged."""

FORGE = "update chronicle.events set actor_id = 'somebody else' where event_id = %s"

REHASH_EVENTS = """
    update chronicle.seal_leaves as l
    set leaves = chronicle.event_leaf(e, chronicle.payload_digest(e))
    from chronicle.events as e, chronicle.seal_batches as b
    where e.event_id = %s and b.batch_number = l.batch_number and b.epoch = e.epoch
        and b.event_count = 1
        and (b.from_transaction_id, b.from_seq) = (e.transaction_id, e.seq)
"""

REHASH_BATCHES = """
    update chronicle.seal_batches as b
    set root = chronicle.merkle_root(l.leaves)
    from chronicle.seal_leaves as l where l.batch_number = b.batch_number;
    update chronicle.seal_batches as b
    set leaf_hash = sha256('\\x00'::bytea || convert_to(chronicle.batch_record(b), 'UTF8'));
    update chronicle.seal_nodes as n set hash = b.leaf_hash
    from chronicle.seal_batches as b where n.level = 0 and b.batch_number = n.node_index;
"""

REHASH_LEVEL = """
    update chronicle.seal_nodes as n set hash = sha256('\\x01'::bytea || l.hash || r.hash)
    from chronicle.seal_nodes as l, chronicle.seal_nodes as r
    where n.level = %s and l.level = n.level - 1 and l.node_index = n.node_index * 2
        and r.level = n.level - 1 and r.node_index = n.node_index * 2 + 1
"""


@pytest.fixture(scope="module")
def alone() -> Iterator[Cluster]:
    """A server of this module's."""
    with quiet_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def template(alone: Cluster, database_names: Iterator[str]) -> Iterator[Database]:
    """A sealed log that nothing guards any more, to be cloned."""
    for database in sealed_database(alone, next(database_names)):
        with database.connect(alone.superuser, autocommit=True) as superuser:
            disarm(superuser)
        database.close()
        yield database


@pytest.fixture
def database(
    alone: Cluster, template: Database, database_names: Iterator[str]
) -> Iterator[Database]:
    """Such a log."""
    name = next(database_names)
    alone.execute("create database {} owner {} template {}", name, INSTALLER, template.name)
    yield from lent(Database(alone, name))


@pytest.fixture
def intruder(database: Database) -> Connection:
    """A superuser's session."""
    session = database.connect(database.cluster.superuser, autocommit=True)
    session.execute("set session_replication_role = replica")
    return session


@pytest.fixture
def auditor(database: Database) -> Connection:
    """The session of somebody who verifies."""
    return database.connect("auditor", autocommit=True)


@pytest.fixture
def signer(auditor: Connection, tmp_path: Path) -> CheckpointSigner:
    """One that has signed the log as it was."""
    signer = CheckpointSigner(KEY, tmp_path / "state")
    signer.sign(Chronicle(auditor), first=True)
    return signer


Rewrite = Callable[[Connection], None]


def seal_anew(intruder: Connection) -> None:
    """Forgets all seals and makes new ones."""
    tamper(intruder, FORGE, FULL)
    run(intruder, "truncate chronicle.seal_batches, chronicle.seal_leaves, chronicle.seal_nodes")
    seal(intruder)


def rehash(intruder: Connection) -> None:
    """Leaves every seal where it is, with other hashes."""
    tamper(intruder, FORGE, FULL)
    assert run(intruder, REHASH_EVENTS, (FULL,)).rowcount == 1
    run(intruder, REHASH_BATCHES)
    for level in range(1, 5):
        run(intruder, REHASH_LEVEL, (level,))


def cut_off_the_end(intruder: Connection) -> None:
    """Takes away the last batch with its events, and all hashes that cover it."""
    last = value(intruder, "select max(batch_number) from chronicle.seal_batches")
    run(
        intruder,
        """
        delete from chronicle.events as e using chronicle.seal_batches as b
        where b.batch_number = %s and e.epoch = b.epoch
            and (e.transaction_id, e.seq) between (b.from_transaction_id, b.from_seq)
            and (b.to_transaction_id, b.to_seq)
        """,
        (last,),
    )
    for table in ("seal_batches", "seal_leaves"):
        tamper(intruder, f"delete from chronicle.{table} where batch_number = %s", last)
    tamper(
        intruder,
        "delete from chronicle.seal_nodes where (node_index + 1) << level > %s",
        last,
    )


REWRITES = (seal_anew, rehash, cut_off_the_end)


@pytest.mark.parametrize("rewrite", REWRITES, ids=lambda rewrite: rewrite.__name__)
@pytest.mark.parametrize("growth", [0, 3, 30])
def test_a_log_that_was_rewritten_whole_is_not_signed_any_more(
    database: Database,
    intruder: Connection,
    auditor: Connection,
    signer: CheckpointSigner,
    tmp_path: Path,
    rewrite: Rewrite,
    growth: int,
) -> None:
    """Though the database says that all is well, also when it has grown since."""
    signed = (tmp_path / "state").read_text()
    rewrite(intruder)
    owner = database.connect(autocommit=True)
    for number in range(growth):
        log_pages(owner, 100 + number, 100 + number)
        seal(owner)
    assert details(auditor) == []
    assert unsealed(owner) == []
    with pytest.raises(InconsistentLogError):
        signer.sign(Chronicle(auditor))
    assert (tmp_path / "state").read_text() == signed


@pytest.mark.parametrize("growth", [0, 3])
def test_a_log_that_nobody_rewrote_is_signed_again(
    database: Database, auditor: Connection, signer: CheckpointSigner, growth: int
) -> None:
    """Or the test above would show nothing."""
    owner = database.connect(autocommit=True)
    for number in range(growth):
        log_pages(owner, 100 + number, 100 + number)
        seal(owner)
    size = value(owner, "select count(*) from chronicle.seal_batches")
    note = signer.sign(Chronicle(auditor))
    assert Checkpoint.from_note(note, KEY.verifier).size == size


@pytest.mark.parametrize("rewrite", [seal_anew, rehash], ids=lambda rewrite: rewrite.__name__)
def test_no_proof_leads_from_a_kept_checkpoint_to_a_rewritten_log(
    intruder: Connection, auditor: Connection, rewrite: Rewrite
) -> None:
    """Whoever has no signer compares by hand."""
    kept = Checkpoint.parse(value(auditor, "select chronicle.checkpoint()"))
    early = Checkpoint.parse(value(auditor, "select chronicle.checkpoint(5)"))
    rewrite(intruder)
    log = Chronicle(auditor)
    now = Checkpoint.parse(log.checkpoint())
    for old in (kept, early):
        if old.size > now.size:
            continue
        if old.size == now.size:
            assert old.root != now.root
            continue
        with pytest.raises(VerificationError):
            merkle.verify_consistency(
                old_size=old.size,
                new_size=now.size,
                old_root=old.root,
                new_root=now.root,
                path=log.consistency_proof(old.size),
            )
    assert now.root != kept.root


@pytest.mark.parametrize("rewrite", [seal_anew, rehash], ids=lambda rewrite: rewrite.__name__)
def test_a_file_of_before_still_proves_what_was_and_none_can_be_made_that_lies(
    intruder: Connection, auditor: Connection, tmp_path: Path, rewrite: Rewrite
) -> None:
    note = CheckpointSigner(KEY, tmp_path / "state").sign(Chronicle(auditor), first=True)
    before = io.BytesIO()
    write_sealed_month(auditor, MONTH, before, note)
    proof = make_proof(Chronicle(auditor).inclusion_proof(FULL), note)
    rewrite(intruder)
    with pytest.raises(VerificationError):
        write_sealed_month(auditor, MONTH, io.BytesIO(), note)
    verified = verify_file(io.BytesIO(before.getvalue()), KEY.verifier)
    assert (verified.month, verified.events, verified.signed_by) == (MONTH, 1, KEY.verifier)
    assert dict(verify_proof(proof, KEY.verifier).event)["actor_id"] == "ada"
    # Without the note, the database vouches for itself, and nobody for it.
    after = io.BytesIO()
    write_sealed_month(auditor, MONTH, after)
    assert b"somebody else" in after.getvalue()
    with pytest.raises(VerificationError):
        verify_file(io.BytesIO(after.getvalue()), KEY.verifier)
    with pytest.raises(VerificationError):
        verify_file(with_note(after.getvalue(), note), KEY.verifier)


def with_note(data: bytes, note: str) -> io.BytesIO:
    """The file, under a note that is about something else."""
    text = re.sub(rb'"checkpoint":"[^"]*"', b'"note":' + json_text(note), data, count=1)
    assert text != data
    return io.BytesIO(text)


def json_text(text: str) -> bytes:
    return b'"' + text.replace("\n", "\\n").encode() + b'"'


# The functions of the database say what they are made to say.


LIES = {
    "verify_log": """
        create or replace function chronicle.verify_log(
            _from_batch bigint default 0, _to_batch bigint default null
        )
        returns setof chronicle.log_finding language sql
        as 'select (null::chronicle.log_finding).* limit 0'
    """,
    "find_batch_faults": """
        create or replace function chronicle.find_batch_faults(_batch chronicle.seal_batches)
        returns setof chronicle.log_finding language sql
        as 'select (null::chronicle.log_finding).* limit 0'
    """,
}


@pytest.mark.parametrize("lie", LIES)
def test_a_check_that_was_silenced_is_made_up_for_outside(
    intruder: Connection, auditor: Connection, signer: CheckpointSigner, lie: str
) -> None:
    tamper(intruder, FORGE, FULL)
    assert details(auditor) != []
    run(intruder, LIES[lie])
    assert details(auditor) == []
    note = signer.sign(Chronicle(auditor))
    for vouching in (None, note):
        with pytest.raises(VerificationError):
            write_sealed_month(auditor, MONTH, io.BytesIO(), vouching)


def test_a_database_that_tells_of_another_event_proves_only_what_was_sealed(
    intruder: Connection, auditor: Connection, tmp_path: Path
) -> None:
    """The functions under the checks may lie as well. What verifies outside is then what was
    sealed, and not what the table holds."""
    note = CheckpointSigner(KEY, tmp_path / "state").sign(Chronicle(auditor), first=True)
    run(intruder, "create table public.truth as select * from chronicle.events")
    run(intruder, "grant all on public.truth to public")
    tamper(intruder, FORGE, FULL)
    for name in ("event_fields", "payload_fields"):
        body = value(
            intruder,
            "select prosrc from pg_proc where proname = %s and pronamespace = "
            "'chronicle'::regnamespace",
            (name,),
        )
        run(intruder, f"alter function chronicle.{name}(chronicle.events) rename to honest_{name}")
        run(
            intruder,
            f"""
            create function chronicle.honest_{name}_of(_event chronicle.events)
            returns bytea[] language sql as $body$ {body} $body$
            """,
        )
        run(
            intruder,
            f"""
            create function chronicle.{name}(_event chronicle.events)
            returns bytea[] language sql as $$
                select chronicle.honest_{name}_of(
                    row(t.*)::chronicle.events
                ) from public.truth as t where t.event_id = _event.event_id
            $$
            """,
        )
    assert details(auditor) == []
    assert (
        value(auditor, "select actor_id from chronicle.events where event_id = %s", (FULL,))
        == "somebody else"
    )
    out = io.BytesIO()
    write_sealed_month(auditor, MONTH, out, note)
    assert b"somebody else" not in out.getvalue()
    assert verify_file(io.BytesIO(out.getvalue()), KEY.verifier).events == 1
    proof = make_proof(Chronicle(auditor).inclusion_proof(FULL), note)
    assert dict(verify_proof(proof, KEY.verifier).event)["actor_id"] == "ada"
