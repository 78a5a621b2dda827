"""ECS: held to the fields, types and categories that Elastic publishes."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Any, cast

import pytest
from hypothesis import given

from formats.samples import FULL, KINDS, events, sample
from pgchronicle import Event
from pgchronicle._json import loads
from pgchronicle.formats import ecs

# From generated/ecs/ecs_flat.yml of elastic/ecs, v9.4.0: the types of the fields that are used, a
# star for those that are normalized to arrays.
FIELDS = {
    "@timestamp": "date",
    "ecs.version": "keyword",
    "error.code": "keyword",
    "error.message": "match_only_text",
    "event.action": "keyword",
    "event.category": "keyword*",
    "event.created": "date",
    "event.dataset": "keyword",
    "event.duration": "long",
    "event.id": "keyword",
    "event.kind": "keyword",
    "event.module": "keyword",
    "event.outcome": "keyword",
    "event.reason": "keyword",
    "event.sequence": "long",
    "event.severity": "long",
    "event.type": "keyword*",
    "http.request.id": "keyword",
    "log.level": "keyword",
    "message": "match_only_text",
    "organization.id": "keyword",
    "related.ip": "ip*",
    "related.user": "keyword*",
    "service.address": "keyword",
    "service.type": "keyword",
    "source.ip": "ip",
    "trace.id": "keyword",
    "user.effective.id": "keyword",
    "user.effective.roles": "keyword*",
    "user.id": "keyword",
    "user.roles": "keyword*",
    "user_agent.original": "keyword",
}
# From the same: the types that are expected of a category, and the outcomes.
EXPECTED_TYPES = {
    "api": {
        *("access", "admin", "allowed", "change", "creation", "deletion", "denied", "end"),
        *("info", "start", "user"),
    },
    "configuration": {"access", "change", "creation", "deletion", "info"},
    "database": {"access", "change", "info", "error"},
}
OUTCOMES = {"success", "failure", "unknown"}


def _flat(members: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in members.items():
        if type(value) is dict:
            yield from _flat(cast("dict[str, Any]", value), f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "keyword" | "match_only_text":
            return isinstance(value, str)
        case "long":
            return type(value) is int and -(2**63) <= value < 2**63
        case "date":
            return datetime.fromisoformat(value).tzinfo is not None
        case "ip":
            return str(ip_address(value)) == str(value)
        case _:
            return False


def _check(event: Event) -> None:
    text = ecs.to_text(event)
    assert text.isascii()
    assert text.isprintable()
    found = json.loads(text)
    own = found.pop("pgchronicle")
    for field, value in _flat(found):
        kind = FIELDS[field]
        values: list[Any] = value if kind.endswith("*") else [value]
        assert type(values) is list, field
        for each in values:
            assert _is(each, kind.rstrip("*")), (field, each)
    assert found["event"]["kind"] == "event"
    assert found["event"]["outcome"] in OUTCOMES
    (category,) = found["event"]["category"]
    assert set(found["event"]["type"]) <= EXPECTED_TYPES[category]
    # Two documents that differ in a member's type could not stand in one index.
    assert {type(value) for value in own.values()} <= {str, int, bool}


def _mapped(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = loads(ecs.to_text(event, "postgresql://db/shop"))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_event_of_any_kind_conforms_to_the_schema(kind: str) -> None:
    _check(KINDS[kind])


@given(event=events)
def test_any_event_conforms_to_the_schema(event: Event) -> None:
    _check(event)


def test_everything_has_its_place() -> None:
    assert _mapped(FULL) == {
        "@timestamp": "2026-01-02T03:04:05.678901Z",
        "ecs": {"version": "9.4.0"},
        "message": "Changed the price",
        "event": {
            "kind": "event",
            "category": ["api"],
            "type": ["change"],
            "action": "price.change",
            "outcome": "failure",
            "id": "019a9e1c-5f1d-7c3a-9a52-3c1f4be0a7d1",
            "sequence": 99,
            "created": "2026-01-02T03:04:06.000000Z",
            "duration": 12_000_000,
            "severity": 2,
            "reason": "season",
            "module": "pgchronicle",
            "dataset": "pgchronicle.events",
        },
        "log": {"level": "warning"},
        "service": {"type": "postgresql", "address": "postgresql://db/shop"},
        "user": {"id": "bob", "effective": {"id": "ada", "roles": ["buyer"]}},
        "organization": {"id": "acme"},
        "source": {"ip": "192.0.2.7"},
        "user_agent": {"original": "curl/8"},
        "http": {"request": {"id": "r"}},
        "trace": {"id": "0af7651916cd43dd8448eb211c80319c"},
        "error": {"code": "E7", "message": "too cheap"},
        "related": {"user": ["ada", "bob", "app"], "ip": ["192.0.2.7"]},
        "pgchronicle": {
            "transaction_id": 4711,
            "epoch": 1,
            "schema_version": 1,
            "settled_after": 4713,
            "actor_type": "employee",
            "is_ai_action": True,
            "db_user": "app",
            "context_state": "verified",
            "origin": "logged",
            "action_type": "update",
            "action_meta": '{"screen":"prices"}',
            "resource_type": "product",
            "resource_id": "P-7",
            "related_resources": '[{"resource_type":"list"}]',
            "details_before": '{"price":12345678901234567890.1234567890}',
            "details_after": '{"price":2,"note":null}',
            "changed_columns": '["price","note"]',
            "payload_error": "too large",
            "ai_metadata": '{"model":"m"}',
            "ai_operation_id": "00000000-0000-0000-0000-000000000002",
            "session_id": "s",
            "operation_id": "o",
            "parent_event_id": "00000000-0000-0000-0000-000000000001",
            "client_info": '{"span_id":"b7ad6b7169203331"}',
        },
    }


@pytest.mark.parametrize(
    ("kind", "category", "type_"),
    [
        ("insert", "database", "change"),
        ("update", "database", "change"),
        ("delete", "database", "change"),
        ("truncate", "database", "change"),
        ("snapshot", "database", "info"),
        ("plain", "api", "access"),
        ("imported", "api", "change"),
        ("execute", "api", "info"),
        ("management", "configuration", "creation"),
    ],
)
def test_kind_of_event_decides_category_and_type(kind: str, category: str, type_: str) -> None:
    found = _mapped(KINDS[kind])["event"]
    assert (found["category"], found["type"]) == ([category], [type_])


def test_who_acted_as_nobody_else_is_the_user() -> None:
    assert _mapped(sample(actor_role="clerk"))["user"] == {"id": "ada", "roles": ["clerk"]}


def test_nobody_is_named_where_nobody_is_known() -> None:
    found = _mapped(KINDS["anonymous"])
    assert "user" not in found
    assert found["related"] == {"user": ["app"]}


@pytest.mark.parametrize(
    ("severity", "number"), [("info", 1), ("warning", 2), ("error", 3), ("critical", 4)]
)
def test_severities_keep_their_order(severity: Any, number: int) -> None:
    found = _mapped(sample(severity=severity))
    assert (found["event"]["severity"], found["log"]["level"]) == (number, severity)


def test_states_can_be_read_back_to_the_digit() -> None:
    event = KINDS["awkward"]
    own = _mapped(event)["pgchronicle"]
    assert loads(own["details_after"]) == event.details_after
