"""CSV as RFC 4180 has it: an event is a line of all columns.

Every value is in quotes and null is nothing at all, so that null and the empty text differ;
PostgreSQL's COPY reads it so. Values are exact: one that a spreadsheet would take for a formula is
not changed, since the log must say what happened. Import the file as text.
"""

from pgchronicle.formats._fields import COLUMNS, as_text, columns
from pgchronicle.models import Event

HEADER = ",".join(COLUMNS)


def to_text(event: Event) -> str:
    """The event as one record, without an end of line; its values may hold some."""
    return ",".join(_quoted(value) for value in columns(event).values())


def _quoted(value: object) -> str:
    if value is None:
        return ""
    return '"' + as_text(value).replace('"', '""') + '"'
