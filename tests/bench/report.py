"""What a measurement gives, as a plain table or as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Result:
    """One measurement: what it is called, what it measures, its rows with their columns in order,
    and what is to be shown below them."""

    name: str
    about: str
    rows: Sequence[Mapping[str, Value]]
    notes: Sequence[str] = ()


def as_text(result: Result) -> str:
    """The result as a table; numbers stand on the right."""
    headings = list(result.rows[0])
    numeric = [not isinstance(value, str) for value in result.rows[0].values()]
    lines = [[heading.replace("_us", "_µs").replace("_", " ") for heading in headings]]
    lines += [[_text(row[heading]) for heading in headings] for row in result.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    table = [
        "  ".join(
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    ]
    about = fill(f"{result.name}: {result.about}.", width=100)
    return "\n".join([about, "", *table, *(f"\n{note}" for note in result.notes)])


def _text(value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else value
