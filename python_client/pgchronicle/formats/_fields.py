"""What the formats have in common: how they read an event."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any

from pgchronicle._json import dumps
from pgchronicle.models import Event

SOURCE = "pgchronicle"
"""The name of a log whose name is not said."""

COLUMNS = tuple(field.name for field in fields(Event))

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# For proofs, which are made from whole rows. To whoever only looks on it says nothing.
_OF_NO_USE = frozenset({"payload_salt"})


def columns(event: Event) -> dict[str, Any]:
    """All columns by name; times as text in UTC, whatever zone the session was in."""
    return {name: _value(getattr(event, name)) for name in COLUMNS}


def other_columns(event: Event, mapped: frozenset[str]) -> dict[str, Any]:
    """The columns that are not null and for which a format has no place of its own."""
    return {
        name: value
        for name, value in columns(event).items()
        if value is not None and name not in mapped and name not in _OF_NO_USE
    }


def present(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that are there: neither None nor an object without members."""
    return {name: value for name, value in members.items() if value is not None and value != {}}


def timestamp(moment: datetime) -> str:
    """A time as RFC 3339 has it, in UTC and with microseconds."""
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat(timespec='microseconds')}Z"


def milliseconds(moment: datetime) -> int:
    """A time as milliseconds since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def is_json(value: object) -> bool:
    """Whether it is a value of jsonb or an array."""
    return isinstance(value, dict | list)


def as_text(value: object) -> str:
    """A value that is not null as text: JSON as JSON, true and false as there."""
    if is_json(value) or isinstance(value, bool):
        return dumps(value, ensure_ascii=False)
    return str(value)


def address(event: Event) -> str | None:
    """The address without the length of a network, for which the formats have no place."""
    found = event.ip_address
    if isinstance(found, IPv4Interface | IPv6Interface):
        found = found.ip
    return None if found is None else str(found)


def is_row(event: Event) -> bool:
    """Whether it tells of a row of a tracked table."""
    return event.origin in ("captured", "snapshot")


def _value(value: object) -> object:
    return timestamp(value) if isinstance(value, datetime) else value
