"""JSON Lines: an event is an object of all columns, on one line.

Numbers keep their digits. The text is ASCII, so that nothing in it ends a line for anybody, and it
is harmless on a terminal.
"""

from pgchronicle._json import dumps
from pgchronicle.formats._fields import columns
from pgchronicle.models import Event


def to_text(event: Event) -> str:
    """The event as one line of JSON, without an end of line."""
    return dumps(columns(event))
