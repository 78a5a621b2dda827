"""A proof that one event is in the sealed log, in a file that needs neither log nor database."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pgchronicle import _words
from pgchronicle.errors import VerificationError
from pgchronicle.seals import _spelling, _vouching, merkle
from pgchronicle.seals._sealed_event import SealedEvent
from pgchronicle.seals.canonical import EVENT_FIELDS, PAYLOAD_FIELDS, BatchRecord
from pgchronicle.seals.checkpoints import Checkpoint
from pgchronicle.seals.notes import VerifierKey

FORMAT = "pgchronicle-proof/v1"

_MEMBERS = ("batch", "batch_path", "event", "event_index", "event_path", "format", "payload")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenEvent:
    """What a proof proves: that the event was sealed so, in a log that was so."""

    event: dict[str, str | None]
    """Each of ``EVENT_FIELDS`` as text."""
    payload: dict[str, str | None] | None
    """Each of ``PAYLOAD_FIELDS`` as text; None: it is not in the proof, only its digest."""
    batch: BatchRecord
    checkpoint: Checkpoint
    signed_by: VerifierKey | None
    """Whose signature of the checkpoint was checked; None: nobody's."""

    def __str__(self) -> str:
        event_id = self.event["event_id"]
        # Whoever made the proof can have left it out.
        bare = "" if self.payload else " Its payload is not in it, only the digest."
        return (
            f"Event {event_id} is in batch {self.batch.batch_number} of the log "
            f"{self.batch.log_id}, sealed as the proof has it.{bare}\n"
            f"The log is {self.checkpoint.origin} of size {self.checkpoint.size}, with the root "
            f"{self.checkpoint.root.hex()}.\n{_vouching.verdict(self.signed_by)}"
        )


def make_proof(proof: Mapping[str, Any], note: str | None = None) -> str:
    """The proof file for what ``chronicle.inclusion_proof`` returned.

    Args:
        proof: that, made for the size of the log that the note is about.
        note: a signed note with the checkpoint. Without one nobody vouches for the proof.

    Raises:
        VerificationError: it proves nothing, or is about another state of the log than the note.
    """
    members = dict(proof)
    if note is not None:
        ours = Checkpoint.parse(_spelling.text(members.pop("checkpoint")))
        signed = _vouching.unsigned(note)
        if (signed.size, signed.root) != (ours.size, ours.root):
            raise VerificationError(
                "the proof is about another state of the log than the note",
                detail=f"The proof is about {_words.batches(ours.size)} with the root "
                f"{ours.root.hex()}, the note about {signed.size} with {signed.root.hex()}.",
                hint="Ask for the proof with the size of the note. If the roots of one size "
                "differ, the log is not the one that was signed.",
            )
        members["note"] = note
    text = _spelling.dumps(members).decode()
    verify_proof(text)
    return text


def verify_proof(text: str | bytes, key: VerifierKey | None = None) -> ProvenEvent:
    """What a proof file proves. Everything is computed anew; no database is asked.

    Args:
        text: all that is in the file.
        key: with which the checkpoint must be signed. None: no signature is checked, and the proof
            shows no more than that it does not contradict itself.

    Raises:
        VerificationError: it proves nothing, or is not written as ``make_proof`` writes it.
    """
    members = _spelling.loads(
        text.encode(errors="surrogatepass") if isinstance(text, str) else text
    )
    _spelling.check_format(members, FORMAT, "proof of an event")
    vouching = _vouching.member_name(members)
    _spelling.check_members(members, *_MEMBERS, vouching)
    event = SealedEvent.parse(members["event"], members["payload"])
    batch = BatchRecord.parse(_spelling.text(members["batch"]))
    event.check_belongs_to(batch)
    merkle.verify_inclusion(
        index=_spelling.count(members["event_index"]),
        size=batch.event_count,
        leaf=event.leaf,
        path=_spelling.hashes(members["event_path"]),
        root=batch.root,
    )
    checkpoint = _vouching.checkpoint_of(members, key)
    _vouching.check_origin(checkpoint, vouching, batch.log_id)
    merkle.verify_inclusion(
        index=batch.batch_number,
        size=checkpoint.size,
        leaf=batch.leaf_hash(),
        path=_spelling.hashes(members["batch_path"]),
        root=checkpoint.root,
    )
    payload = None
    if event.payload is not None:
        payload = dict(zip(PAYLOAD_FIELDS, event.payload.fields, strict=True))
    return ProvenEvent(
        event=dict(zip(EVENT_FIELDS, event.fields, strict=True)),
        payload=payload,
        batch=batch,
        checkpoint=checkpoint,
        signed_by=key,
    )
