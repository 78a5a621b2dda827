"""OCSF: held to the schema as it is published."""

import json
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from formats.samples import FULL, KINDS, events, sample
from pgchronicle import Event, __version__
from pgchronicle._json import loads
from pgchronicle.formats import ocsf

SCHEMA = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=ocsf.VERSION))

VALIDATORS: dict[tuple[str, ...], Draft202012Validator] = {}


def _validator(found: dict[str, Any]) -> Draft202012Validator:
    """That of the class and the profiles that an event says it has."""
    name = SCHEMA.lookup_class_name_from_uid(found["class_uid"])
    profiles = found["metadata"].get("profiles", [])
    key = (name, *profiles)
    if key not in VALIDATORS:
        VALIDATORS[key] = Draft202012Validator(SCHEMA.get_class_schema(name, profiles))
    return VALIDATORS[key]


def _check(event: Event) -> None:
    text = ocsf.to_text(event)
    assert text.isascii()
    assert text.isprintable()
    found = json.loads(text)
    _validator(found).validate(found)  # pyright: ignore[reportUnknownMemberType]  its stubs
    assert found["type_uid"] == found["class_uid"] * 100 + found["activity_id"]


def _mapped(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = loads(ocsf.to_text(event, "postgresql://db/shop"))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_event_of_any_kind_conforms_to_the_schema(kind: str) -> None:
    _check(KINDS[kind])


@given(event=events)
def test_any_event_conforms_to_the_schema(event: Event) -> None:
    _check(event)


def test_what_an_application_logged_is_api_activity() -> None:
    assert _mapped(FULL) == {
        "class_uid": 6003,
        "class_name": "API Activity",
        "category_uid": 6,
        "category_name": "Application Activity",
        "activity_id": 3,
        "activity_name": "Update",
        "type_uid": 600303,
        "type_name": "API Activity: Update",
        "time": 1767323045678,
        "severity_id": 3,
        "severity": "Medium",
        "status_id": 2,
        "status": "Failure",
        "status_code": "E7",
        "status_detail": "too cheap",
        "duration": 12,
        "message": "Changed the price",
        "metadata": {
            "version": "1.8.0",
            "profiles": ["trace"],
            "product": {
                "name": "pgchronicle",
                "vendor_name": "pgchronicle",
                "version": __version__,
            },
            "uid": "019a9e1c-5f1d-7c3a-9a52-3c1f4be0a7d1",
            "sequence": 99,
            "event_code": "price.change",
            "log_name": "chronicle.events",
            "log_source": "postgresql://db/shop",
            "logged_time": 1767323046000,
            "tenant_uid": "acme",
            "correlation_uid": "o",
        },
        "actor": {
            "user": {
                "uid": "ada",
                "type": "employee",
                "type_id": 1,
                "groups": [{"name": "buyer", "type": "role"}],
            },
            "session": {"uid": "s"},
        },
        "src_endpoint": {"ip": "192.0.2.7"},
        "http_request": {"uid": "r", "user_agent": "curl/8"},
        "api": {"operation": "price.change"},
        "resources": [{"type": "product", "uid": "P-7"}],
        "trace": {"uid": "0af7651916cd43dd8448eb211c80319c"},
        "unmapped": {
            "transaction_id": 4711,
            "epoch": 1,
            "schema_version": 1,
            "settled_after": 4713,
            "impersonator_id": "bob",
            "is_ai_action": True,
            "db_user": "app",
            "context_state": "verified",
            "origin": "logged",
            "action_type": "update",
            "action_meta": {"screen": "prices"},
            "reason": "season",
            "related_resources": [{"resource_type": "list"}],
            "details_before": FULL.details_before,
            "details_after": {"price": 2, "note": None},
            "changed_columns": ["price", "note"],
            "payload_error": "too large",
            "ai_metadata": {"model": "m"},
            "ai_operation_id": "00000000-0000-0000-0000-000000000002",
            "parent_event_id": "00000000-0000-0000-0000-000000000001",
            "client_info": {"span_id": "b7ad6b7169203331"},
        },
    }


@pytest.mark.parametrize(
    ("kind", "type_uid", "name"),
    [
        ("insert", 600506, "Create"),
        ("update", 600502, "Update"),
        ("delete", 600507, "Delete"),
        ("truncate", 600507, "Delete"),
        ("snapshot", 600599, "orders.snapshot"),
        ("plain", 600302, "Read"),
        ("imported", 600303, "Update"),
        ("management", 600301, "Create"),
        ("execute", 600399, "report.run"),
    ],
)
def test_kind_of_event_decides_class_and_activity(kind: str, type_uid: int, name: str) -> None:
    found = _mapped(KINDS[kind])
    assert (found["type_uid"], found["activity_name"]) == (type_uid, name)


def test_change_of_a_row_names_its_table_and_holds_both_states() -> None:
    found = _mapped(KINDS["update"])
    assert found["table"] == {"name": "orders", "uid": "3"}
    assert found["unmapped"]["resource_id"] == "7"
    assert found["unmapped"]["details_before"] == KINDS["update"].details_before
    assert found["unmapped"]["details_after"] == KINDS["update"].details_after


@pytest.mark.parametrize(
    ("actor_type", "type_id"),
    [
        *(("user", 1), ("employee", 1), ("customer", 1), ("admin", 2), ("service", 4)),
        *(("system", 3), ("ai", 99), ("anonymous", 0)),
    ],
)
def test_every_kind_of_actor_has_its_number(actor_type: Any, type_id: int) -> None:
    user = _mapped(sample(actor_type=actor_type))["actor"]["user"]
    assert user == {"uid": "ada", "type": actor_type, "type_id": type_id}


def test_actor_without_an_id_is_unknown() -> None:
    assert _mapped(KINDS["anonymous"])["actor"] == {
        "user": {"name": "Unknown", "type": "anonymous", "type_id": 0}
    }


@pytest.mark.parametrize(
    ("severity", "severity_id"), [("info", 1), ("warning", 3), ("error", 4), ("critical", 5)]
)
def test_severities_keep_their_order(severity: Any, severity_id: int) -> None:
    assert _mapped(sample(severity=severity))["severity_id"] == severity_id


def test_time_before_1970_is_not_rounded_into_it() -> None:
    assert _mapped(KINDS["imported"])["time"] == -1
