"""``pgchronicle log``."""

from typing import Any

import click

from pgchronicle import Chronicle
from pgchronicle._output import print_json
from pgchronicle._statements import EVENT_FIELDS
from pgchronicle.command._database import connect, dsn_option, json_option
from pgchronicle.command._fields import field_options

_FIELDS = {
    "actor_type": "What kind of actor. Required.",
    "actor_id": "Who.",
    "actor_role": "The role in which the actor acted.",
    "impersonator_id": "Who really acted, when somebody acted as the actor.",
    "is_ai_action": "Whether an AI carried it out.",
    "organization_id": "The tenant; without it, the event is system-wide.",
    "action_type": "What was done, in one of six kinds. Required.",
    "action": "What was done, as domain.verb.  [default: resource_type.action_type]",
    "action_description": "The same in a sentence.",
    "action_meta": "More about the action; a JSON object.",
    "reason": "Why, as the actor said.",
    "resource_type": "What kind of thing it was done to. Required.",
    "resource_id": "Which one.",
    "related_resources": "Other resources concerned; a JSON array.",
    "details_before": "State before; a JSON object.",
    "details_after": "State after; a JSON object.",
    "ai_metadata": "About the AI that took part; a JSON object.",
    "ai_operation_id": "The AI operation that caused it.",
    "severity": "How much it matters.  [default: info]",
    "status": "Whether it succeeded.  [default: success]",
    "error_code": "The application's code for what went wrong.",
    "error_message": "What went wrong.",
    "duration_ms": "How long it took, in milliseconds.",
    "occurred_at": "When, if not now: a time, or how long ago, as 2h.",
    "session_id": "The application's session.",
    "request_id": "The request that caused it.",
    "trace_id": "The distributed trace.",
    "operation_id": "Groups the events of one operation.",
    "parent_event_id": "The event that caused this one.",
    "ip_address": "Where the request came from.",
    "user_agent": "The client's own name.",
    "client_info": "More about the client; a JSON object.",
    "event_id": "An id of yours, which makes it safe to repeat the command.",
}


@click.command()
@dsn_option
@field_options(EVENT_FIELDS, _FIELDS)
@json_option
def log(dsn: str, as_json: bool, **event: Any) -> None:
    """Record one event and print its id.

    \b
    Example:
      pgchronicle log --actor-type service --actor-id backup --action-type execute \\
        --resource-type backup --status failure --error-message 'disk full'
    """
    with connect(dsn) as connection:
        event_id = Chronicle(connection).log_audit_event(**event)
    if as_json:
        print_json({"event_id": event_id})
    else:
        click.echo(event_id)
