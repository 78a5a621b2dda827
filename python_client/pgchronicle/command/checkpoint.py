"""``pgchronicle checkpoint``."""

import os
from pathlib import Path

import click

from pgchronicle import Chronicle
from pgchronicle.command._database import chosen, connect, needing, offline_dsn_option
from pgchronicle.command._new_file import check_new, force_option, new_file
from pgchronicle.command._secrets import new_file as new_secret_file
from pgchronicle.errors import ChronicleError
from pgchronicle.seals.notes import SigningKey
from pgchronicle.seals.signer import CheckpointSigner


@click.command()
@offline_dsn_option
@click.option(
    "--sign",
    "key_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Sign it with the key in this file. The key never goes to the database.",
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file that keeps the last note that was signed, which every later one must go on "
    "from. Keep it where the database can not reach it.",
)
@click.option(
    "--first",
    is_flag=True,
    help="With --sign: nothing was signed with this key before, and --state is not there yet.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write, once there is something to write.  [default: standard output]",
)
@force_option
@click.option(
    "--new-key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Make a key to sign with, write it to this new file, which only you can read, and print "
    "the key to verify with.",
)
@click.option(
    "--name", help="With --new-key: what the log is called in notes, as acme.example/log."
)
def checkpoint(
    dsn: str | None,
    key_file: Path | None,
    state: Path | None,
    first: bool,
    output: Path | None,
    force: bool,
    new_key: Path | None,
    name: str | None,
) -> None:
    """Print the checkpoint of the log: one hash that stands for all that is sealed.

    Kept where the owner of the database can not change it, it lets "verify --note" find whatever
    was changed later. Signed, as a C2SP note, it can be kept anywhere. A log that does not go on
    from the note in --state is not signed: exit code 1. Run it at least hourly.

    \b
    Examples:
      pgchronicle checkpoint --new-key log.key --name acme.example/log > log.pub
      pgchronicle checkpoint --sign log.key --state log.state --first --output first.note
      pgchronicle checkpoint --sign log.key --state log.state --output "$(date -u +%FT%TZ).note"
    """
    if new_key is not None:
        if key_file is not None or state is not None or first or output is not None:
            raise click.UsageError("--new-key makes a key and nothing else.")
        if name is None:
            raise click.UsageError("--new-key needs --name: what the log is called in notes.")
        _make_key(new_key, name)
        return
    if name is not None:
        raise click.UsageError("--name is for --new-key: a key has its name.")
    if (key_file is None) != (state is None):
        raise click.UsageError("--sign and --state go together.")
    if first and key_file is None:
        raise click.UsageError("--first is for --sign.")
    if output is not None:
        check_new(output, force=force)
    if state is not None and not first and not os.path.lexists(state):
        raise ChronicleError(
            f"{state} is not there, so nothing says what was signed before",
            hint="If this key has signed nothing yet, say --first. If the file was lost, put the "
            "last note that was given out in its place.",
        )
    with connect(chosen(dsn)) as connection, needing("chronicle_reader", "chronicle_admin"):
        log = Chronicle(connection)
        if key_file is None or state is None:
            text = log.checkpoint()
        else:
            text = CheckpointSigner(SigningKey.from_file(key_file), state).sign(log, first=first)
    # As bytes: a note is UTF-8, whatever the terminal speaks.
    if output is None:
        click.echo(text.encode(), nl=False)
    else:
        with new_file(output, force=force) as file:
            file.write(text.encode())


def _make_key(path: Path, name: str) -> None:
    try:
        key = SigningKey.generate(name)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--name") from error
    with new_secret_file(path) as write:
        write(key.text())
    click.echo(key.verifier.text())
    click.echo(
        f"The key to sign with is in {path}. The one to verify with went to standard output: give "
        "that to whoever verifies, by a way that does not lead through the database.",
        err=True,
    )
