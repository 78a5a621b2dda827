"""Verifying what was given out, without any database: proofs and sealed months."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import click

from pgchronicle._output import clean, print_json
from pgchronicle.command._anchor import WHAT_IS_READ
from pgchronicle.command._progress import counted_bar, every
from pgchronicle.errors import VerificationError
from pgchronicle.seals import files, proofs
from pgchronicle.seals.checkpoints import Checkpoint
from pgchronicle.seals.files import SealedMonth
from pgchronicle.seals.notes import VerifierKey
from pgchronicle.seals.proofs import ProvenEvent


def is_sealed_file(path: Path) -> bool:
    """Whether a file may be one of these: they are JSON, and no checkpoint is."""
    with _readable(path), path.open("rb") as file:
        return file.read(1) == b"{"


def verify(path: Path, key: VerifierKey | None, as_json: bool) -> None:
    """Verifies a file, and prints what it proves.

    Raises:
        VerificationError: it proves nothing.
    """
    with _readable(path):
        form = _format(path)
        if form.startswith("pgchronicle-sealed-events/"):
            with counted_bar("events") as show:
                month = files.verify_file(path, key, every(1000, show))
            _print(month, _of_month(month), as_json)
        elif not form:
            raise VerificationError(
                f"{path} is no proof and no sealed month",
                hint=f"Take it as it was written. {WHAT_IS_READ}",
            )
        else:
            proven = proofs.verify_proof(path.read_bytes(), key)
            _print(proven, _of_proof(proven), as_json)


def _format(path: Path) -> str:
    """What a file says that it is, in its first line; empty: nothing."""
    with path.open("rb") as file:
        try:
            header: Any = json.loads(file.readline())
        except (ValueError, RecursionError):
            return ""
    form = cast("dict[str, Any]", header).get("format") if isinstance(header, dict) else None
    return form if isinstance(form, str) else ""


def _print(found: ProvenEvent | SealedMonth, as_json: dict[str, object], is_json: bool) -> None:
    if is_json:
        print_json(as_json)
        return
    for line in str(found).splitlines():
        click.echo(clean(line), err=True)


def _of_proof(proven: ProvenEvent) -> dict[str, object]:
    return {
        "finding": None,
        "event": proven.event,
        "payload": proven.payload,
        "log_id": proven.batch.log_id,
        "batch": proven.batch.batch_number,
        **_vouched_for(proven.checkpoint, proven.signed_by),
    }


def _of_month(month: SealedMonth) -> dict[str, object]:
    return {
        "finding": None,
        "month": month.month,
        "events": month.events,
        "without_payload": month.without_payload,
        "log_id": month.log_id,
        "batches": month.batches,
        **_vouched_for(month.checkpoint, month.signed_by),
    }


def _vouched_for(checkpoint: Checkpoint, signed_by: VerifierKey | None) -> dict[str, object]:
    return {
        "checkpoint": {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
        },
        "signed_by": None if signed_by is None else signed_by.text(),
    }


@contextmanager
def _readable(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from error
