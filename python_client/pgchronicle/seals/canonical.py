"""The bytes that are hashed, as docs/format.md defines them.

Nothing here asks the database: it is the same format written a second time, so that what the
server says of its seals can be checked by somebody who does not believe the server.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from pgchronicle.errors import VerificationError
from pgchronicle.seals import merkle
from pgchronicle.seals._calendar import day_number

EVENT_FIELDS: tuple[str, ...] = (
    "event_id",
    "seq",
    "transaction_id",
    "epoch",
    "schema_version",
    "settled_after",
    "occurred_at",
    "recorded_at",
    "organization_id",
    "actor_type",
    "actor_id",
    "actor_role",
    "impersonator_id",
    "is_ai_action",
    "db_user",
    "context_state",
    "origin",
    "action_type",
    "action",
    "resource_type",
    "resource_id",
    "table_id",
    "changed_columns",
    "ai_operation_id",
    "severity",
    "status",
    "error_code",
    "duration_ms",
    "session_id",
    "request_id",
    "trace_id",
    "operation_id",
    "parent_event_id",
)
"""What is sealed of an event beside its payload, in the order in which it is hashed."""

PAYLOAD_FIELDS: tuple[str, ...] = (
    "action_description",
    "action_meta",
    "reason",
    "related_resources",
    "details_before",
    "details_after",
    "payload_error",
    "ai_metadata",
    "error_message",
    "ip_address",
    "user_agent",
    "client_info",
)
"""What an erasure empties, in the order in which it is hashed."""

Fields: TypeAlias = Sequence[str | None]
"""The text of each field, None for null."""

_EVENT = b"\x00pgchronicle-event/v1\x00"
_PAYLOAD = b"pgchronicle-payload/v1\x00"
_NULL = b"\xff\xff\xff\xff"


def payload_digest(salt: UUID, fields: Fields) -> bytes:
    """What is sealed of a payload: SHA-256, 32 bytes.

    Args:
        salt: the event's ``payload_salt``.
        fields: the texts of ``PAYLOAD_FIELDS``.

    Raises:
        VerificationError: it is another number of fields.
    """
    if len(fields) != len(PAYLOAD_FIELDS):
        raise VerificationError(f"a payload has {len(PAYLOAD_FIELDS)} fields, not {len(fields)}")
    return hashlib.sha256(_PAYLOAD + salt.bytes + _prefixed(fields)).digest()


def event_leaf(fields: Fields, payload_digest: bytes) -> bytes:
    """The leaf of an event in the tree of its batch: SHA-256, 32 bytes.

    Args:
        fields: the texts of ``EVENT_FIELDS``.
        payload_digest: 32 bytes, from ``payload_digest`` or what was kept of an erased one.

    Raises:
        VerificationError: it is another number of fields, or no digest.
    """
    if len(fields) != len(EVENT_FIELDS):
        raise VerificationError(f"an event has {len(EVENT_FIELDS)} fields, not {len(fields)}")
    if len(payload_digest) != 32:
        raise VerificationError(f"the digest of a payload has 32 bytes, not {len(payload_digest)}")
    data = b"".join((_EVENT, _prefixed(fields), b"\x00\x00\x00\x20", payload_digest))
    return hashlib.sha256(data).digest()


def _prefixed(fields: Fields) -> bytes:
    """Each text behind its length in bytes, so that no two lists of texts look the same."""
    parts: list[bytes] = []
    for text in fields:
        if text is None:
            parts.append(_NULL)
        else:
            data = text.encode()
            parts.append(len(data).to_bytes(4, "big"))
            parts.append(data)
    return b"".join(parts)


_NUMBER = r"(0|-?[1-9][0-9]{0,18})"
_DAY = r"(-?[0-9]{4,7}-[0-9]{2}-[0-9]{2})"
_RECORD = re.compile(
    "pgchronicle-batch/v1\n"
    "log ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\n"
    f"batch {_NUMBER}\n"
    f"epoch {_NUMBER}\n"
    f"bucket {_DAY} {_DAY}\n"
    f"from {_NUMBER} {_NUMBER}\n"
    f"to {_NUMBER} {_NUMBER}\n"
    f"seq {_NUMBER} {_NUMBER}\n"
    "late (true|false)\n"
    f"count {_NUMBER}\n"
    "root ([0-9a-f]{64})\n"
    f"sealed {_NUMBER}\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """A batch as the log vouches for it: a row of ``chronicle.seal_batches``."""

    log_id: UUID
    batch_number: int
    epoch: int
    bucket_from: str
    """The first day (UTC) of ``occurred_at``; ISO 8601 with astronomical years."""
    bucket_to: str
    """The first day after."""
    from_transaction_id: int
    from_seq: int
    to_transaction_id: int
    to_seq: int
    min_seq: int
    max_seq: int
    is_late: bool
    event_count: int
    root: bytes
    """Over the leaves of its events; 32 bytes."""
    sealed_at: int
    """Microseconds since 1970-01-01 UTC."""

    @classmethod
    def parse(cls, text: str) -> "BatchRecord":
        """The record of which this is the text.

        Raises:
            VerificationError: it is no text of a record, or one that contradicts itself.
        """
        match = _RECORD.fullmatch(text)
        if match is None:
            raise VerificationError(
                "this is no record of a batch",
                detail=f"It begins with {text[:60]!r}.",
                hint="If it begins with another version of pgchronicle-batch, a newer pgchronicle "
                "can read it.",
            )
        record = cls(
            log_id=UUID(match[1]),
            batch_number=int(match[2]),
            epoch=int(match[3]),
            bucket_from=match[4],
            bucket_to=match[5],
            from_transaction_id=int(match[6]),
            from_seq=int(match[7]),
            to_transaction_id=int(match[8]),
            to_seq=int(match[9]),
            min_seq=int(match[10]),
            max_seq=int(match[11]),
            is_late=match[12] == "true",
            event_count=int(match[13]),
            root=bytes.fromhex(match[14]),
            sealed_at=int(match[15]),
        )
        if not record._is_possible():
            raise VerificationError(
                f"the record of batch {record.batch_number} contradicts itself", detail=repr(text)
            )
        return record

    def text(self) -> str:
        """The record as it is hashed; ASCII."""
        return (
            "pgchronicle-batch/v1\n"
            f"log {self.log_id}\n"
            f"batch {self.batch_number}\n"
            f"epoch {self.epoch}\n"
            f"bucket {self.bucket_from} {self.bucket_to}\n"
            f"from {self.from_transaction_id} {self.from_seq}\n"
            f"to {self.to_transaction_id} {self.to_seq}\n"
            f"seq {self.min_seq} {self.max_seq}\n"
            f"late {'true' if self.is_late else 'false'}\n"
            f"count {self.event_count}\n"
            f"root {self.root.hex()}\n"
            f"sealed {self.sealed_at}\n"
        )

    def leaf_hash(self) -> bytes:
        """The leaf of the batch in the tree of the log: SHA-256, 32 bytes."""
        return merkle.leaf_hash(self.text().encode())

    def _is_possible(self) -> bool:
        try:
            has_days = day_number(self.bucket_from) < day_number(self.bucket_to)
        except ValueError:
            return False
        return (
            has_days
            and self.batch_number >= 0
            and self.event_count > 0
            and (self.from_transaction_id, self.from_seq) <= (self.to_transaction_id, self.to_seq)
            and self.min_seq <= min(self.from_seq, self.to_seq)
            and max(self.from_seq, self.to_seq) <= self.max_seq
        )
