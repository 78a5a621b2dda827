"""``pgchronicle events``."""

from typing import Any

import click

from pgchronicle import Chronicle, Event
from pgchronicle._output import (
    console,
    is_terminal,
    print_json,
    print_lines,
)
from pgchronicle._statements import EVENT_FILTERS
from pgchronicle._words import actor, changes, resource, summary
from pgchronicle.command._database import connect, dsn_option, json_option
from pgchronicle.command._fields import field_options, time

_FILTERS = {
    "organization_id": "Of this tenant.",
    "actor_id": "By this actor.",
    "actor_type": "By this kind of actor.",
    "actor_role": "In this role of the actor's.",
    "impersonator_id": "Really by this one.",
    "is_ai_action": "Carried out by an AI.",
    "db_user": "By this database role.",
    "context_state": "With this standing of who: verified, asserted, absent or malformed.",
    "origin": "How it came into the log.",
    "action": "This action.",
    "action_type": "This kind of action.",
    "resource_type": "To this kind of thing.",
    "resource_id": "To this one.",
    "severity": "Of this severity.",
    "status": "With this outcome.",
    "error_code": "With this error code.",
    "session_id": "In this session.",
    "request_id": "In this request.",
    "trace_id": "In this trace.",
    "operation_id": "In this operation.",
    "ai_operation_id": "In this AI operation.",
    "parent_event_id": "Caused by this event.",
    "transaction_id": "In this transaction.",
}


@click.command()
@dsn_option
@click.option("--table", help="Changes of this tracked table.")
@field_options(EVENT_FILTERS, _FILTERS)
@click.option("--is-system-wide/--not-system-wide", default=None, help="Of no tenant, or of any.")
@click.option("--since", type=time, help="From then on: a time, or how long ago, as 2h.")
@click.option("--until", type=time, help="Before then.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    help="How many at most.",
)
@click.option("--cursor", help="Go on where an earlier listing ended, with the same filters.")
@json_option
def events(dsn: str, limit: int, cursor: str | None, as_json: bool, **filters: Any) -> None:
    """List the events that you may see, newest first.

    In a pipe each event is a line of event_id, occurred_at, actor, action, resource,
    organization_id, status and changed columns, apart by tabs.

    \b
    Example:
      pgchronicle events --table shop.orders --actor-id ada --since 2h
    """
    with connect(dsn) as connection:
        page = Chronicle(connection).events(limit=limit, cursor=cursor, **filters)
    if as_json:
        print_json(page)
        return
    print_events(page.events)
    if not page.events:
        click.echo("There are no such events, or none that you may see.", err=True)
    if page.next_cursor:
        click.echo(f"There are more: --cursor {page.next_cursor}", err=True)


def print_events(listed: list[Event]) -> None:
    """Prints events one below the other."""
    if not is_terminal():
        print_lines(_line(event) for event in listed)
        return
    out = console()
    for event in listed:
        out.print(summary(event))
        for line in changes(event.details_before, event.details_after, limit=4):
            out.print(line, soft_wrap=True)


def _line(event: Event) -> tuple[object, ...]:
    return (
        event.event_id,
        event.occurred_at.isoformat(),
        actor(event),
        event.action,
        resource(event),
        event.organization_id,
        event.status,
        ",".join(event.changed_columns or ()),
    )
