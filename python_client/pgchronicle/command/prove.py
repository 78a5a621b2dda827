"""``pgchronicle prove``."""

from pathlib import Path
from typing import Any
from uuid import UUID

import click
import psycopg

from pgchronicle import Chronicle
from pgchronicle.command._anchor import read_note
from pgchronicle.command._database import connect, dsn_option, needing
from pgchronicle.command._new_file import check_new, force_option, new_file
from pgchronicle.errors import ChronicleError
from pgchronicle.seals.proofs import make_proof


@click.command()
@click.argument("event_id", type=click.UUID)
@dsn_option
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write.  [default: standard output]",
)
@force_option
@click.option(
    "--note",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A signed note, to be put into the proof: that the event was in the log which it covers.",
)
def prove(event_id: UUID, dsn: str, output: Path | None, force: bool, note: Path | None) -> None:
    """Write a proof that EVENT_ID is in the log, which "verify" checks without any database.

    It holds the event whole. Without --note nobody vouches for it: it is of use to whoever has the
    checkpoint of that size from elsewhere.

    \b
    Example:
      pgchronicle prove 0199f7a2-5f7e-7c3a-9d55-2f3d1c0b9a11 --note last.note --output proof.json
    """
    if output is not None:
        check_new(output, force=force)
    text, size = (None, None) if note is None else read_note(note)
    with connect(dsn) as connection, needing("chronicle_reader"):
        proof = make_proof(_ask(Chronicle(connection), event_id, size), text).encode()
    if output is None:
        click.echo(proof, nl=False)
    else:
        with new_file(output, force=force) as file:
            file.write(proof)
        click.echo(f"The proof of event {event_id} is in {output}.", err=True)


def _ask(log: Chronicle, event_id: UUID, size: int | None) -> dict[str, Any]:
    try:
        return log.inclusion_proof(event_id, size)
    except psycopg.errors.ObjectNotInPrerequisiteState as error:
        # Only of what is sealed, the detail says in which batch.
        is_sealed = error.diag.message_detail is not None
        raise ChronicleError(
            error.diag.message_primary or str(error),
            detail=error.diag.message_detail,
            hint='Take a newer note: "pgchronicle checkpoint --sign" makes one.'
            if is_sealed
            else 'A chronicle_admin seals it: "pgchronicle seal". What holds that back is in '
            "chronicle.seal_status.",
        ) from error
