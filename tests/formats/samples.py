"""Events of every kind, and random ones."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import ip_address, ip_interface
from typing import Any, get_args
from uuid import UUID

from hypothesis import strategies as st

from pgchronicle import Event, models

AWKWARD = 'a|b=c\\d\\n"e",\n\r\n\tf\x1b[31m\x85\u2028g \N{GRINNING FACE} é\x7f'
"""What is special in one of the formats, on a terminal or to somebody who looks for lines."""

EXACT = Decimal("12345678901234567890.1234567890")
"""A number that no floating point has."""

_PLAIN = Event(
    event_id=UUID("019a9e1c-5f1d-7c3a-9a52-3c1f4be0a7d1"),
    seq=99,
    transaction_id=4711,
    epoch=1,
    schema_version=1,
    settled_after=None,
    occurred_at=datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
    recorded_at=datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC),
    organization_id=None,
    actor_type="user",
    actor_id="ada",
    actor_role=None,
    impersonator_id=None,
    is_ai_action=False,
    db_user="app",
    context_state="asserted",
    origin="logged",
    action_type="read",
    action="invoice.read",
    action_description=None,
    action_meta=None,
    reason=None,
    resource_type="invoice",
    resource_id=None,
    related_resources=None,
    table_id=None,
    details_before=None,
    details_after=None,
    changed_columns=None,
    payload_error=None,
    payload_salt=UUID("00000000-0000-4000-8000-000000000000"),
    ai_metadata=None,
    ai_operation_id=None,
    severity="info",
    status="success",
    error_code=None,
    error_message=None,
    duration_ms=None,
    session_id=None,
    request_id=None,
    trace_id=None,
    operation_id=None,
    parent_event_id=None,
    ip_address=None,
    user_agent=None,
    client_info=None,
)


def sample(**said: Any) -> Event:
    """An event that says nothing but what every event says, and what is given."""
    values = {field.name: getattr(_PLAIN, field.name) for field in fields(Event)}
    return Event(**{**values, **said})


FULL = sample(
    settled_after=4713,
    organization_id="acme",
    actor_type="employee",
    actor_role="buyer",
    impersonator_id="bob",
    is_ai_action=True,
    context_state="verified",
    action_type="update",
    action="price.change",
    action_description="Changed the price",
    action_meta={"screen": "prices"},
    reason="season",
    resource_type="product",
    resource_id="P-7",
    related_resources=[{"resource_type": "list"}],
    details_before={"price": EXACT},
    details_after={"price": 2, "note": None},
    changed_columns=["price", "note"],
    payload_error="too large",
    ai_metadata={"model": "m"},
    ai_operation_id=UUID(int=2),
    severity="warning",
    status="failure",
    error_code="E7",
    error_message="too cheap",
    duration_ms=12,
    session_id="s",
    request_id="r",
    trace_id="0af7651916cd43dd8448eb211c80319c",
    operation_id="o",
    parent_event_id=UUID(int=1),
    ip_address=ip_address("192.0.2.7"),
    user_agent="curl/8",
    client_info={"span_id": "b7ad6b7169203331"},
)
"""An event that says all it can."""

_ROW: dict[str, Any] = {
    "origin": "captured",
    "resource_type": "orders",
    "resource_id": "7",
    "table_id": 3,
}

KINDS: Mapping[str, Event] = {
    "plain": _PLAIN,
    "full": FULL,
    "insert": sample(
        **_ROW,
        action_type="create",
        action="orders.create",
        details_after={"id": 7, "total": EXACT},
    ),
    "update": sample(
        **_ROW,
        action_type="update",
        action="orders.update",
        details_before={"total": EXACT, "gone": None},
        details_after={"total": Decimal("2.00"), "gone": None},
        changed_columns=["total"],
    ),
    "delete": sample(
        **_ROW, action_type="delete", action="orders.delete", details_before={"id": 7}
    ),
    "truncate": sample(
        **{**_ROW, "resource_id": None}, action_type="delete", action="orders.truncate"
    ),
    "snapshot": sample(
        **{**_ROW, "origin": "snapshot"},
        action_type="other",
        action="orders.snapshot",
        details_after={"id": 7},
    ),
    "traced row": sample(
        **_ROW, action_type="update", action="orders.update", trace_id=FULL.trace_id
    ),
    "imported": sample(
        origin="imported",
        action_type="update",
        action="stock.update",
        resource_type="stock",
        occurred_at=datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
        details_after={"amount": 5},
    ),
    "management": sample(
        actor_type="system",
        actor_id="admin",
        context_state="absent",
        action_type="create",
        action="chronicle.tracking.enable",
        resource_type="chronicle.tracked_table",
        resource_id="shop.orders",
        details_after={"capture": "changes"},
    ),
    "failure": sample(status="failure", severity="critical", error_code="E1", error_message="no"),
    "anonymous": sample(actor_type="anonymous", actor_id=None),
    "execute": sample(action_type="execute", action="report.run", resource_type="report"),
    "ipv6": sample(ip_address=ip_address("2001:db8::7")),
    "network": sample(ip_address=ip_interface("192.0.2.7/24")),
    "traceparent": sample(trace_id="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    "empty": sample(
        actor_id="",
        organization_id="",
        resource_id="",
        action_description="",
        details_before={},
        related_resources=[],
        changed_columns=[],
    ),
    "awkward": sample(
        organization_id=AWKWARD,
        actor_id=AWKWARD,
        actor_role=AWKWARD,
        action=AWKWARD,
        action_description=AWKWARD,
        resource_type=AWKWARD,
        resource_id=AWKWARD,
        reason=AWKWARD,
        error_code=AWKWARD,
        user_agent=AWKWARD,
        operation_id=AWKWARD,
        details_after={AWKWARD: [AWKWARD, None, EXACT]},
        changed_columns=[AWKWARD],
    ),
    "huge": sample(details_after={"body": "x" * 10_000_000}, action_description="y" * 5000),
}
"""An event of each kind, and of each that could go wrong."""


def event_of(columns: Mapping[str, Any]) -> Event:
    """The event whose columns, as JSON has them, were read back; what is missing was null."""
    return Event(
        **{field.name: _read(field.name, columns.get(field.name)) for field in fields(Event)}
    )


def plainly(columns: Mapping[str, str | None]) -> dict[str, Any]:
    """Columns that were read back as texts, as JSON has them."""
    return {
        name: text if text is None or name in _TEXTS else json.loads(text, parse_float=Decimal)
        for name, text in columns.items()
    }


_TIMES = ("occurred_at", "recorded_at")
_UUIDS = ("event_id", "payload_salt", "ai_operation_id", "parent_event_id")
_JSON = {
    *("action_meta", "related_resources", "details_before", "details_after", "changed_columns"),
    *("ai_metadata", "client_info"),
}
_NUMBERS = {
    *("seq", "transaction_id", "epoch", "schema_version", "settled_after", "table_id"),
    *("duration_ms", "is_ai_action"),
}
_TEXTS = {field.name for field in fields(Event)} - _JSON - _NUMBERS


def _read(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _TIMES:
        return datetime.fromisoformat(value)
    if name in _UUIDS:
        return UUID(value)
    if name == "ip_address":
        return ip_interface(value) if "/" in value else ip_address(value)
    return value


# Random events

# What PostgreSQL has as text: no surrogates, and no zero.
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
_DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _DECIMALS | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_OBJECTS = st.dictionaries(_TEXT, _VALUES, max_size=3)
_BIGINTS = st.integers(0, 2**63 - 1)
_INTEGERS = st.integers(0, 2**31 - 1)
_MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
_NETWORKS = st.ip_addresses().map(lambda ip: ip_interface(f"{ip}/24"))
_OF = {
    **dict.fromkeys(_TEXTS, _TEXT),
    **dict.fromkeys(_NUMBERS, _BIGINTS),
    **dict.fromkeys(_JSON, _OBJECTS),
    **dict.fromkeys(_TIMES, _MOMENTS),
    **dict.fromkeys(_UUIDS, st.uuids()),
    **dict.fromkeys(("epoch", "schema_version", "table_id", "duration_ms"), _INTEGERS),
    "is_ai_action": st.booleans(),
    "changed_columns": st.lists(_TEXT, max_size=3),
    "related_resources": st.lists(_VALUES, max_size=3),
    "ip_address": st.ip_addresses() | _NETWORKS,
    "actor_type": st.sampled_from(get_args(models.ActorType)),
    "action_type": st.sampled_from(get_args(models.ActionType)),
    "severity": st.sampled_from(get_args(models.SeverityLevel)),
    "status": st.sampled_from(get_args(models.EventStatus)),
    "origin": st.sampled_from(get_args(models.EventOrigin)),
    "context_state": st.sampled_from(get_args(models.ContextState)),
}
_NULLABLE = {field.name for field in fields(Event) if getattr(_PLAIN, field.name) is None}

events: st.SearchStrategy[Event] = st.builds(
    Event,
    **{
        name: st.none() | values if name in _NULLABLE | {"actor_id"} else values
        for name, values in _OF.items()
    },
)
"""Any event that could be in a log."""
