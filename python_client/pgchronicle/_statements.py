"""The SQL of every method of the client, and its parameters. Asks no connection for anything.

Every parameter is sent as text and cast in the statement. So the text of a statement, and the types
with which a server prepares it, depend on nothing but which arguments were given.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

from psycopg import sql

from pgchronicle import _json, ambient
from pgchronicle.errors import WrongFieldError
from pgchronicle.models import (
    ContextFields,
    ContextKey,
    Event,
    EventFields,
    EventFilters,
    EventPage,
    Finding,
    Id,
    ImportProgress,
    RecordChange,
    RefreshedTable,
    RowChange,
    RowChangeFilters,
    RowChangePage,
    SealStatus,
    Setting,
    SnapshotProgress,
    Table,
    TrackedTable,
)

CONTEXT_FIELDS: Mapping[str, str] = {
    "actor_id": "text",
    "actor_type": "chronicle.actor_type",
    "actor_role": "text",
    "impersonator_id": "text",
    "organization_id": "text",
    "session_id": "text",
    "request_id": "text",
    "trace_id": "text",
    "operation_id": "text",
    "ip_address": "inet",
    "user_agent": "text",
    "client_info": "jsonb",
    "reason": "text",
    "ai_operation_id": "uuid",
}
"""The arguments of chronicle.set_context, with their types."""

EVENT_FIELDS: Mapping[str, str] = {
    **CONTEXT_FIELDS,
    "action_type": "chronicle.action_type",
    "action_description": "text",
    "action_meta": "jsonb",
    "resource_type": "text",
    "resource_id": "text",
    "related_resources": "jsonb",
    "details_before": "jsonb",
    "details_after": "jsonb",
    "ai_metadata": "jsonb",
    "duration_ms": "integer",
    "severity": "chronicle.severity_level",
    "status": "chronicle.event_status",
    "error_code": "text",
    "error_message": "text",
    "action": "text",
    "is_ai_action": "boolean",
    "parent_event_id": "uuid",
    "occurred_at": "timestamptz",
    "event_id": "uuid",
}
"""The arguments of chronicle.log_audit_event, with their types."""

_JSON_FIELDS = {name for name, kind in EVENT_FIELDS.items() if kind == "jsonb"}

EVENT_FILTERS: Mapping[str, str] = {
    "organization_id": "text",
    "actor_id": "text",
    "actor_type": "chronicle.actor_type",
    "actor_role": "text",
    "impersonator_id": "text",
    "is_ai_action": "boolean",
    "db_user": "text",
    "context_state": "text",
    "origin": "chronicle.event_origin",
    "action": "text",
    "action_type": "chronicle.action_type",
    "resource_type": "text",
    "resource_id": "text",
    "severity": "chronicle.severity_level",
    "status": "chronicle.event_status",
    "error_code": "text",
    "session_id": "text",
    "request_id": "text",
    "trace_id": "text",
    "operation_id": "text",
    "ai_operation_id": "uuid",
    "parent_event_id": "uuid",
    "transaction_id": "bigint",
}
"""The columns of chronicle.events that a filter compares with a value, with their types."""

ROW_CHANGE_FILTERS: Mapping[str, str] = {
    "record_id": "text",
    "action": "text",
    "organization_id": "text",
    "actor_id": "text",
    "actor_type": "chronicle.actor_type",
    "db_user": "text",
    "request_id": "text",
    "transaction_id": "bigint",
}
"""The same for chronicle.row_changes."""

# Beside the columns. Whatever holds of the events holds of the row changes.
_CONDITIONS: Mapping[str, str] = {
    "is_system_wide": "(e.organization_id is null) = %(is_system_wide)s::boolean",
    "since": "e.occurred_at >= %(since)s::timestamptz",
    "until": "e.occurred_at < %(until)s::timestamptz",
}

_TRACKING_OPTIONS: Mapping[str, str] = {
    "resource_type": "text",
    "organization_column": "name",
    "exclude_columns": "name[]",
    "mask_columns": "name[]",
    "capture": "chronicle.capture_mode",
    "key_columns": "name[]",
    "truncate": "chronicle.truncate_mode",
    "require_actor": "boolean",
}
"""The arguments of chronicle.enable_tracking, with their types."""

_SUBJECT: Mapping[str, str] = {
    "actor_id": "text",
    "actor_type": "chronicle.actor_type",
    "resource_type": "text",
    "resource_id": "text",
    "organization_id": "text",
}
"""The arguments of chronicle.erase_subject that say whose events, with their types."""

_BY_TIME: Mapping[str, str] = {"occurred_at": "timestamptz", "event_id": "uuid"}
# Time is no order of the changes of one record: clocks go back, and two changes may share a moment.
_BY_SEQ: Mapping[str, str] = {"seq": "bigint"}

# A set is sent in parts of at most so many events and about so many characters.
_BATCH_EVENTS = 1000
_BATCH_CHARACTERS = 4_000_000


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement and what goes into it."""

    query: bytes
    parameters: Mapping[str, object]
    returns_json: bool = False


