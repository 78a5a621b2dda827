"""A proof of an event holds by itself, for what it says and no more, and says by whose word."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from ask import row, rows, value
from pgchronicle.errors import VerificationError
from pgchronicle.seals import merkle
from pgchronicle.seals._sealed_event import Payload, SealedEvent
from pgchronicle.seals._spelling import dumps, loads
from pgchronicle.seals.canonical import EVENT_FIELDS, PAYLOAD_FIELDS, BatchRecord
from pgchronicle.seals.checkpoints import Checkpoint
from pgchronicle.seals.notes import SigningKey, sign
from pgchronicle.seals.proofs import make_proof, verify_proof
from seals.golden import GOLDEN_CHECKPOINT, VECTORS, golden_events
from seals.mutations import MUTATIONS, SPELLINGS, mutants, read_kindly
from seals.sealed_export import KEY, exporting_database, signed_checkpoint
from seals.sealed_log import BARE, FULL, ODD
from streaming import quiet_cluster
from support import Cluster, Connection, Database


@pytest.fixture(scope="module")
def alone() -> Iterator[Cluster]:
    """A server of this module's."""
    with quiet_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def log(alone: Cluster) -> Iterator[Database]:
    """A sealed log, in which one test erases an event."""
    yield from exporting_database(alone, "chronicle_proofs")


@pytest.fixture
def auditor(log: Database) -> Iterator[Connection]:
    with log.connect("auditor", autocommit=True) as session:
        yield session


def asked(session: Connection, event_id: object, size: int | None = None) -> dict[str, Any]:
    """What the database says."""
    proof: dict[str, Any] = value(
        session, "select chronicle.inclusion_proof(%s, %s)", (event_id, size)
    )
    return proof


@pytest.fixture(scope="module")
def signed(log: Database) -> bytes:
    """The proof of an event with every field, under a signed note."""
    with log.connect("auditor", autocommit=True) as session:
        return make_proof(asked(session, ODD), signed_checkpoint(session)).encode()


@pytest.fixture(scope="module")
def unsigned(log: Database) -> bytes:
    """The same under the database's own checkpoint."""
    with log.connect("auditor", autocommit=True) as session:
        return make_proof(asked(session, ODD)).encode()


def refused(proof: bytes | str, key: SigningKey | None = KEY) -> str:
    """What the verifier says of a proof."""
    with pytest.raises(VerificationError) as caught:
        verify_proof(proof, None if key is None else key.verifier)
    return caught.value.message


# What is proven.


def test_every_sealed_event_is_proven(auditor: Connection) -> None:
    note = signed_checkpoint(auditor)
    found = rows(
        auditor,
        """
        select
            e.event_id::text, e.action, chronicle.microseconds(e.occurred_at), e.reason,
            e.payload_salt is null,
            chronicle.inclusion_proof(e.event_id)
        from chronicle.events as e
        where e.seq <= (select max(b.max_seq) from chronicle.seal_batches as b)
            and e.epoch = 1
        """,
    )
    assert len(found) > 250
    for event_id, action, occurred_at, reason, is_erased, proof in found:
        proven = verify_proof(make_proof(proof, note), KEY.verifier)
        assert (proven.event["event_id"], proven.event["action"], proven.event["occurred_at"]) == (
            event_id,
            action,
            occurred_at,
        )
        assert (proven.payload is None) is is_erased
        if proven.payload is not None:
            assert proven.payload["reason"] == reason
        assert proven.signed_by == KEY.verifier


def test_a_golden_event_is_proven_as_it_is(auditor: Connection) -> None:
    (vector,) = (each for each in golden_events() if each.name == "every field")
    proven = verify_proof(make_proof(asked(auditor, vector.row["event_id"])))
    expected = dict(zip(EVENT_FIELDS, vector.event, strict=True))
    for name in ("seq", "transaction_id", "epoch", "settled_after"):
        expected[name] = proven.event[name]
    assert proven.event == expected
    assert proven.payload == dict(zip(PAYLOAD_FIELDS, vector.payload, strict=True))


def test_a_proof_holds_at_every_size_that_has_the_event(auditor: Connection) -> None:
    size: int = value(auditor, "select count(*) from chronicle.seal_batches")
    batch = verify_proof(make_proof(asked(auditor, BARE))).batch.batch_number
    for at in range(batch + 1, size + 1):
        note = signed_checkpoint(auditor, at)
        proven = verify_proof(make_proof(asked(auditor, BARE, at), note), KEY.verifier)
        assert (proven.checkpoint.size, proven.checkpoint.origin) == (at, KEY.name)


def test_a_proof_says_what_the_batch_and_the_log_were(auditor: Connection, signed: bytes) -> None:
    proven = verify_proof(signed, KEY.verifier)
    record, size = row(
        auditor,
        """
        select chronicle.batch_record(b), (select count(*) from chronicle.seal_batches)
        from chronicle.seal_batches as b where b.batch_number = %s
        """,
        (proven.batch.batch_number,),
    )
    assert proven.batch == BatchRecord.parse(record)
    assert proven.checkpoint.size == size


