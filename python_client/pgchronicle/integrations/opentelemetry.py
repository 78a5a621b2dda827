"""Which trace and span the code runs in, where OpenTelemetry is at work."""

import sys

from pgchronicle.models import ContextFields


def span_fields() -> ContextFields:
    """The current span: ``trace_id`` (32 hexadecimal digits), and ``span_id`` (16) in
    ``client_info``; nothing outside any span, or where nobody has imported ``opentelemetry``.

    Middleware and hooks add them by themselves.
    """
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return {}
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return {}
    return {
        "trace_id": trace.format_trace_id(span.trace_id),
        "client_info": {"span_id": trace.format_span_id(span.span_id)},
    }
