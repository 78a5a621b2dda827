"""``pgchronicle show``."""

import uuid
from dataclasses import fields

import click

from pgchronicle import Chronicle, Event
from pgchronicle._output import (
    clean,
    clean_json,
    console,
    is_terminal,
    print_json,
    print_lines,
)
from pgchronicle._words import SIGN_STYLES, diff
from pgchronicle.command._database import connect, dsn_option, json_option

_STATES = ("details_before", "details_after")


@click.command()
@click.argument("event_id", type=click.UUID)
@dsn_option
@json_option
def show(event_id: uuid.UUID, dsn: str, as_json: bool) -> None:
    """Show one event whole, with what it changed.

    \b
    Example:
      pgchronicle show 019a9e1c-5f1d-7c3a-9a52-3c1f4be0a7d1
    """
    with connect(dsn) as connection:
        event = Chronicle(connection).event(event_id)
    if event is None:
        raise click.ClickException(f"there is no event {event_id}, or you may not see it")
    if as_json:
        print_json(event)
    elif is_terminal():
        _print_for_people(event)
    else:
        print_lines(_fields(event))
        for sign, line in diff(event.details_before, event.details_after):
            click.echo(f"{sign} {line}")


def _fields(event: Event) -> list[tuple[str, str]]:
    """What is known of the event, except its two states."""
    names = [field.name for field in fields(event) if field.name not in _STATES]
    values = [(name, getattr(event, name)) for name in names]
    return [
        (name, clean_json(value) if type(value) in (dict, list) else clean(value))
        for name, value in values
        if value is not None
    ]


def _print_for_people(event: Event) -> None:
    from rich.text import Text

    out = console()
    for name, value in _fields(event):
        out.print(Text.assemble((f"{name:<20}", "cyan"), value), soft_wrap=True)
    lines = list(diff(event.details_before, event.details_after))
    if lines:
        out.print()
    for sign, line in lines:
        out.print(Text(f"{sign} {line}", SIGN_STYLES[sign]), soft_wrap=True)
