"""OCSF, the Open Cybersecurity Schema Framework, version 1.8.0: an event is an object of JSON.

A change of a row is Datastore Activity (6005). What an application logged, what was imported and
what pgchronicle tells about itself is API Activity (6003), the class for what is done to anything
by way of an application: it has a place for the operation's name and for any kind of resource,
where 6005 asks for a database, a bucket or a table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pgchronicle import __version__
from pgchronicle._json import dumps
from pgchronicle.formats._fields import (
    SOURCE,
    address,
    is_row,
    milliseconds,
    other_columns,
    present,
)
from pgchronicle.models import Event

VERSION = "1.8.0"

_OTHER = 99


@dataclass(frozen=True, slots=True)
class _Class:
    uid: int
    name: str
    activities: Mapping[str, tuple[int, str]]


_DATASTORE = _Class(
    6005,
    "Datastore Activity",
    {
        "read": (1, "Read"),
        "update": (2, "Update"),
        "create": (6, "Create"),
        "delete": (7, "Delete"),
    },
)
_API = _Class(
    6003,
    "API Activity",
    {
        "create": (1, "Create"),
        "read": (2, "Read"),
        "update": (3, "Update"),
        "delete": (4, "Delete"),
    },
)
_SEVERITIES = {
    "info": (1, "Informational"),
    "warning": (3, "Medium"),
    "error": (4, "High"),
    "critical": (5, "Critical"),
}
_STATUSES = {"success": (1, "Success"), "failure": (2, "Failure")}
_USER_TYPES = {
    "anonymous": 0,
    "user": 1,
    "employee": 1,
    "customer": 1,
    "admin": 2,
    "system": 3,
    "service": 4,
    "ai": _OTHER,
}
_MAPPED = frozenset(
    {
        *("event_id", "seq", "occurred_at", "recorded_at", "organization_id"),
        *("actor_type", "actor_id", "actor_role", "session_id"),
        *("action", "action_description", "resource_type", "table_id"),
        *("severity", "status", "error_code", "error_message", "duration_ms"),
        *("request_id", "operation_id", "ip_address", "user_agent"),
    }
)


def to_text(event: Event, source: str = SOURCE) -> str:
    """The event as one line of JSON, without an end of line.

    Args:
        event: the event.
        source: which log it comes from; ``metadata.log_source``.
    """
    kind = _DATASTORE if is_row(event) else _API
    activity_id, activity = kind.activities.get(event.action_type, (_OTHER, "Other"))
    severity_id, severity = _SEVERITIES[event.severity]
    status_id, status = _STATUSES[event.status]
    members: dict[str, Any] = {
        "class_uid": kind.uid,
        "class_name": kind.name,
        "category_uid": 6,
        "category_name": "Application Activity",
        "activity_id": activity_id,
        # Of what the class does not know, the schema wants the source's own name.
        "activity_name": event.action if activity_id == _OTHER else activity,
        "type_uid": kind.uid * 100 + activity_id,
        "type_name": f"{kind.name}: {activity}",
        "time": milliseconds(event.occurred_at),
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status_id,
        "status": status,
        "status_code": event.error_code,
        "status_detail": event.error_message,
        "duration": event.duration_ms,
        "message": event.action_description,
        "metadata": _metadata(event, source),
        "actor": _actor(event),
        # The schema wants one of every event.
        "src_endpoint": {"ip": ip} if (ip := address(event)) else {"name": "Unknown"},
        "http_request": present({"uid": event.request_id, "user_agent": event.user_agent}),
        **(_row(event) if is_row(event) else _resource(event)),
    }
    return dumps(present(members))


def _metadata(event: Event, source: str) -> dict[str, Any]:
    is_traced = event.trace_id is not None and not is_row(event)
    return present(
        {
            "version": VERSION,
            # The attribute trace of 6003 belongs to this profile.
            "profiles": ["trace"] if is_traced else None,
            "product": {
                "name": "pgchronicle",
                "vendor_name": "pgchronicle",
                "version": __version__,
            },
            "uid": str(event.event_id),
            "sequence": event.seq,
            "event_code": event.action,
            "log_name": "chronicle.events",
            "log_source": source,
            "logged_time": milliseconds(event.recorded_at),
            "tenant_uid": event.organization_id,
            "correlation_uid": event.operation_id,
        }
    )


def _actor(event: Event) -> dict[str, Any]:
    who = {"name": "Unknown"} if event.actor_id is None else {"uid": event.actor_id}
    role = None if event.actor_role is None else [{"name": event.actor_role, "type": "role"}]
    user = {**who, "type": event.actor_type, "type_id": _USER_TYPES[event.actor_type]}
    return present(
        {
            "user": present({**user, "groups": role}),
            "session": present({"uid": event.session_id}),
        }
    )


def _row(event: Event) -> dict[str, Any]:
    table_id = None if event.table_id is None else str(event.table_id)
    return {
        "type": "Table",
        "type_id": 3,
        "table": present({"name": event.resource_type, "uid": table_id}),
        "unmapped": other_columns(event, _MAPPED),
    }


def _resource(event: Event) -> dict[str, Any]:
    named = event.resource_id is not None
    resource = {"type": event.resource_type, "uid" if named else "name": _name(event)}
    return {
        "api": {"operation": event.action},
        "resources": [resource],
        "trace": present({"uid": event.trace_id}),
        "unmapped": other_columns(event, _MAPPED | {"resource_id", "trace_id"}),
    }


def _name(event: Event) -> str:
    """What a resource is called: its id, or its kind where there is no single one."""
    return event.resource_type if event.resource_id is None else event.resource_id