def _select(source: str, model: type[Any]) -> str:
    return f"select {_columns(model)}\nfrom {source} as e"


def _columns(model: type[Any]) -> str:
    return ", ".join(f"e.{field.name}" for field in fields(model))


_EVENTS = _select("chronicle.events", Event)
_ROW_CHANGES = _select("chronicle.row_changes", RowChange)
_TRACKED_TABLES = _select("chronicle.tracked_tables", TrackedTable)
_SETTINGS = _select("chronicle.settings", Setting)
_CONTEXT_KEYS = _select("chronicle.context_keys", ContextKey)


# Writing


def surrounded(event: EventFields, around: ContextFields) -> EventFields:
    """The event with what it does not say itself, as a context would complete it."""
    if not around:
        return event
    said = {name: value for name, value in event.items() if name in CONTEXT_FIELDS}
    both = ambient.merged(around, cast(ContextFields, said))
    return {**event, **(with_type(both) if "actor_id" in around else both)}


def log_audit_event(event: EventFields, around: ContextFields) -> Statement:
    around = with_type(around)
    given = _texts(EVENT_FIELDS, event if _says_who(around) else surrounded(event, around))
    return _within(around, _call("log_audit_event", tuple(given)), given)


def log_audit_events(
    events: Iterable[EventFields], around: ContextFields
) -> Iterator[tuple[int, Statement]]:
    """Statements that record the events in their order, each with the place of its first event."""
    around = with_type(around)
    if not _says_who(around):
        events = (surrounded(event, around) for event in events)
    documents: list[str] = []
    first, characters = 1, 0
    for place, event in enumerate(events, start=1):
        try:
            documents.append(_document(event))
        except (TypeError, WrongFieldError) as error:
            error.add_note(f"It is event {place} of those given.")
            raise
        characters += len(documents[-1])
        if len(documents) == _BATCH_EVENTS or characters >= _BATCH_CHARACTERS:
            yield first, _batch(documents, around)
            first, documents, characters = place + 1, [], 0
    if documents:
        yield first, _batch(documents, around)


def _document(event: EventFields) -> str:
    texts = _texts(EVENT_FIELDS, event)
    json_texts = {name: texts.pop(name) for name in _JSON_FIELDS & texts.keys()}
    # One call of the encoder in C takes a third of the time that one for each member would.
    members = [json.dumps(texts)[1:-1]] if texts else []
    members += [f'"{name}":{text}' for name, text in json_texts.items()]
    return f"{{{','.join(members)}}}"


def _batch(documents: list[str], around: ContextFields) -> Statement:
    call = b"chronicle.log_audit_events(%(events)s::jsonb)"
    return _within(around, call, {"events": f"[{','.join(documents)}]"})


