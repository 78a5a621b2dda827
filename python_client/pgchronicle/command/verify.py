"""``pgchronicle verify``."""

from dataclasses import asdict
from pathlib import Path

import click

from pgchronicle import Chronicle, Finding, _words
from pgchronicle._output import clean, console, is_terminal, print_json, print_lines
from pgchronicle.command import _live_log, _sealed_files
from pgchronicle.command._anchor import Anchor, difference, read_anchor, read_key, read_text
from pgchronicle.command._database import (
    chosen,
    connect,
    is_chosen,
    json_option,
    needing,
    offline_dsn_option,
)
from pgchronicle.errors import VerificationError
from pgchronicle.seals import notes

# More than a person reads.
_SHOWN = 20

_WHAT_NOW = (
    'Change nothing, keep a backup of what is there, and see docs/seals.md, "When verify finds '
    'something".'
)


@click.command()
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@offline_dsn_option
@click.option(
    "--note",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Without FILE: a checkpoint of the log from before, signed or not, that was kept where "
    "the owner of the database can not change it. The log has to go on from it.",
)
@click.option(
    "--key",
    metavar="KEY",
    help="What verifies signatures: the key that checkpoint --new-key has printed, or a file that "
    "holds it.",
)
@json_option
@click.pass_context
def verify(
    context: click.Context,
    file: Path | None,
    dsn: str | None,
    note: Path | None,
    key: str | None,
    as_json: bool,
) -> None:
    """Check that what is sealed is as it was: the live log, or FILE.

    Without FILE every sealed event is read again, which needs chronicle_auditor. Whoever owns the
    log can rewrite all of it, hashes too: only --note finds that. FILE is a proof, a sealed month
    (export --sealed) or a checkpoint. The first two need no database; a checkpoint is also compared
    with the live log where --dsn or a PG* variable says which.

    In a pipe each finding is a line of kind, batch, event, detail and the first day of what the
    batch is of, apart by tabs. Exits with 1 when something is not as it was sealed, or was refused:
    the message says which. With --json, "finding" says what is wrong with a file.

    \b
    Examples:
      pgchronicle verify --note last.note --key log.pub
      pgchronicle verify 2026-10.jsonl --key log.pub
    """
    verifier = read_key(key)
    if file is not None and not file.is_file():
        raise click.UsageError(f"{file} is no regular file: it is read more than once.")
    if file is not None and note is not None:
        raise click.UsageError("--note is for the live log: a proof and a month hold their own.")
    try:
        is_good = _verify(file, dsn, note, verifier, as_json)
    except VerificationError as error:
        if not as_json:
            raise
        print_json({"finding": error.message, "detail": error.detail})
        is_good = False
    context.exit(0 if is_good else 1)


def _verify(
    file: Path | None,
    dsn: str | None,
    note: Path | None,
    key: notes.VerifierKey | None,
    as_json: bool,
) -> bool:
    if file is not None:
        if not _sealed_files.is_sealed_file(file):
            return _verify_checkpoint(read_anchor(file, read_text(file), key), dsn, as_json)
        _sealed_files.verify(file, key, as_json)
        return True
    anchor = None if note is None else read_anchor(note, read_text(note), key)
    if anchor is None and key is not None:
        raise click.UsageError("--key verifies a signature: say of what, with --note or FILE.")
    return _verify_live(anchor, chosen(dsn), as_json)


# The live log


def _verify_live(anchor: Anchor | None, dsn: str, as_json: bool) -> bool:
    with connect(dsn) as connection, needing("chronicle_auditor"):
        verdict = _live_log.verify(connection, anchor)
    is_good = not verdict.findings and verdict.difference is None
    if as_json:
        status = verdict.status
        print_json(
            {
                "findings": [
                    asdict(finding) | {"bucket_from": verdict.buckets.get(finding.batch_number)}
                    for finding in verdict.findings
                ],
                "events": status.sealed_events,
                "batches": status.batches,
                "last_sealed_at": status.last_sealed_at,
                "unsealed_since": status.unsealed_since,
                "note": _as_json(anchor, verdict.difference),
            }
        )
        return is_good
    _print_findings(verdict)
    if verdict.findings:
        _complain(_complaint(verdict.findings))
    if anchor is not None and verdict.difference is not None:
        _complain(f"the log does not go on from {anchor.path}: {verdict.difference}")
    if not is_good:
        _hint()
        return False
    _say_what_holds(verdict, anchor)
    return True


