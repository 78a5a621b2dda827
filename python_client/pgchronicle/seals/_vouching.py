"""Who stands behind a checkpoint: the holder of a key, or nobody."""

from uuid import UUID

from pgchronicle.errors import VerificationError
from pgchronicle.seals._spelling import Object, text
from pgchronicle.seals.checkpoints import Checkpoint
from pgchronicle.seals.notes import VerifierKey


def member_name(members: Object) -> str:
    """Whether a checkpoint came as a signed "note", or as the "checkpoint" itself."""
    return "note" if "note" in members else "checkpoint"


def checkpoint_of(members: Object, key: VerifierKey | None) -> Checkpoint:
    """The checkpoint of a proof or a file.

    Args:
        members: of which one is the note or the checkpoint.
        key: whose signature it must have; None: none is checked.

    Raises:
        VerificationError: it is not signed with the key, or is no checkpoint.
    """
    name = member_name(members)
    said = text(members[name])
    if key is None:
        return Checkpoint.parse(said) if name == "checkpoint" else unsigned(said)
    if name == "note":
        return Checkpoint.from_note(said, key)
    raise VerificationError(
        "nobody has signed this",
        detail="It holds a checkpoint as the database gave it, which is not signed.",
        hint="Let it be made again with a signed note. Or verify without a key, and compare the "
        "root with a checkpoint that you have kept.",
    )


def unsigned(note: str) -> Checkpoint:
    """What a note says, whoever signed it.

    Raises:
        VerificationError: it is no note with a checkpoint.
    """
    said, _, signatures = note.partition("\n\n")
    if not signatures:
        raise VerificationError("that is no signed note", detail="No line of it is a signature.")
    return Checkpoint.parse(f"{said}\n")


def check_origin(checkpoint: Checkpoint, name: str, log_id: UUID) -> None:
    """
    Args:
        name: what ``member_name`` gave.

    Raises:
        VerificationError: the database's own checkpoint is of another log than its batches.
    """
    if name == "checkpoint" and checkpoint.origin != f"pgchronicle/{log_id}":
        raise VerificationError(
            "the checkpoint is of another log than the batches",
            detail=f'It is of "{checkpoint.origin}", and they are of {log_id}.',
        )


def verdict(signed_by: VerifierKey | None) -> str:
    """Who stands behind what was proven, as a sentence."""
    if signed_by is None:
        return (
            "No signature was checked: nobody vouches for the checkpoint, and whoever could write "
            "to the database can have made all of this up. Verify with the key of the log, or "
            "compare size and root with a checkpoint that you have kept."
        )
    return f"The checkpoint is signed with the key {signed_by.text()}."