def _within(around: ContextFields, call: bytes, parameters: Mapping[str, object]) -> Statement:
    """A call in a context that ends with the statement, so that calls need not take turns.

    Each step reads the one before it, since nothing else says in which order they are taken.
    """
    if not _says_who(around):
        return Statement(b"select " + call, parameters)
    given = _texts(CONTEXT_FIELDS, around)
    query = b"""
        with outside as materialized (
            select pg_catalog.current_setting('chronicle.context', true) as context
        ),
        inside as materialized (select o.context, %s from outside as o),
        called as materialized (select i.context, %s as result from inside as i)
        select
            c.result,
            pg_catalog.set_config('chronicle.context', coalesce(c.context, ''), true)
        from called as c
    """
    entering, _, rest = query.partition(b"%s")
    called, _, leaving = rest.partition(b"%s")
    entered = _call("set_context", tuple(given), "context_")
    return Statement(
        b"".join((entering, entered, called, call, leaving)),
        {**parameters, **{f"context_{name}": text for name, text in given.items()}},
    )


def _says_who(around: ContextFields) -> bool:
    """Whether it says at least what kind of actor, as of an anonymous visitor."""
    return "actor_type" in around


# The context


def with_type(context: ContextFields) -> ContextFields:
    """The context as captured events have it: an id without a type is a user's."""
    if "actor_id" not in context or "actor_type" in context:
        return context
    return {**context, "actor_type": "user"}


def names_actor(context: ContextFields) -> bool:
    """Whether it can be signed."""
    return context.keys() >= {"actor_id", "actor_type"}


def enter_context(context: ContextFields) -> Statement:
    """Sets the context and returns the value from before and when the transaction began.

    The value is read in a step of its own, since nothing says in which order a select list is
    evaluated.
    """
    given = _texts(CONTEXT_FIELDS, context)
    query = b"""
        with outside as materialized (
            select
                pg_catalog.current_setting('chronicle.context', true) as context,
                extract(epoch from pg_catalog.now())::text as began
        )
        select o.context, o.began, %s from outside as o
    """
    return Statement(query.replace(b"%s", _call("set_context", tuple(given))), given)


def outer_context() -> Statement:
    """The value that stands now, when the transaction began, and its challenge."""
    return Statement(
        b"""
        select
            pg_catalog.current_setting('chronicle.context', true),
            extract(epoch from pg_catalog.now())::text,
            chronicle.context_challenge()
        """,
        {},
    )


def leave_context(outer: str | None, began: str) -> Statement:
    """Brings the outer value back, unless the transaction in which it stood is over.

    It needs no right: the role may be another by now.
    """
    return Statement(
        b"""
        select pg_catalog.set_config('chronicle.context', %(outer)s::text, true)
        where extract(epoch from pg_catalog.now())::text = %(began)s::text
        """,
        {"outer": outer or "", "began": began},
    )


def set_signed_context(token: str) -> Statement:
    return Statement(b"select chronicle.set_signed_context(%(token)s::text)", {"token": token})


def context_challenge() -> Statement:
    return Statement(b"select chronicle.context_challenge()", {})


def current_context() -> Statement:
    return Statement(b"select chronicle.current_context()", {}, returns_json=True)


def clear_context() -> Statement:
    return Statement(b"select chronicle.clear_context()", {})


# Reading


def events(
    filters: EventFilters, table_ids: list[int] | None, limit: int, cursor: str | None
) -> Statement:
    conditions, parameters = _conditions(EVENT_FILTERS, filters)
    if table_ids is not None:
        conditions.append("e.table_id = any(%(table_ids)s::integer[])")
        parameters["table_ids"] = table_ids
    return _page(_EVENTS, conditions, parameters, _BY_TIME, limit, cursor)


def event(event_id: object) -> Statement:
    query = f"{_EVENTS}\nwhere e.event_id = %(event_id)s::uuid"
    return Statement(query.encode(), {"event_id": str(event_id)}, returns_json=True)


