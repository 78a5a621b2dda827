"""How results are shown: coloured for people on a terminal, plain lines in a pipe, or JSON.

What the log holds was written by others. Whatever could move a terminal's cursor, recolour it or
turn text around is shown as its escape, so that nobody can write over what another one did.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, cast

import click

from pgchronicle import _json

if TYPE_CHECKING:
    from rich.console import Console


def is_terminal() -> bool:
    """Whether a person is likely to look at what is printed."""
    return sys.stdout.isatty()


def console(*, stderr: bool = False) -> "Console":
    """A console of rich, which is imported no sooner than it is needed.

    With NO_COLOR it is wholly plain; rich alone would still print in bold.
    """
    from rich.console import Console

    plain = bool(os.environ.get("NO_COLOR"))
    return Console(
        color_system=None if plain else "auto",
        highlight=False,
        markup=False,
        emoji=False,
        stderr=stderr,
    )


def print_json(value: object) -> None:
    """Prints a value, which may be or hold dataclasses, as one line of JSON."""
    click.echo(_json.dumps(_plain(value)))


def print_lines(rows: Iterable[Sequence[object]]) -> None:
    """Prints one line a row, the values apart by tabs."""
    for row in rows:
        click.echo("\t".join(clean(value) for value in row))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table on a terminal, else one line a row without the headings."""
    if not is_terminal():
        print_lines(rows)
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(clean(value)) for value in row))
    console().print(table)


def clean(value: object) -> str:
    """A value as one line of text that is safe to print; None is nothing."""
    if value is None:
        return ""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def to_ascii(json_text: str) -> str:
    """The same JSON in ASCII, so that it is safe to print and of any encoding."""
    if json_text.isascii():
        return json_text
    # Outside of its strings there is nothing else.
    return "".join(c if c.isascii() else _json.dumps(c)[1:-1] for c in json_text)


def clean_json(value: object) -> str:
    """A value as JSON text that is safe to print, in letters rather than escapes."""
    return clean(_json.dumps(value, ensure_ascii=False))


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, list):
        return [_plain(element) for element in cast("list[object]", value)]
    return value
