"""CloudEvents 1.0 in its JSON format: the event's columns are the data, on one line.

Beside the attributes of the specification there are the extensions ``sequence``, by which events
sort into the order of the stream, ``traceparent``, ``recordedtime``, and ``correlationid`` and
``causationid`` for the operation and for the event that caused this one.
"""

import re
from urllib.parse import quote

from pgchronicle._json import dumps
from pgchronicle.formats._fields import SOURCE, columns, present, timestamp
from pgchronicle.models import Event

# Of RFC 3986, what may stand in a reference as it is. A "%" is taken for the sign of an escape.
_IN_REFERENCES = ":/?#[]@!$&'()*+,;=%"

# What the specification keeps out of attributes: control characters and what Unicode calls
# noncharacters.
_NOT_IN_ATTRIBUTES = re.compile(
    "[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
    + "]"
)
_TRACEPARENT = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_TRACE_ID = re.compile("[0-9a-f]{32}")
_SPAN_ID = re.compile("[0-9a-f]{16}")


def to_text(event: Event, source: str = SOURCE) -> str:
    """The event as one line of JSON, without an end of line.

    Args:
        event: the event.
        source: which log it comes from, a URI reference; what may not stand in one is escaped.
    """
    return dumps(
        present(
            {
                "specversion": "1.0",
                "id": str(event.event_id),
                "source": quote(source, safe=_IN_REFERENCES),
                "type": _attribute(f"pgchronicle.{event.action}"),
                "subject": _attribute(_subject(event)),
                "time": timestamp(event.occurred_at),
                "datacontenttype": "application/json",
                "sequence": _sequence(event),
                "traceparent": _traceparent(event),
                "recordedtime": timestamp(event.recorded_at),
                "correlationid": _attribute(event.operation_id),
                "causationid": event.parent_event_id,
                "data": {
                    name: value for name, value in columns(event).items() if value is not None
                },
            }
        )
    )


def _subject(event: Event) -> str:
    """What it was done to."""
    if event.resource_id is None:
        return event.resource_type
    return f"{event.resource_type}/{event.resource_id}"


def _sequence(event: Event) -> str:
    """The place in the stream, in digits enough to sort as text."""
    position = event.transaction_id if event.settled_after is None else event.settled_after
    return f"{event.epoch:010d}.{position:019d}.{event.seq:019d}"


def _traceparent(event: Event) -> str | None:
    """What W3C Trace Context calls so, where the event knows a trace and a span of it."""
    trace = event.trace_id or ""
    if _TRACEPARENT.fullmatch(trace):
        return trace
    span = (event.client_info or {}).get("span_id")
    if _TRACE_ID.fullmatch(trace) and isinstance(span, str) and _SPAN_ID.fullmatch(span):
        return f"00-{trace}-{span}-01"
    return None


def _attribute(text: str | None) -> str | None:
    """A text as an attribute may be; the data has it as it is."""
    return None if not text else _NOT_IN_ATTRIBUTES.sub("\N{REPLACEMENT CHARACTER}", text)
