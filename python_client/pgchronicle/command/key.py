"""``pgchronicle key``: the keys with which contexts are signed."""

from pathlib import Path

import click

from pgchronicle import Chronicle
from pgchronicle._output import print_json, print_table
from pgchronicle.command._database import connect, dsn_option, json_option
from pgchronicle.command._secrets import encoded, new_file, read_secret, secret_options


@click.group()
def key() -> None:
    """Manage the keys of signed contexts.

    A context that is signed with a key says for certain who acts. To change a key, add the next
    one, have everybody sign with it, and retire the former. Needs chronicle_admin.

    \b
    Examples:
      pgchronicle key add web-2 --output web-2.secret
      pgchronicle key retire web-1
    """


@key.command()
@click.argument("key_id")
@dsn_option
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write the secret to, which must not be there yet and which only you can "
    "read.  [default: standard output]",
)
@secret_options
@json_option
def add(
    key_id: str,
    dsn: str,
    output: Path | None,
    secret_file: Path | None,
    secret_stdin: bool,
    as_json: bool,
) -> None:
    """Add the key KEY_ID and print its secret, in base64url, or write it to a file.

    Nobody can read the secret afterwards. A secret of yours has at least 32 bytes and is not
    printed; without one, the server draws it.

    \b
    Examples:
      pgchronicle key add web-2 --output web-2.secret
      openssl rand -base64 32 | pgchronicle key add web-2 --secret-stdin
    """
    if output is not None:
        _check(output, secret_file, secret_stdin, as_json)
        _add_to_file(key_id, dsn, output)
        return
    given = read_secret(secret_file, secret_stdin)
    with connect(dsn) as connection:
        secret = Chronicle(connection).add_context_key(key_id, given)
    if as_json:
        print_json({"key_id": key_id, "secret": encoded(secret) if given is None else None})
    elif given is None:
        click.echo(encoded(secret))
        click.echo(f"Key {key_id} is added. Keep its secret: it is not shown again.", err=True)
    else:
        click.echo(f"Key {key_id} is added.", err=True)


def _check(output: Path, secret_file: Path | None, secret_stdin: bool, as_json: bool) -> None:
    if as_json:
        raise click.UsageError("--output and --json exclude each other.")
    if secret_file is not None or secret_stdin:
        raise click.UsageError("--output is for a secret that the server draws.")
    if str(output) == "-":
        raise click.UsageError("To print the secret, leave --output out.")


def _add_to_file(key_id: str, dsn: str, output: Path) -> None:
    # The key is there for good only when its secret is.
    with new_file(output) as write, connect(dsn) as connection, connection.transaction():
        write(encoded(Chronicle(connection).add_context_key(key_id)))
    said = f"Key {key_id} is added. Its secret is in {output}: it is not shown again."
    click.echo(said, err=True)


@key.command("list")
@dsn_option
@json_option
def list_(dsn: str, as_json: bool) -> None:
    """List the keys whose signatures are accepted, oldest first.

    In a pipe each key is a line of its name and since when it is there, apart by tabs.

    \b
    Example:
      pgchronicle key list
    """
    with connect(dsn) as connection:
        keys = Chronicle(connection).context_keys()
    if as_json:
        print_json(keys)
        return
    print_table(("key", "added"), [(each.key_id, each.created_at.isoformat()) for each in keys])
    if not keys:
        click.echo("There is no key: no context is verified by a signature.", err=True)


@key.command()
@click.argument("key_id")
@dsn_option
def retire(key_id: str, dsn: str) -> None:
    """Accept the signatures of KEY_ID no more. What it has verified stays.

    \b
    Example:
      pgchronicle key retire web-1
    """
    with connect(dsn) as connection:
        Chronicle(connection).retire_context_key(key_id)
    click.echo(f"Key {key_id} is retired.", err=True)