def row_changes(
    filters: RowChangeFilters, table_ids: list[int] | None, limit: int, cursor: str | None
) -> Statement:
    conditions, parameters = _conditions(ROW_CHANGE_FILTERS, filters)
    if table_ids is not None:
        conditions.append("e.table_id = any(%(table_ids)s::integer[])")
        parameters["table_ids"] = table_ids
    order = _BY_SEQ if "record_id" in parameters else _BY_TIME
    return _page(_ROW_CHANGES, conditions, parameters, order, limit, cursor)


def events_since(cursor: str | None, limit: int) -> Statement:
    """Each row begins with the head of the stream and the cursor behind its event.

    Without any event there is one row, with the head alone.
    """
    query = f"""
        select h.cursor, chronicle.event_cursor(e), {_columns(Event)}
        from (select chronicle.stream_head()) as h (cursor)
        left join chronicle.events_since(%(cursor)s::text, %(limit)s::integer) as e on true
    """  # noqa: S608  the columns are ours
    return Statement(query.encode(), {"cursor": cursor, "limit": str(limit)}, returns_json=True)


def stream_head() -> Statement:
    return Statement(b"select chronicle.stream_head()", {})


def event_page(rows: list[Event], limit: int) -> EventPage:
    """The page that the rows of ``events`` make: one above the limit says that others follow."""
    return EventPage(events=rows[:limit], next_cursor=_next_cursor(rows, limit, _BY_TIME))


def row_change_page(rows: list[RowChange], filters: RowChangeFilters, limit: int) -> RowChangePage:
    """The same for ``row_changes``."""
    order = _BY_TIME if filters.get("record_id") is None else _BY_SEQ
    return RowChangePage(row_changes=rows[:limit], next_cursor=_next_cursor(rows, limit, order))


def _page(
    query: str,
    conditions: list[str],
    parameters: dict[str, object],
    order: Mapping[str, str],
    limit: int,
    cursor: str | None,
) -> Statement:
    if limit < 1:
        raise WrongFieldError(f"limit is {limit}, less than 1")
    if cursor is not None:
        key = ", ".join(f"e.{name}" for name in order)
        values = ", ".join(f"%(cursor_{name})s::{kind}" for name, kind in order.items())
        conditions.append(f"({key}) < ({values})")
        texts = _read_cursor(cursor, order)
        parameters |= {f"cursor_{name}": text for name, text in texts.items()}
    if conditions:
        query += "\nwhere " + "\n    and ".join(conditions)
    query += "\norder by " + ", ".join(f"e.{name} desc" for name in order)
    query += "\nlimit %(limit)s::bigint"
    parameters["limit"] = str(limit + 1)
    return Statement(query.encode(), parameters, returns_json=True)


def _conditions(
    columns: Mapping[str, str], filters: EventFilters | RowChangeFilters
) -> tuple[list[str], dict[str, object]]:
    given = {name: value for name, value in filters.items() if name != "table"}
    kinds = {**columns, "is_system_wide": "boolean", "since": "timestamptz", "until": "timestamptz"}
    parameters: dict[str, object] = {**_texts(kinds, given)}
    conditions = [
        _CONDITIONS.get(name) or f"e.{name} = %({name})s::{columns[name]}" for name in parameters
    ]
    return conditions, parameters


def _next_cursor(
    rows: list[Event] | list[RowChange], limit: int, order: Mapping[str, str]
) -> str | None:
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    key = "|".join(_text(kind, getattr(last, name), name) for name, kind in order.items())
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _read_cursor(cursor: str, order: Mapping[str, str]) -> dict[str, str]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        texts = base64.b64decode(padded, altchars=b"-_", validate=True).decode().split("|")
    except ValueError:
        texts = []
    if len(texts) != len(order):
        raise WrongFieldError(
            "the cursor is not one of this listing",
            detail=f"It is {cursor!r}.",
            hint="Pass the next_cursor of the page before, with the same filters.",
        )
    return dict(zip(order, texts, strict=True))


# Tracking


