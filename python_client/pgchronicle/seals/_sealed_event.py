"""An event as proofs and sealed files hold it: with its payload, or the digest that is left."""

import re
from dataclasses import dataclass
from uuid import UUID

from pgchronicle.errors import VerificationError
from pgchronicle.seals import _spelling
from pgchronicle.seals._calendar import day_number, day_of
from pgchronicle.seals._spelling import Object
from pgchronicle.seals.canonical import (
    EVENT_FIELDS,
    PAYLOAD_FIELDS,
    BatchRecord,
    Fields,
    event_leaf,
    payload_digest,
)

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_SEQ = EVENT_FIELDS.index("seq")
_TRANSACTION_ID = EVENT_FIELDS.index("transaction_id")
_EPOCH = EVENT_FIELDS.index("epoch")
_OCCURRED_AT = EVENT_FIELDS.index("occurred_at")


@dataclass(frozen=True, slots=True)
class Payload:
    """What an erasure takes away."""

    salt: UUID
    fields: Fields


class SealedEvent:
    """An event, and the hash that the seals have of it.

    Args:
        fields: the texts of ``EVENT_FIELDS``.
        payload: or the digest of it, where it was erased.

    Raises:
        VerificationError: there are more fields or fewer.
    """

    __slots__ = ("_digest", "fields", "leaf", "payload")

    def __init__(self, fields: Fields, payload: Payload | bytes) -> None:
        self.fields = fields
        if isinstance(payload, bytes):
            self.payload, self._digest = None, payload
        else:
            self.payload, self._digest = payload, payload_digest(payload.salt, payload.fields)
        self.leaf = event_leaf(fields, self._digest)

    @classmethod
    def parse(cls, event: object, payload: object) -> "SealedEvent":
        """The event that is written as these two members.

        Raises:
            VerificationError: they are not as ``members`` has them.
        """
        fields = _spelling.texts(event, len(EVENT_FIELDS))
        # It is what people are told of the event, so it must not be able to say anything else.
        _spelling.uuid(fields[0])
        given = _spelling.members(payload)
        if given.keys() == {"digest"}:
            return cls(fields, _spelling.hash_(given["digest"]))
        whole = _spelling.check_members(given, "fields", "salt")
        payload_fields = _spelling.texts(whole["fields"], len(PAYLOAD_FIELDS))
        return cls(fields, Payload(_spelling.uuid(whole["salt"]), payload_fields))

    def members(self) -> Object:
        """The event as members of an object."""
        if self.payload is None:
            return {"event": self.fields, "payload": {"digest": self._digest.hex()}}
        payload = {"fields": self.payload.fields, "salt": str(self.payload.salt)}
        return {"event": self.fields, "payload": payload}

    @property
    def event_id(self) -> str | None:
        return self.fields[0]

    @property
    def seq(self) -> int:
        return self._number(_SEQ)

    @property
    def place(self) -> tuple[int, int]:
        """In the order of its batch: transaction_id and seq."""
        return self._number(_TRANSACTION_ID), self._number(_SEQ)

    def check_belongs_to(self, batch: BatchRecord) -> None:
        """
        Raises:
            VerificationError: the batch says that it is of other events than this.
        """
        day = day_of(self._number(_OCCURRED_AT))
        if not (
            self._number(_EPOCH) == batch.epoch
            and day_number(batch.bucket_from) <= day < day_number(batch.bucket_to)
            and (batch.from_transaction_id, batch.from_seq) <= self.place
            and self.place <= (batch.to_transaction_id, batch.to_seq)
            and batch.min_seq <= self.seq <= batch.max_seq
        ):
            raise VerificationError(
                f"event {self.event_id} does not belong to batch {batch.batch_number}",
                detail="Its epoch, day, transaction or seq is none that the batch says it has.",
            )

    def _number(self, field: int) -> int:
        found = self.fields[field] or ""
        if not _NUMBER.fullmatch(found):
            raise VerificationError(
                f"{EVENT_FIELDS[field]} of event {self.event_id} is no number",
                detail=f"It is {found[:60]!r}.",
            )
        return int(found)
