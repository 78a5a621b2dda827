"""The golden vectors: what docs/format.md comes to for events that are easily got wrong.

``vectors/golden_*`` were made by programs that pack the bytes by hand and share no code with this
repository; docs/format.md describes the files.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgchronicle.seals.checkpoints import Checkpoint

VECTORS = Path(__file__).with_name("vectors")

GOLDEN_CHECKPOINT = Checkpoint(
    "example.com/log",
    3,
    bytes.fromhex("e77f8db83dae744486b6e077513f9e3cab1f29c2225b133c82be73d739ebe5f2"),
)
"""Of the log in golden_month.jsonl and golden_proof.json."""


@dataclass(frozen=True, slots=True)
class GoldenEvent:
    """An event, what SQL is told of it, and what comes of it."""

    name: str
    row: dict[str, str]
    """Columns as PostgreSQL reads them; what is not there is null."""
    event: list[str | None]
    salt: str | None
    """None: the payload is erased."""
    payload: list[str | None]
    payload_digest: bytes
    leaf: bytes


def golden_events() -> list[GoldenEvent]:
    """All of them; their ids differ, and their numbers are those of one epoch but in a few."""
    with (VECTORS / "golden_events.jsonl").open(encoding="ascii") as file:
        return [_event(json.loads(line)) for line in file]


def golden_log() -> dict[str, Any]:
    """Batch records with their leaves, and the roots and proofs of the log that they are."""
    found: dict[str, Any] = json.loads((VECTORS / "golden_log.json").read_text(encoding="ascii"))
    return found


def _event(vector: dict[str, Any]) -> GoldenEvent:
    payload = vector["payload"]
    return GoldenEvent(
        vector["name"],
        {column: _text(value) for column, value in vector["row"].items()},
        vector["event"],
        payload.get("salt"),
        [None if each is None else _text(each) for each in payload.get("fields", ())],
        bytes.fromhex(vector["payload_digest"]),
        bytes.fromhex(vector["leaf"]),
    )


def _text(value: Any) -> str:
    """Long texts are not written out."""
    if isinstance(value, dict):
        return f"{value['before']}{value['repeat'] * value['times']}{value['after']}"
    assert isinstance(value, str)
    return value