def enable_tracking(table: Table, options: Mapping[str, object]) -> Statement:
    parameters: dict[str, object] = {"table": table_text(table)}
    query = "select chronicle.enable_tracking(_table => %(table)s::regclass"
    for name, kind in _TRACKING_OPTIONS.items():
        value = options[name]
        if value is None:
            continue
        query += f", _{name} => %({name})s::{kind}"
        parameters[name] = (
            list(cast("Iterable[str]", value)) if kind == "name[]" else _text(kind, value, name)
        )
    return Statement(f"{query})".encode(), parameters)


def disable_tracking(table: Table) -> Statement:
    query = b"select chronicle.disable_tracking(%(table)s::regclass)"
    return Statement(query, {"table": table_text(table)})


def refresh_tracking(table: Table | None) -> Statement:
    query = _select("chronicle.refresh_tracking(%(table)s::regclass)", RefreshedTable)
    text = None if table is None else table_text(table)
    return Statement(query.encode(), {"table": text})


def tracked_tables() -> Statement:
    query = f"{_TRACKED_TABLES}\norder by 2, 3, 1"
    return Statement(query.encode(), {})


def table_ids(table: Table) -> Statement:
    """The ids of the tracked tables of a name, which may be gone by now."""
    return Statement(
        b"""
        select t.table_id
        from chronicle.tracked_tables as t
        cross join lateral pg_catalog.parse_ident(%(table)s::text) as p (names)
        where t.table_name = p.names[pg_catalog.cardinality(p.names)]
            and (
                pg_catalog.cardinality(p.names) = 1
                or t.schema_name = p.names[pg_catalog.cardinality(p.names) - 1]
            )
        """,
        {"table": table_text(table)},
    )


def qualified_name(table: Table) -> Statement:
    """The name of a table as it can stand in a statement, whatever the search path."""
    return Statement(
        b"""
        select pg_catalog.format('%%I.%%I', n.nspname, c.relname)
        from pg_catalog.pg_class as c
        inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        where c.oid = %(table)s::regclass
        """,
        {"table": table_text(table)},
    )


def table_text(table: Table) -> str:
    """A table's name as SQL."""
    return table.as_string(None) if isinstance(table, sql.Identifier) else table


# History


def record_history(table: Table, record_id: Id) -> Statement:
    record, parameters = key(record_id)
    query = _select(f"chronicle.record_history(%(table)s::regclass, {record})", RecordChange)
    parameters["table"] = table_text(table)
    return Statement(f"{query}\norder by e.seq".encode(), parameters, returns_json=True)


def record_as_of(table: Table, record_id: Id, at: datetime) -> Statement:
    record, parameters = key(record_id)
    query = f"select chronicle.record_as_of(%(table)s::regclass, {record}, %(at)s::timestamptz)"
    parameters |= {"table": table_text(table), "at": _text("timestamptz", at, "at")}
    return Statement(query.encode(), parameters, returns_json=True)


def rows_as_of(
    qualified_name: str, at: datetime, order_by: Iterable[str], limit: int | None
) -> Statement:
    """The rows of a table, whose name stands in the statement: it is what gives them their type."""
    # A sign of percent would be taken for a parameter.
    name = qualified_name.replace("%", "%%")
    rows = f"chronicle.rows_as_of(null::{name}, %(at)s::timestamptz)"
    query = f"select r.* from {rows} as r"  # noqa: S608  the server has quoted the name
    parameters: dict[str, object] = {"at": _text("timestamptz", at, "at")}
    columns = [sql.Identifier(column).as_string(None).replace("%", "%%") for column in order_by]
    if columns:
        query += "\norder by " + ", ".join(f"r.{column}" for column in columns)
    if limit is not None:
        query += "\nlimit %(limit)s::bigint"
        parameters["limit"] = str(limit)
    return Statement(query.encode(), parameters)


def revert_event(event_id: object, dry_run: bool) -> Statement:
    query = b"select chronicle.revert_event(%(event_id)s::uuid, %(dry_run)s::boolean)"
    return Statement(query, {"event_id": str(event_id), "dry_run": str(dry_run)})


