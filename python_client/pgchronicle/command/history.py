"""``pgchronicle history``."""

import click

from pgchronicle import Chronicle, RecordChange
from pgchronicle._output import clean, console, is_terminal, print_json
from pgchronicle._words import SIGN_STYLES, Part, heading, record_diff
from pgchronicle.command._database import connect, dsn_option, json_option
from pgchronicle.command._records import (
    find_table,
    identifier,
    key_options,
    no_such_record,
    read_key,
)


@click.command()
@click.argument("table")
@key_options(required=True)
@dsn_option
@click.option("--full", is_flag=True, help="Show what stayed as well as what changed.")
@click.option("--reverse", is_flag=True, help="Newest first.")
@click.option("--limit", type=click.IntRange(1), help="The newest so many.  [default: all]")
@json_option
def history(
    table: str,
    words: tuple[str, ...],
    pairs: tuple[str, ...],
    dsn: str,
    full: bool,
    reverse: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """Show what happened to a record, newest last.

    When, what, who and why. A key of several columns is given as COLUMN=VALUE for each of them, or
    as a JSON object.

    \b
    Examples:
      pgchronicle history shop.orders 4711
      pgchronicle history shop.order_lines order_id=4711 line=2 --full
    """
    with connect(dsn) as connection:
        tracked = find_table(connection, table)
        record_id = read_key(connection, tracked, words, pairs)
        changes = Chronicle(connection).record_history(identifier(tracked), record_id)
        if not changes:
            raise no_such_record(connection, tracked, record_id)
    shown = changes if limit is None else changes[-limit:]
    if reverse:
        shown.reverse()
    if as_json:
        print_json(shown)
    else:
        _print(shown, record_id, full)
    if len(shown) < len(changes):
        click.echo(f"There are {len(changes) - len(shown)} older ones.", err=True)


def _print(changes: list[RecordChange], record_id: str, full: bool) -> None:
    for change in changes:
        _print_line([*heading(change, record_id), (str(change.event_id), "dim")], "  ")
        if change.payload_error is not None:
            _print_line([("    ! ", "yellow"), (clean(change.payload_error), "yellow")])
        elif not change.is_complete:
            _print_line([("    ! not every column is known", "yellow")])
        for sign, line in record_diff(change, full=full):
            _print_line([(f"    {sign} {line}", SIGN_STYLES[sign])])


def _print_line(parts: list[Part], between: str = "") -> None:
    if not is_terminal():
        click.echo(between.join(text for text, _ in parts))
        return
    from rich.text import Text

    console().print(Text(between).join(Text(*part) for part in parts), soft_wrap=True)
