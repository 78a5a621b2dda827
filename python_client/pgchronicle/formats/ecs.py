"""ECS, the Elastic Common Schema, version 9.4.0: an event is an object of JSON.

What ECS has no field for goes under ``pgchronicle``, and JSON there is text: the states of two
tables may have members of one name and different types, and Elasticsearch refuses a document whose
member has another type than it had before. A refused document would be a lost event.
"""

from typing import Any

from pgchronicle._json import dumps
from pgchronicle.formats._fields import (
    SOURCE,
    address,
    is_json,
    is_row,
    other_columns,
    present,
    timestamp,
)
from pgchronicle.models import Event

VERSION = "9.4.0"

_NANOSECONDS = 1_000_000
_SEVERITIES = {"info": 1, "warning": 2, "error": 3, "critical": 4}
# ECS says which types go with a category; a database knows no creation and no deletion.
_ROW_TYPES = {"create": "change", "read": "access", "update": "change", "delete": "change"}
_TYPES = {"create": "creation", "read": "access", "update": "change", "delete": "deletion"}
_MAPPED = frozenset(
    {
        *("event_id", "seq", "occurred_at", "recorded_at", "organization_id"),
        *("actor_id", "actor_role", "impersonator_id"),
        *("action", "action_description", "reason"),
        *("severity", "status", "error_code", "error_message", "duration_ms"),
        *("request_id", "trace_id", "ip_address", "user_agent"),
    }
)


def to_text(event: Event, source: str = SOURCE) -> str:
    """The event as one line of JSON, without an end of line.

    Args:
        event: the event.
        source: which log it comes from; ``service.address``.
    """
    ip = address(event)
    members: dict[str, Any] = {
        "@timestamp": timestamp(event.occurred_at),
        "ecs": {"version": VERSION},
        "message": event.action_description,
        "event": _event(event),
        "log": {"level": event.severity},
        "service": {"type": "postgresql", "address": source},
        "user": _user(event),
        "organization": present({"id": event.organization_id}),
        "source": present({"ip": ip}),
        "user_agent": present({"original": event.user_agent}),
        "http": present({"request": present({"id": event.request_id})}),
        "trace": present({"id": event.trace_id}),
        "error": present({"code": event.error_code, "message": event.error_message}),
        "related": present({"user": _users(event), "ip": None if ip is None else [ip]}),
        "pgchronicle": {
            name: dumps(value) if is_json(value) else value
            for name, value in other_columns(event, _MAPPED).items()
        },
    }
    return dumps(present(members))


def _event(event: Event) -> dict[str, Any]:
    category, kind = _category(event)
    duration = None if event.duration_ms is None else event.duration_ms * _NANOSECONDS
    return present(
        {
            "kind": "event",
            "category": [category],
            "type": [kind],
            "action": event.action,
            "outcome": event.status,
            "id": str(event.event_id),
            "sequence": event.seq,
            "created": timestamp(event.recorded_at),
            "duration": duration,
            "severity": _SEVERITIES[event.severity],
            "reason": event.reason,
            "module": "pgchronicle",
            "dataset": "pgchronicle.events",
        }
    )


def _category(event: Event) -> tuple[str, str]:
    if is_row(event):
        return "database", _ROW_TYPES.get(event.action_type, "info")
    # Names that begin so are reserved for what the log tells about itself.
    category = "configuration" if event.action.startswith("chronicle.") else "api"
    return category, _TYPES.get(event.action_type, "info")


def _user(event: Event) -> dict[str, Any]:
    """Who acted. In ECS that is who really did, and "effective" as whom."""
    roles = None if event.actor_role is None else [event.actor_role]
    actor = present({"id": event.actor_id, "roles": roles})
    if event.impersonator_id is None:
        return actor
    return present({"id": event.impersonator_id, "effective": actor})


def _users(event: Event) -> list[str]:
    """Everybody by whom one may look for it, each once."""
    named = (event.actor_id, event.impersonator_id, event.db_user)
    return list(dict.fromkeys(name for name in named if name is not None))