def revert_transaction(transaction_id: int, epoch: int | None, dry_run: bool) -> Statement:
    return Statement(
        b"""
        select chronicle.revert_transaction(
            %(transaction_id)s::bigint, %(epoch)s::integer, %(dry_run)s::boolean
        )
        """,
        {
            "transaction_id": str(transaction_id),
            "epoch": _optional(epoch),
            "dry_run": str(dry_run),
        },
    )


def snapshot_table(table: Table, batch_size: int | None) -> Statement:
    source = "chronicle.snapshot_table(%(table)s::regclass, %(batch_size)s::integer)"
    return Statement(
        _select(source, SnapshotProgress).encode(),
        {"table": table_text(table), "batch_size": _optional(batch_size)},
    )


def import_events(source: str, query: str, batch_size: int | None) -> Statement:
    function = "chronicle.import_events(%(source)s::text, %(query)s::text, %(batch_size)s::integer)"
    return Statement(
        _select(function, ImportProgress).encode(),
        {"source": source, "query": query, "batch_size": _optional(batch_size)},
    )


def key(record_id: Id) -> tuple[str, dict[str, object]]:
    """An expression for the key of a record, as the log writes it, and its parameters."""
    if not isinstance(record_id, Mapping):
        return "%(record_id)s::text", {"record_id": _key_text(record_id)}
    columns = cast("Mapping[str, object]", record_id)
    # Only the server knows how jsonb orders and spaces its members.
    return (
        "pg_catalog.jsonb_object(%(key_columns)s::text[], %(key_values)s::text[])::text",
        {"key_columns": list(columns), "key_values": [_key_text(v) for v in columns.values()]},
    )


def _key_text(value: object) -> str:
    """A value as the format function of PostgreSQL writes it into a key."""
    match value:
        case None:
            return ""
        case bool():
            return "t" if value else "f"
        case _:
            return str(value)


def _optional(value: int | None) -> str | None:
    return None if value is None else str(value)


# Seals


def seal_events(limit: int) -> Statement:
    return Statement(b"select chronicle.seal_events(%(limit)s::integer)", {"limit": str(limit)})


def verify_log(from_batch: int, to_batch: int | None) -> Statement:
    source = "chronicle.verify_log(%(from_batch)s::bigint, %(to_batch)s::bigint)"
    return Statement(
        _select(source, Finding).encode(),
        {"from_batch": str(from_batch), "to_batch": _optional(to_batch)},
    )


def checkpoint(size: int | None) -> Statement:
    return Statement(b"select chronicle.checkpoint(%(size)s::bigint)", {"size": _optional(size)})


def inclusion_proof(event_id: object, size: int | None) -> Statement:
    query = b"select chronicle.inclusion_proof(%(event_id)s::uuid, %(size)s::bigint)"
    return Statement(query, {"event_id": str(event_id), "size": _optional(size)})


def consistency_proof(old: int, new: int | None) -> Statement:
    query = b"select chronicle.consistency_proof(%(old)s::bigint, %(new)s::bigint)"
    return Statement(query, {"old": str(old), "new": _optional(new)})


def begin_epoch(reason: str) -> Statement:
    return Statement(b"select chronicle.begin_epoch(%(reason)s::text)", {"reason": reason})


def seal_status() -> Statement:
    return Statement(_select("chronicle.seal_status", SealStatus).encode(), {})


def enable_erasure() -> Statement:
    return Statement(b"select chronicle.enable_erasure()", {})


def erase_payload(event_id: object, legal_basis: str) -> Statement:
    query = b"select chronicle.erase_payload(%(event_id)s::uuid, %(legal_basis)s::text)"
    return Statement(query, {"event_id": str(event_id), "legal_basis": legal_basis})


def erase_subject(legal_basis: str, subject: Mapping[str, object]) -> Statement:
    given = _texts(_SUBJECT, subject)
    arguments = "".join(f", _{name} => %({name})s::{_SUBJECT[name]}" for name in given)
    query = f"select chronicle.erase_subject(_legal_basis => %(legal_basis)s::text{arguments})"
    return Statement(query.encode(), {"legal_basis": legal_basis, **given})