def test_an_erased_event_is_proven_without_its_payload(auditor: Connection) -> None:
    proof = make_proof(asked(auditor, FULL), signed_checkpoint(auditor))
    proven = verify_proof(proof, KEY.verifier)
    assert proven.payload is None
    assert proven.event["actor_id"] == "ada"
    assert "Its payload is not in it, only the digest." in str(proven)
    assert "raised the price" not in proof


def test_a_proof_from_before_an_erasure_still_holds_for_the_log_after_it(log: Database) -> None:
    """The digest in the newer proof is that of the payload in the older one."""
    (event_id,) = (e.row["event_id"] for e in golden_events() if e.name == "odd keys")
    with log.connect(autocommit=True) as owner, log.connect("auditor", autocommit=True) as session:
        before = asked(session, event_id)
        owner.execute("select chronicle.erase_payload(%s, 'GDPR 17(1)')", (event_id,))
        after = asked(session, event_id)
    was = SealedEvent.parse(before["event"], before["payload"])
    now = SealedEvent.parse(after["event"], after["payload"])
    assert (was.leaf, was.payload is None) == (now.leaf, False)
    assert now.payload is None
    assert verify_proof(make_proof(before)).batch == verify_proof(make_proof(after)).batch


def test_the_golden_proof_verifies() -> None:
    proof = (VECTORS / "golden_proof.json").read_bytes()
    proven = verify_proof(proof, KEY.verifier)
    (vector,) = (each for each in golden_events() if each.name == "every field")
    assert proven.payload == dict(zip(PAYLOAD_FIELDS, vector.payload, strict=True))
    assert proven.event["actor_id"] == "ada"
    assert (proven.batch.batch_number, proven.batch.event_count) == (1, 4)
    assert proven.checkpoint == GOLDEN_CHECKPOINT
    assert make_proof(loads(proof)).encode() == proof


# By whose word.


def test_the_verdict_names_the_key(signed: bytes) -> None:
    verdict = str(verify_proof(signed, KEY.verifier))
    assert f"signed with the key {KEY.verifier.text()}." in verdict
    assert str(ODD) in verdict


def test_the_verdict_says_that_nobody_vouches_for_an_unchecked_proof(
    signed: bytes, unsigned: bytes
) -> None:
    for proof in (signed, unsigned):
        proven = verify_proof(proof)
        assert proven.signed_by is None
        assert "nobody vouches for the checkpoint" in str(proven)


def test_a_proof_of_another_key_is_refused(signed: bytes) -> None:
    assert refused(signed, SigningKey(KEY.name, bytes(32))) == (
        "the note is not signed with the key"
    )


def test_a_proof_without_signature_is_refused_where_one_is_asked_for(unsigned: bytes) -> None:
    assert refused(unsigned) == "nobody has signed this"


def test_a_note_about_another_state_is_not_put_into_a_proof(auditor: Connection) -> None:
    proof = asked(auditor, ODD)
    ours = Checkpoint.parse(proof["checkpoint"])
    for other in (
        Checkpoint(KEY.name, ours.size - 1, ours.root),
        Checkpoint(KEY.name, ours.size, bytes(32)),
    ):
        with pytest.raises(VerificationError, match="about another state of the log"):
            make_proof(proof, sign(other.text(), KEY))


def test_what_proves_nothing_is_not_made_into_a_proof(auditor: Connection) -> None:
    proof = asked(auditor, ODD)
    proof["event"][EVENT_FIELDS.index("actor_id")] = "somebody else"
    with pytest.raises(VerificationError, match="the proof leads to another root"):
        make_proof(proof)


# Changed proofs.


def test_every_changed_proof_is_refused(signed: bytes, unsigned: bytes) -> None:
    for proof, key, seed in ((signed, KEY, 3), (unsigned, None, 4)):
        accepted = [
            (name, mutant)
            for name, mutant in mutants(seed, proof, 15 * len(MUTATIONS))
            if is_accepted(mutant, key)
        ]
        assert accepted == []


def is_accepted(proof: bytes, key: SigningKey | None) -> bool:
    try:
        verify_proof(proof, None if key is None else key.verifier)
    except VerificationError:
        return False
    return True


