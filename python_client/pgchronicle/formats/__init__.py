"""Events as text for what reads logs: one module a format, each turning an ``Event`` into a text.

``docs/exports.md`` says which field goes where.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pgchronicle.formats import cef, cloudevents, csv, ecs, jsonl, ocsf
from pgchronicle.models import Event


@dataclass(frozen=True, slots=True)
class Format:
    """How events become a stream of text."""

    to_text: Callable[[Event, str], str]
    """The text of an event, without an end of line; the second argument is the log's name."""
    line_end: str = "\n"
    header: str | None = None
    """The first line, without its end."""

    def line(self, text: str) -> bytes:
        """The text of an event, or the header, as the stream has it: with its end, in UTF-8."""
        return f"{text}{self.line_end}".encode()

    def beginning(self) -> bytes:
        """What comes before the first event."""
        return b"" if self.header is None else self.line(self.header)


FORMATS: Mapping[str, Format] = {
    "jsonl": Format(lambda event, _: jsonl.to_text(event)),
    "csv": Format(lambda event, _: csv.to_text(event), line_end="\r\n", header=csv.HEADER),
    "ocsf": Format(ocsf.to_text),
    "ecs": Format(ecs.to_text),
    "cef": Format(cef.to_text),
    "cloudevents": Format(cloudevents.to_text),
}
"""The formats by their names on the command line."""