def _complaint(findings: list[Finding]) -> str:
    many = "1 finding" if len(findings) == 1 else f"{len(findings):,} findings"
    first = findings[0].event_id
    of = f"; the first is of event {first}" if first else ""
    return f"the log is not as it was sealed: {many}{of}"


def _print_findings(verdict: _live_log.Verdict) -> None:
    findings, buckets = verdict.findings, verdict.buckets
    if not is_terminal():
        print_lines(
            (f.kind, f.batch_number, f.event_id, f.detail, buckets.get(f.batch_number))
            for f in findings
        )
        return
    from rich.text import Text

    out = console()
    for finding in findings[:_SHOWN]:
        line = Text.assemble((" X ", "bold red"), (f"{finding.kind}: ", "bold"))
        line.append(clean(finding.detail))
        if finding.batch_number in buckets:
            line.append(f" (from {buckets[finding.batch_number]} on)", "dim")
        out.print(line, soft_wrap=True)
    if len(findings) > _SHOWN:
        out.print(f"   and {len(findings) - _SHOWN:,} more: pgchronicle verify | less")


def _say_what_holds(verdict: _live_log.Verdict, anchor: Anchor | None) -> None:
    status = verdict.status
    if status.last_sealed_at is None:
        events = _words.events(verdict.uncovered)
        so = f", so nothing covers the {events}" if verdict.uncovered else ""
        _say(f'Nothing is sealed yet{so}: run "pgchronicle seal".')
    else:
        until = status.last_sealed_at.isoformat(" ", "seconds")
        _say(
            f"{_words.events(status.sealed_events)} in "
            f"{_words.batches(status.batches)}, sealed until {until}, are as their seals say."
        )
    if status.batches and status.unsealed_since is not None:
        since = status.unsealed_since.isoformat(" ", "seconds")
        _say(f"Not sealed yet, and not checked: events recorded since {since}.")
    if anchor is not None:
        _say(f"{_goes_on(anchor)} {_what_it_covers(anchor)}")
    elif status.batches:
        _say(
            "Compared with nothing from outside: who can rewrite the whole log with all its hashes "
            "is not found so. Keep checkpoints elsewhere, and say --note FILE."
        )


def _goes_on(anchor: Anchor) -> str:
    by = f", signed by {anchor.signer}" if anchor.signer else ", which nobody has signed"
    size = _words.batches(anchor.checkpoint.size)
    return f"The log goes on from {anchor.path} ({size}{by})."


def _what_it_covers(anchor: Anchor) -> str:
    if anchor.checkpoint.size == 0:
        return "Every log does: a checkpoint without batches proves nothing. Take a newer one."
    return "What that covers is as it was then."


# A checkpoint


def _verify_checkpoint(anchor: Anchor, dsn: str | None, as_json: bool) -> bool:
    is_compared = is_chosen(dsn)
    if anchor.signer is None and not is_compared:
        raise click.UsageError(
            f"{anchor.path} is not signed, so it says nothing by itself: say with --dsn which log "
            "to compare it with."
        )
    differs = None
    if is_compared:
        with connect(chosen(dsn)) as connection, needing("chronicle_reader", "chronicle_admin"):
            differs = difference(Chronicle(connection), anchor)
    if as_json:
        print_json({"note": _as_json(anchor, differs), "is_compared": is_compared})
    elif differs is not None:
        _complain(f"the log does not go on from {anchor.path}: {differs}")
        _hint()
    elif is_compared:
        _say(_goes_on(anchor))
        if anchor.checkpoint.size == 0:
            _say(_what_it_covers(anchor))
            return True
        again = f"pgchronicle verify --note {anchor.path}"
        _say(f"Its events were not read again: {again} does that.")
    else:
        _say(
            f"{anchor.path} is signed by {anchor.signer}: {_words.batches(anchor.checkpoint.size)}."
        )
        if anchor.checkpoint.size == 0:
            _say(_what_it_covers(anchor))
        _say("It was compared with no log: say --dsn for that.")
    return differs is None


def _as_json(anchor: Anchor | None, differs: str | None) -> dict[str, object] | None:
    if anchor is None:
        return None
    return {
        "origin": anchor.checkpoint.origin,
        "batches": anchor.checkpoint.size,
        "is_signed": anchor.signer is not None,
        "difference": differs,
    }


def _complain(text: str) -> None:
    click.secho("error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(clean(text), err=True)


def _hint() -> None:
    click.secho("hint: ", fg="cyan", bold=True, nl=False, err=True)
    click.echo(_WHAT_NOW, err=True)


def _say(text: str) -> None:
    click.echo(clean(text), err=True)
