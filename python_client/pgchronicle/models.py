"""What goes into the log and what comes out of it, named and typed as in SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any, Literal, TypeAlias, TypedDict
from uuid import UUID

from psycopg import sql

ActorType: TypeAlias = Literal[
    "user", "employee", "customer", "admin", "service", "ai", "system", "anonymous"
]
ActionType: TypeAlias = Literal["create", "read", "update", "delete", "execute", "other"]
SeverityLevel: TypeAlias = Literal["info", "warning", "error", "critical"]
EventStatus: TypeAlias = Literal["success", "failure"]
EventOrigin: TypeAlias = Literal["logged", "captured", "snapshot", "imported"]
ContextState: TypeAlias = Literal["asserted", "verified", "absent", "malformed"]
RowAction: TypeAlias = Literal["INSERT", "UPDATE", "DELETE", "TRUNCATE"]
RecordAction: TypeAlias = Literal["INSERT", "UPDATE", "DELETE", "TRUNCATE", "SNAPSHOT"]
CaptureMode: TypeAlias = Literal["changes", "full"]
TruncateMode: TypeAlias = Literal["rows", "event", "refuse"]
TrackingState: TypeAlias = Literal["tracked", "drifted", "partial", "broken", "ended"]
FindingKind: TypeAlias = Literal[
    "event_differs",
    "events_missing",
    "event_unsealed",
    "event_unknown_epoch",
    "leaves_differ",
    "batch_differs",
    "batch_missing",
    "batch_overlaps",
    "node_differs",
    "node_missing",
    "node_superfluous",
    "erasure_differs",
    "epoch_differs",
]

Id: TypeAlias = object
"""Whatever names a thing: text, an integer, a UUID. What is recorded is its ``str``."""

Table: TypeAlias = str | sql.Identifier
"""A table as in SQL, ``orders`` or ``shop.orders``, with quotes where the name needs them; or its
name as it is: ``sql.Identifier("shop", "We ird")``."""

IpAddress: TypeAlias = IPv4Address | IPv6Address | IPv4Interface | IPv6Interface


class EventFields(TypedDict, total=False):
    """What an event can say: the arguments of ``chronicle.log_audit_event`` without underscore.

    What is left out, or None, comes from the context. ``occurred_at`` needs a time zone;
    ``duration_ms`` is in milliseconds.
    """

    organization_id: Id
    actor_id: Id
    actor_type: ActorType | None
    ip_address: str | IpAddress | None
    user_agent: str | None
    action_type: ActionType | None
    action_description: str | None
    action_meta: Mapping[str, Any] | None
    resource_type: str | None
    resource_id: Id
    related_resources: Sequence[Any] | None
    details_before: Mapping[str, Any] | None
    details_after: Mapping[str, Any] | None
    ai_metadata: Mapping[str, Any] | None
    session_id: Id
    request_id: Id
    client_info: Mapping[str, Any] | None
    duration_ms: int | None
    severity: SeverityLevel | None
    status: EventStatus | None
    error_code: str | None
    error_message: str | None
    action: str | None
    actor_role: str | None
    impersonator_id: Id
    is_ai_action: bool | None
    reason: str | None
    trace_id: Id
    operation_id: Id
    parent_event_id: UUID | str | None
    ai_operation_id: UUID | str | None
    occurred_at: datetime | None
    event_id: UUID | str | None


class ContextFields(TypedDict, total=False):
    """Who acts, for whom and why: the arguments of ``chronicle.set_context`` without underscore."""

    actor_id: Id
    actor_type: ActorType | None
    actor_role: str | None
    impersonator_id: Id
    organization_id: Id
    session_id: Id
    request_id: Id
    trace_id: Id
    operation_id: Id
    ip_address: str | IpAddress | None
    user_agent: str | None
    client_info: Mapping[str, Any] | None
    reason: str | None
    ai_operation_id: UUID | str | None


class EventFilters(TypedDict, total=False):
    """Which events are wanted; all that are given must hold.

    ``table`` is a tracked table as in SQL, ``orders`` in any schema or ``shop.orders``. ``since``
    is the first moment and ``until`` the first one after. ``is_system_wide`` asks for events of no
    organization or, when false, of any.
    """

    organization_id: Id
    is_system_wide: bool | None
    actor_id: Id
    actor_type: ActorType | None
    actor_role: str | None
    impersonator_id: Id
    is_ai_action: bool | None
    db_user: str | None
    context_state: ContextState | None
    origin: EventOrigin | None
    action: str | None
    action_type: ActionType | None
    resource_type: str | None
    resource_id: Id
    table: Table | None
    severity: SeverityLevel | None
    status: EventStatus | None
    error_code: str | None
    session_id: Id
    request_id: Id
    trace_id: Id
    operation_id: Id
    ai_operation_id: UUID | str | None
    parent_event_id: UUID | str | None
    transaction_id: int | None
    since: datetime | None
    until: datetime | None


class RowChangeFilters(TypedDict, total=False):
    """Which row changes are wanted; the names mean what they mean in ``EventFilters``."""

    table: Table | None
    record_id: Id
    action: RowAction | None
    organization_id: Id
    actor_id: Id
    actor_type: ActorType | None
    db_user: str | None
    request_id: Id
    transaction_id: int | None
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A row of ``chronicle.events``, whose column comments say what each field means.

    Numbers with a point in JSON are decimals, with all their digits.
    """

    event_id: UUID
    seq: int
    transaction_id: int
    epoch: int
    schema_version: int
    settled_after: int | None
    occurred_at: datetime
    recorded_at: datetime
    organization_id: str | None
    actor_type: ActorType
    actor_id: str | None
    actor_role: str | None
    impersonator_id: str | None
    is_ai_action: bool
    db_user: str
    context_state: ContextState
    origin: EventOrigin
    action_type: ActionType
    action: str
    action_description: str | None
    action_meta: dict[str, Any] | None
    reason: str | None
    resource_type: str
    resource_id: str | None
    related_resources: list[Any] | None
    table_id: int | None
    details_before: dict[str, Any] | None
    details_after: dict[str, Any] | None
    changed_columns: list[str] | None
    payload_error: str | None
    payload_salt: UUID | None
    """None once the payload is erased."""
    ai_metadata: dict[str, Any] | None
    ai_operation_id: UUID | None
    severity: SeverityLevel
    status: EventStatus
    error_code: str | None
    error_message: str | None
    duration_ms: int | None
    session_id: str | None
    request_id: str | None
    trace_id: str | None
    operation_id: str | None
    parent_event_id: UUID | None
    ip_address: IpAddress | None
    user_agent: str | None
    client_info: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events, newest first, and where the next page begins."""

    events: list[Event]
    next_cursor: str | None
    """None on the last page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """A row of ``chronicle.row_changes``: a captured change in the classic shape."""

    event_id: UUID
    seq: int
    occurred_at: datetime
    transaction_id: int
    table_id: int
    schema_name: str
    table_name: str
    record_id: str | None
    action: RowAction
    old_values: dict[str, Any] | None
    new_values: dict[str, Any] | None
    changed_columns: list[str] | None
    organization_id: str | None
    actor_type: ActorType
    actor_id: str | None
    db_user: str
    context_state: ContextState
    request_id: str | None
    ip_address: IpAddress | None
    reason: str | None
    payload_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChangePage:
    """Row changes, newest first, and where the next page begins."""

    row_changes: list[RowChange]
    next_cursor: str | None
    """None on the last page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedTable:
    """A row of ``chronicle.tracked_tables``: a table that is or was tracked, and how it stands."""

    table_id: int
    schema_name: str
    table_name: str
    resource_type: str
    key_columns: list[str]
    organization_column: str | None
    excluded_columns: list[str]
    masked_columns: list[str]
    capture: CaptureMode
    truncate: TruncateMode
    requires_actor: bool
    tracked_since: datetime
    tracked_until: datetime | None
    state: TrackingState
    problem: str | None
    not_covered: list[str]
    """Ways to change what the table shows that leave no event, each in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshedTable:
    """A row of ``chronicle.refresh_tracking``: a tracked table, and what was done about it."""

    table_name: str
    outcome: str
    """refreshed, unchanged, or skipped with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordChange:
    """A row of ``chronicle.record_history``: a change of a record.

    ``old_values`` and ``new_values`` are whole rows in the columns of that time, whatever the event
    itself holds.
    """

    event_id: UUID
    seq: int
    occurred_at: datetime
    transaction_id: int
    epoch: int
    origin: EventOrigin
    action: RecordAction
    record_id: str | None
    """The key at that time; not the one asked for where the key was changed."""
    old_values: dict[str, Any] | None
    new_values: dict[str, Any] | None
    changed_columns: list[str] | None
    is_complete: bool
    """Whether every column could be known."""
    organization_id: str | None
    actor_type: ActorType
    actor_id: str | None
    db_user: str
    context_state: ContextState
    request_id: str | None
    reason: str | None
    parent_event_id: UUID | None
    payload_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotProgress:
    """How far ``chronicle.snapshot_table`` has come."""

    rows_recorded: int
    """By this call."""
    rows_total: int
    """By the snapshot so far."""
    is_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportProgress:
    """How far ``chronicle.import_events`` has come."""

    events_imported: int
    """By this call."""
    events_total: int
    """Of this source so far."""
    is_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A row of ``chronicle.verify_log``: what is not as it was sealed."""

    kind: FindingKind
    batch_number: int | None
    """None where it concerns no batch."""
    event_id: UUID | None
    """None where it concerns no single event that is there."""
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SealStatus:
    """The row of ``chronicle.seal_status``: how far the log is sealed, and what holds it back."""

    log_id: UUID
    epoch: int
    batches: int
    sealed_events: int
    last_sealed_at: datetime | None
    unsealed_since: datetime | None
    """When the first event that is not sealed was recorded; None: there is none."""
    lag: timedelta | None
    """For how long that event has waited."""
    oldest_transaction_id: int | None
    """Of the open transaction before which nothing later is settled; None: there is none."""
    held_back_by: str | None
    """Who has that transaction open: ``pid 4711`` or ``prepared transaction "x"``."""
    problem: str | None
    """Why ``seal_events`` refuses; None: it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextKey:
    """A row of ``chronicle.context_keys``: a key whose tokens are accepted."""

    key_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A row of ``chronicle.settings``."""

    name: str
    value: Any
    description: str
