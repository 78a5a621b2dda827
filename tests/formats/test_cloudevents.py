"""CloudEvents: read back by the SDK of those who specify them, and held to their JSON schema."""

import re
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from jsonschema import Draft7Validator

from formats.samples import FULL, KINDS, event_of, events, sample
from pgchronicle import Event
from pgchronicle._json import dumps, loads
from pgchronicle.formats import cloudevents

# CloudEvents 1.0.2, formats/cloudevents.json: what it asks for beyond the SDK.
SCHEMA = {
    "type": "object",
    "required": ["id", "source", "specversion", "type"],
    "properties": {
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1, "format": "uri-reference"},
        "specversion": {"const": "1.0"},
        "type": {"type": "string", "minLength": 1},
        "datacontenttype": {"type": "string", "minLength": 1},
        "subject": {"type": "string", "minLength": 1},
        "time": {"type": "string", "minLength": 1, "format": "date-time"},
        "data": {"type": "object"},
    },
    # spec.md, "Attribute Naming Convention".
    "propertyNames": {"pattern": "^[a-z0-9]{1,20}$"},
}
VALIDATOR = Draft7Validator(SCHEMA, format_checker=Draft7Validator.FORMAT_CHECKER)

# spec.md, "Type System": what a String may not hold.
FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane * 0x10000 + last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)


def _check(event: Event) -> None:
    text = cloudevents.to_text(event)
    assert text.isascii()
    assert text.isprintable()
    read = JSONFormat().read(CloudEvent, text)
    found = loads(text)
    VALIDATOR.validate(found)  # pyright: ignore[reportUnknownMemberType]  its stubs
    data = found.pop("data")
    assert event_of(data) == event
    assert dumps(data.get("details_after")) == dumps(event.details_after)
    assert [value for value in found.values() if FORBIDDEN.search(value)] == []
    assert (read.get_id(), read.get_time()) == (str(event.event_id), event.occurred_at)


def _attributes(event: Event, source: str = "shop") -> dict[str, Any]:
    found: dict[str, Any] = loads(cloudevents.to_text(event, source))
    del found["data"]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_event_of_any_kind_reads_back(kind: str) -> None:
    _check(KINDS[kind])


@given(event=events)
def test_any_event_reads_back(event: Event) -> None:
    _check(event)


def test_attributes_say_what_a_router_asks() -> None:
    assert _attributes(FULL, "postgresql://db/shop") == {
        "specversion": "1.0",
        "id": "019a9e1c-5f1d-7c3a-9a52-3c1f4be0a7d1",
        "source": "postgresql://db/shop",
        "type": "pgchronicle.price.change",
        "subject": "product/P-7",
        "time": "2026-01-02T03:04:05.678901Z",
        "datacontenttype": "application/json",
        "sequence": "0000000001.0000000000000004713.0000000000000000099",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "recordedtime": "2026-01-02T03:04:06.000000Z",
        "correlationid": "o",
        "causationid": "00000000-0000-0000-0000-000000000001",
    }


def test_nulls_are_left_out_but_for_those_of_the_states() -> None:
    found = loads(cloudevents.to_text(KINDS["update"]))
    assert found["subject"] == "orders/7"
    assert None not in found.values()
    assert None not in found["data"].values()
    assert found["data"]["details_before"]["gone"] is None


def test_sequence_sorts_as_text_in_the_order_of_the_stream() -> None:
    in_order = [
        sample(epoch=1, transaction_id=9, seq=500),
        sample(epoch=1, transaction_id=8, settled_after=10, seq=11),
        sample(epoch=1, transaction_id=10, seq=101),
        sample(epoch=1, transaction_id=100, seq=7),
        sample(epoch=2, transaction_id=1, seq=1),
        sample(epoch=2**31 - 1, transaction_id=2**63 - 1, seq=2**63 - 1),
    ]
    sequences = [_attributes(event)["sequence"] for event in in_order]
    assert sorted(sequences) == sequences


@pytest.mark.parametrize(
    ("trace_id", "client_info", "traceparent"),
    [
        *((None, None, None), ("t", None, None)),
        # A trace alone is no traceparent, and a span may not be made up.
        ("0af7651916cd43dd8448eb211c80319c", None, None),
        ("0af7651916cd43dd8448eb211c80319c", {"span_id": 7}, None),
        (KINDS["traceparent"].trace_id, None, KINDS["traceparent"].trace_id),
    ],
)
def test_traceparent_is_there_where_trace_and_span_are_known(
    trace_id: str | None, client_info: dict[str, Any] | None, traceparent: str | None
) -> None:
    found = _attributes(sample(trace_id=trace_id, client_info=client_info))
    assert found.get("traceparent") == traceparent


def test_name_of_the_log_becomes_a_reference() -> None:
    found = _attributes(FULL, "shop östlich <1>")
    assert found["source"] == "shop%20%C3%B6stlich%20%3C1%3E"
