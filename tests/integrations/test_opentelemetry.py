"""OpenTelemetry: the ids of the span in which something is written."""

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from pgchronicle import ambient
from pgchronicle.integrations._context import tell
from pgchronicle.integrations._request import request_fields
from pgchronicle.integrations.opentelemetry import span_fields

TRACER = TracerProvider().get_tracer(__name__)


def ids() -> tuple[str, str]:
    """Of the current span, by OpenTelemetry's own formatting."""
    span = trace.get_current_span().get_span_context()
    return trace.format_trace_id(span.trace_id), trace.format_span_id(span.span_id)


def told(fields: Any) -> str:
    """What the transaction would be told."""
    texts: list[str] = []
    tell(fields, None, lambda _query, text: texts.append(text or ""))
    return texts[0]


def test_there_is_nothing_outside_a_span() -> None:
    assert span_fields() == {}


def test_the_ids_are_those_of_the_span() -> None:
    with TRACER.start_as_current_span("pay"):
        trace_id, span_id = ids()
        assert (len(trace_id), len(span_id)) == (32, 16)
        assert span_fields() == {"trace_id": trace_id, "client_info": {"span_id": span_id}}
        with TRACER.start_as_current_span("book"):
            assert span_fields() == {"trace_id": trace_id, "client_info": {"span_id": ids()[1]}}


def test_a_transaction_is_told_the_span_it_is_in() -> None:
    with TRACER.start_as_current_span("pay"):
        trace_id, span_id = ids()
        assert told({"actor_id": "ada", "client_info": {"till": 3}}) == (
            f'{{"trace_id":"{trace_id}","actor_id":"ada",'
            f'"client_info":{{"span_id":"{span_id}","till":3}}}}'
        )


def test_a_trace_that_was_said_stands_and_gets_no_span_of_another() -> None:
    with TRACER.start_as_current_span("pay"):
        assert told({"trace_id": "another"}) == '{"trace_id":"another"}'


def test_a_request_is_in_the_trace_of_its_span() -> None:
    headers = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "x-request-id": "r-1"}
    with TRACER.start_as_current_span("GET /"):
        trace_id, span_id = ids()
        assert request_fields(headers.get, None, 0) == {
            "request_id": "r-1",
            "trace_id": trace_id,
            "client_info": {"span_id": span_id},
        }


@pytest.mark.parametrize("trace_id", [None, "another"])
def test_only_what_surrounds_the_code_is_told(trace_id: str | None) -> None:
    with TRACER.start_as_current_span("pay"):
        assert told(ambient.fields()) == ""
        assert trace_id != ids()[0]
