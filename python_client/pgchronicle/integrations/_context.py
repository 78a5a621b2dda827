"""How hooks tell a transaction what surrounds the code, and never break its writes by it."""

import json
import logging
import re
from collections.abc import Callable
from typing import Any, cast

from pgchronicle import _json
from pgchronicle.ambient import merged
from pgchronicle.integrations.opentelemetry import span_fields
from pgchronicle.models import ContextFields
from pgchronicle.signing import ContextSigner

_log = logging.getLogger(__name__)

# What the server takes for malformed is longer.
_LONGEST = 65_536
# A token may be no longer, and has four characters for each three of these, and a frame.
_LONGEST_SIGNED = 48_000
_LONGEST_TEXT = 1000
_DESCRIBING = ("user_agent", "reason")
_MALFORMED = "malformed"

# Escapes that jsonb has no character for, and, so that they are skipped, those that it has.
_ESCAPE = re.compile(
    r"\\\\|\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|(\\u0000|\\ud[89a-f][0-9a-f]{2})"
)


def tell(
    fields: ContextFields,
    signer: ContextSigner | None,
    ask: Callable[[str, str | None], Any],
) -> None:
    """Makes the fields, and the current span, the context of a transaction.

    Never raises but what ``ask`` raises: fields that can not be a context make one that is
    malformed, which the events of the transaction say.

    Args:
        fields: what surrounds the code; nothing clears the context.
        signer: signs them where they name an actor.
        ask: sends a query, with ``{}`` in the place of its one parameter, and returns its value.
    """
    is_signed = signer is not None and {"actor_id", "actor_type"} <= fields.keys()
    longest = _LONGEST_SIGNED if is_signed else _LONGEST
    text = context_text(_with_span(fields), longest) if fields else ""
    if signer is not None and is_signed:
        token = _token(signer, ask("select chronicle.context_challenge()", None), text)
        if token is not None:
            outcome = ask("select chronicle.set_signed_context({})", token)
            if outcome != "verified":
                _log.error("the signed context was refused: %s", outcome)
            return
        text = _MALFORMED
    # Not chronicle.set_context, which refuses what it can not take.
    ask("select pg_catalog.set_config('chronicle.context', {}, true)", text)


def context_text(fields: ContextFields, longest: int = _LONGEST) -> str:
    """The value of the setting chronicle.context; where the fields are too large, with less of
    what describes, but nothing less of what identifies.

    Args:
        fields: what surrounds the code, and something does.
        longest: the most that it may have, in bytes.
    """
    # An empty text is no address and no name.
    plain: dict[str, Any] = {
        name: str(value)
        for name, value in fields.items()
        if name != "client_info" and value is not None and str(value)
    }
    client_info = fields.get("client_info")
    if client_info is not None:
        plain["client_info"] = client_info
        try:
            _json.dumps(client_info)
        except (TypeError, ValueError, RecursionError) as error:
            _log.exception("client_info is left out of the context: it has no form in JSON")
            plain["client_info"] = {"context_error": type(error).__name__}
    text = _text(plain)
    if len(text) > longest:
        plain |= {name: plain[name][:_LONGEST_TEXT] for name in _DESCRIBING if name in plain}
        plain["client_info"] = {"context_error": f"too large: {len(text)} bytes"}
        text = _text(plain)
    return text if len(text) <= longest else _MALFORMED


def _text(plain: dict[str, Any]) -> str:
    # All in ASCII, so that it can be sent in any encoding, and its length is in bytes.
    return _ESCAPE.sub(lambda match: r"\ufffd" if match[1] else match[0], _json.dumps(plain))


def _with_span(fields: ContextFields) -> ContextFields:
    span = span_fields()
    # The id of a span means nothing beside another trace's.
    if fields.get("trace_id", span.get("trace_id")) != span.get("trace_id"):
        return fields
    return merged(span, fields)


def _token(signer: ContextSigner, challenge: str, text: str) -> str | None:
    try:
        return signer.token(challenge, cast(ContextFields, json.loads(text)))
    except Exception:
        _log.exception("the context could not be signed")
        return None
