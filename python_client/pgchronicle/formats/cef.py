"""CEF, ArcSight's Common Event Format, version 0: an event is one line.

CEF limits the length of what it has a key for: a longer text is cut and ends in "…". What it has no
key for goes under keys that begin with ``pgchronicle``, in JSON where it is JSON, and is left out
when longer than 4,000 characters, the most that CEF gives any text; ``pgchronicleOmitted`` names
what was. Together with ``externalId``, the id of the event, that leads back to the log.
"""

import re
from collections.abc import Iterator, Mapping

from pgchronicle import __version__
from pgchronicle.formats._fields import SOURCE, address, as_text, milliseconds, other_columns
from pgchronicle.models import Event

_SEVERITIES = {"info": 1, "warning": 5, "error": 8, "critical": 10}
_LONGEST = 4000
# The keys that are free to use say in another what they are used for.
_LABELS = {
    "c6a2": "Source IPv6 Address",
    "cs1": "organization",
    "cs2": "resource type",
    "cs3": "resource",
    "cs4": "changed",
    "cs5": "reason",
    "cs6": "context",
    "cn1": "seq",
    "cn2": "transaction",
    "cn3": "milliseconds",
    "flexString1": "actor type",
    "flexString2": "database user",
}
_MAPPED = frozenset(
    {
        *("event_id", "seq", "transaction_id", "occurred_at", "recorded_at", "organization_id"),
        *("actor_type", "actor_id", "actor_role", "db_user", "context_state"),
        *("origin", "action_type", "action", "action_description", "reason"),
        *("resource_type", "resource_id", "changed_columns"),
        *("severity", "status", "error_code", "error_message", "duration_ms"),
        *("ip_address", "user_agent"),
    }
)
# What somebody takes for the end of a line, so that no value can pretend to be another event.
_LINE_ENDS = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")


def to_text(event: Event, source: str = SOURCE) -> str:
    """The event as one line, without its end and without the prefix of syslog.

    Args:
        event: the event.
        source: which log it comes from; ``deviceExternalId``.
    """
    header = (
        ("pgchronicle", 63),
        ("pgchronicle", 63),
        (__version__, 31),
        (event.action, 1023),
        (f"{event.action_type} {event.resource_type}", 512),
        (str(_SEVERITIES[event.severity]), 2),
    )
    parts = ["CEF:0", *(_header(_cut(text, longest)) for text, longest in header)]
    return "|".join((*parts, " ".join(_extension({**_predefined(event, source), **_own(event)}))))


def _extension(texts: Mapping[str, str]) -> Iterator[str]:
    """Keys and values, without those that have nothing to say."""
    for key, text in texts.items():
        value = _value(text)
        if value:
            yield f"{key}={value}"
            if key in _LABELS:
                yield f"{key}Label={_LABELS[key]}"


def _predefined(event: Event, source: str) -> dict[str, str]:
    """What the dictionary of CEF has keys for."""
    errors = (event.error_code, event.error_message)
    ip = address(event)
    # In version 0 of CEF, src is of version 4 alone.
    is_v6 = ip is not None and ":" in ip
    texts: tuple[tuple[str, object, int], ...] = (
        ("end", milliseconds(event.occurred_at), 20),
        ("rt", milliseconds(event.recorded_at), 20),
        ("externalId", event.event_id, 40),
        ("deviceExternalId", source, 255),
        ("cat", event.origin, 1023),
        ("act", event.action_type, 63),
        ("outcome", event.status, 63),
        ("reason", ": ".join(text for text in errors if text), 1023),
        ("msg", event.action_description, 1023),
        ("suid", event.actor_id, 1023),
        ("spriv", event.actor_role, 1023),
        ("requestClientApplication", event.user_agent, 1023),
        ("c6a2" if is_v6 else "src", ip, 45),
        ("cs1", event.organization_id, 4000),
        ("cs2", event.resource_type, 4000),
        ("cs3", event.resource_id, 4000),
        ("cs4", ", ".join(event.changed_columns or ()), 4000),
        ("cs5", event.reason, 4000),
        ("cs6", event.context_state, 4000),
        ("cn1", event.seq, 20),
        ("cn2", event.transaction_id, 20),
        ("cn3", event.duration_ms, 20),
        ("flexString1", event.actor_type, 1023),
        ("flexString2", event.db_user, 1023),
    )
    return {key: _cut(str(value), longest) for key, value, longest in texts if value is not None}


def _own(event: Event) -> dict[str, str]:
    """What CEF has no keys for."""
    found: dict[str, str] = {}
    omitted: list[str] = []
    for name, value in other_columns(event, _MAPPED).items():
        text = as_text(value)
        if len(text) > _LONGEST:
            omitted.append(name)
        else:
            found[_key(name)] = text
    if omitted:
        found[_key("omitted")] = ", ".join(omitted)
    return found


def _key(column: str) -> str:
    return "pgchronicle" + "".join(word.capitalize() for word in column.split("_"))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _header(text: str) -> str:
    """A text as the header takes it, which knows no lines and no empty field."""
    one_line = _CONTROLS.sub(" ", _LINE_ENDS.sub(" ", text))
    return one_line.replace("\\", "\\\\").replace("|", "\\|") or "-"


def _value(text: str) -> str:
    """A text as the extension takes it. Spaces around it would not survive."""
    lines = _LINE_ENDS.split(text)
    escaped = (_CONTROLS.sub(" ", line).replace("\\", "\\\\").replace("=", "\\=") for line in lines)
    return "\\n".join(escaped).strip(" ")
