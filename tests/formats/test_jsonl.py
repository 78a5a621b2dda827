"""JSON Lines: everything an event says, to the digit, on one line."""

from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from hypothesis import given

from formats.samples import FULL, KINDS, event_of, events
from pgchronicle import Event
from pgchronicle._json import dumps, loads
from pgchronicle.formats import jsonl


def test_all_columns_are_there_under_their_names() -> None:
    assert jsonl.to_text(FULL) == (
        '{"event_id":"019a9e1c-5f1d-7c3a-9a52-3c1f4be0a7d1","seq":99,"transaction_id":4711,'
        '"epoch":1,"schema_version":1,"settled_after":4713,'
        '"occurred_at":"2026-01-02T03:04:05.678901Z","recorded_at":"2026-01-02T03:04:06.000000Z",'
        '"organization_id":"acme","actor_type":"employee","actor_id":"ada","actor_role":"buyer",'
        '"impersonator_id":"bob","is_ai_action":true,"db_user":"app","context_state":"verified",'
        '"origin":"logged","action_type":"update","action":"price.change",'
        '"action_description":"Changed the price","action_meta":{"screen":"prices"},'
        '"reason":"season","resource_type":"product","resource_id":"P-7",'
        '"related_resources":[{"resource_type":"list"}],"table_id":null,'
        '"details_before":{"price":12345678901234567890.1234567890},'
        '"details_after":{"price":2,"note":null},"changed_columns":["price","note"],'
        '"payload_error":"too large","payload_salt":"00000000-0000-4000-8000-000000000000",'
        '"ai_metadata":{"model":"m"},"ai_operation_id":"00000000-0000-0000-0000-000000000002",'
        '"severity":"warning","status":"failure","error_code":"E7","error_message":"too cheap",'
        '"duration_ms":12,"session_id":"s","request_id":"r",'
        '"trace_id":"0af7651916cd43dd8448eb211c80319c","operation_id":"o",'
        '"parent_event_id":"00000000-0000-0000-0000-000000000001","ip_address":"192.0.2.7",'
        '"user_agent":"curl/8","client_info":{"span_id":"b7ad6b7169203331"}}'
    )


@pytest.mark.parametrize("kind", KINDS)
def test_event_of_any_kind_is_one_line_that_reads_back(kind: str) -> None:
    _check(KINDS[kind])


@given(event=events)
def test_any_event_reads_back(event: Event) -> None:
    _check(event)


def test_zone_of_the_session_does_not_show() -> None:
    elsewhere = FULL.occurred_at.astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert jsonl.to_text(replace(FULL, occurred_at=elsewhere)) == jsonl.to_text(FULL)


def _check(event: Event) -> None:
    text = jsonl.to_text(event)
    assert text.isascii()
    assert text.isprintable()
    read = event_of(loads(text))
    assert read == event
    # 1.0 and 1.00 are equal numbers, not equal records.
    assert dumps(read.details_after) == dumps(event.details_after)