# Keeping


def settings() -> Statement:
    query = f"{_SETTINGS}\norder by e.name"
    return Statement(query.encode(), {}, returns_json=True)


def set_setting(name: str, value: object) -> Statement:
    query = b"select chronicle.set_setting(%(name)s::text, %(value)s::jsonb)"
    return Statement(query, {"name": name, "value": _json.dumps(value)})


def register_resource_type(name: str, description: str) -> Statement:
    query = b"select chronicle.register_resource_type(%(name)s::text, %(description)s::text)"
    return Statement(query, {"name": name, "description": description})


def register_action(name: str, description: str) -> Statement:
    query = b"select chronicle.register_action(%(name)s::text, %(description)s::text)"
    return Statement(query, {"name": name, "description": description})


def add_administrator(principal: str, organization_id: object) -> Statement:
    return _administrator(b"add_administrator", principal, organization_id)


def remove_administrator(principal: str, organization_id: object) -> Statement:
    return _administrator(b"remove_administrator", principal, organization_id)


def add_context_key(key_id: str, secret: bytes | None) -> Statement:
    query = b"select chronicle.add_context_key(%(key_id)s::text, %(secret)s::bytea)"
    return Statement(query, {"key_id": key_id, "secret": secret})


def retire_context_key(key_id: str) -> Statement:
    return Statement(b"select chronicle.retire_context_key(%(key_id)s::text)", {"key_id": key_id})


def context_keys() -> Statement:
    return Statement(f"{_CONTEXT_KEYS}\norder by e.created_at, e.key_id".encode(), {})


def add_trusted_gateway(role_name: str) -> Statement:
    query = b"select chronicle.add_trusted_gateway(%(role_name)s::text)"
    return Statement(query, {"role_name": role_name})


def remove_trusted_gateway(role_name: str) -> Statement:
    query = b"select chronicle.remove_trusted_gateway(%(role_name)s::text)"
    return Statement(query, {"role_name": role_name})


def trusted_gateways() -> Statement:
    query = b"select g.role_name from chronicle.trusted_gateways as g order by g.role_name"
    return Statement(query, {})


def ensure_partitions(ahead: int | None) -> Statement:
    query = b"select chronicle.ensure_partitions(%(ahead)s::integer)"
    return Statement(query, {"ahead": _optional(ahead)})


def _administrator(function: bytes, principal: str, organization_id: object) -> Statement:
    query = b"select chronicle." + function + b"(%(principal)s::text, %(organization_id)s::text)"
    organization = None if organization_id is None else str(organization_id)
    return Statement(query, {"principal": principal, "organization_id": organization})


# Arguments as text


@lru_cache(maxsize=1024)
def _call(function: str, names: tuple[str, ...], prefix: str = "") -> bytes:
    arguments = ", ".join(f"_{name} => %({prefix}{name})s::{EVENT_FIELDS[name]}" for name in names)
    return f"chronicle.{function}({arguments})".encode()


def _texts(kinds: Mapping[str, str], arguments: Mapping[str, object]) -> dict[str, str]:
    """What was given, as text, in the one order in which statements name it."""
    unknown = arguments.keys() - kinds.keys()
    if unknown:
        raise TypeError(f"there is no argument {', '.join(map(repr, sorted(unknown)))}")
    return {
        name: _text(kind, value, name)
        for name, kind in kinds.items()
        if (value := arguments.get(name)) is not None
    }


def _text(kind: str, value: object, name: str) -> str:
    if kind == "jsonb":
        return _json.dumps(value)
    if isinstance(value, datetime):
        if kind == "timestamptz" and value.tzinfo is None:
            raise WrongFieldError(
                f"{name} has no time zone",
                detail=f"It is {value.isoformat()}.",
                hint="Say in which zone, as in datetime.now(UTC).",
            )
        return value.isoformat()
    return str(value)