def test_a_kind_verifier_would_let_changes_pass(
    signed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the changes above are such as need a strict one."""
    read_kindly(monkeypatch)
    passed: set[str] = set()
    for name, mutant in mutants(3, signed, 15 * len(MUTATIONS)):
        with suppress(VerificationError, ValueError, TypeError, AttributeError):
            verify_proof(mutant, KEY.verifier)
            passed.add(name)
    assert passed >= SPELLINGS


def test_parts_of_two_proofs_do_not_make_a_third(auditor: Connection) -> None:
    one, other = (loads(make_proof(asked(auditor, each)).encode()) for each in (ODD, FULL))
    for member in ("event", "payload", "event_index", "event_path", "batch", "batch_path"):
        if one[member] != other[member]:
            assert refused(dumps({**one, member: other[member]}), None)


@pytest.mark.parametrize(
    "proof",
    [
        "",
        "\n",
        "{}\n",
        "[]\n",
        "null\n",
        "NaN\n",
        '{"format":"pgchronicle-proof/v2"}\n',
        '{"format":"pgchronicle-proof/v1"}\n',
        '{"format":"pgchronicle-sealed-events/v1"}\n',
        "[" * 100_000 + "]" * 100_000 + "\n",
        '{"event_index":' + "9" * 5000 + "}\n",
        '{"format":"\ud800"}\n',
        b"\xff\xfe{}\n",
        b"\x00\n",
    ],
)
def test_what_is_no_proof_is_refused(proof: bytes | str) -> None:
    assert refused(proof, None)


def test_a_proof_of_a_newer_version_is_told_from_what_is_none() -> None:
    assert refused('{"format":"pgchronicle-proof/v2"}\n', None) == (
        "this proof of an event is of another version"
    )
    assert refused('{"format":"pgchronicle-proofs"}\n', None) == "this is no proof of an event"


@pytest.mark.parametrize("given", [True, 1.0, -1, "1", None, [], 2**70])
def test_the_place_of_an_event_is_a_number(signed: bytes, given: object) -> None:
    assert refused(dumps({**loads(signed), "event_index": given}))


def test_text_and_bytes_are_the_same_proof(signed: bytes) -> None:
    assert verify_proof(signed.decode(), KEY.verifier) == verify_proof(signed, KEY.verifier)


# What a dishonest database could say, whose hashes are right.

LOG_ID = UUID("7d1e6a8e-7f0b-4c38-9a55-0e1f2a3b4c5d")
RECORD = BatchRecord(
    log_id=LOG_ID,
    batch_number=0,
    epoch=1,
    bucket_from="2019-06-01",
    bucket_to="2019-07-01",
    from_transaction_id=1000,
    from_seq=1,
    to_transaction_id=1000,
    to_seq=9,
    min_seq=1,
    max_seq=9,
    is_late=False,
    event_count=1,
    root=bytes(32),
    sealed_at=0,
)


def made_up(
    fields: dict[str, str],
    *,
    origin: str = f"pgchronicle/{LOG_ID}",
    batch: BatchRecord = RECORD,
) -> bytes:
    """The proof of an event that says this, in a log of one batch."""
    said = {
        "event_id": str(UUID(int=1)),
        "seq": "5",
        "transaction_id": "1000",
        "epoch": "1",
        "occurred_at": "1559347200000000",
        **fields,
    }
    payload = Payload(UUID(int=2), [None] * len(PAYLOAD_FIELDS))
    event = SealedEvent([said.get(name) for name in EVENT_FIELDS], payload)
    record = replace(batch, root=merkle.root([event.leaf]))
    return dumps(
        {
            "format": "pgchronicle-proof/v1",
            **event.members(),
            "event_index": 0,
            "event_path": [],
            "batch": record.text(),
            "batch_path": [],
            "checkpoint": Checkpoint(origin, 1, record.leaf_hash()).text(),
        }
    )


def test_a_proof_can_be_made_without_a_database() -> None:
    assert verify_proof(made_up({})).event["seq"] == "5"


@pytest.mark.parametrize(
    "fields",
    [
        {"occurred_at": "1559347199999999"},
        {"occurred_at": "1561939200000000"},
        {"epoch": "2"},
        {"transaction_id": "999"},
        {"transaction_id": "1001"},
        {"seq": "0"},
        {"seq": "10"},
        {"seq": "05"},
    ],
)
def test_an_event_in_a_batch_to_which_it_does_not_belong_is_refused(fields: dict[str, str]) -> None:
    assert refused(made_up(fields), None)


def test_seq_is_within_the_batch_also_in_a_transaction_amid_it() -> None:
    batch = replace(RECORD, from_transaction_id=999, to_transaction_id=1001)
    for seq, is_within in (("0", False), ("1", True), ("9", True), ("10", False)):
        assert is_accepted(made_up({"seq": seq}, batch=batch), None) is is_within


def test_a_checkpoint_of_another_log_is_refused() -> None:
    assert refused(made_up({}, origin=f"pgchronicle/{UUID(int=1)}"), None) == (
        "the checkpoint is of another log than the batches"
    )


@pytest.mark.parametrize(
    ("origin", "event_id"),
    [
        (f"pgchronicle/{LOG_ID}", "a name\nThe checkpoint is signed with the key"),
        (f"pgchronicle/{LOG_ID}", "\x1b[2J"),
        ("\x1b[2J", str(UUID(int=1))),
    ],
)
def test_no_proof_can_put_words_into_the_verdict(origin: str, event_id: str) -> None:
    with pytest.raises(VerificationError) as caught:
        verify_proof(made_up({"event_id": event_id}, origin=origin))
    assert str(caught.value).replace("\n", "").isprintable()
