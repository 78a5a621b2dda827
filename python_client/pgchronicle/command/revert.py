"""``pgchronicle revert``."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from itertools import islice
from typing import Any, get_args

import click

from pgchronicle import Chronicle, Event
from pgchronicle._output import clean, console, is_terminal, print_json
from pgchronicle._words import changes, diff, resource
from pgchronicle.command._database import Connection, connect, dsn_option, json_option
from pgchronicle.errors import ChronicleError
from pgchronicle.models import ActorType, ContextFields

_SHOWN = 20
_VERBS = {
    "create": ("remove", "red"),
    "update": ("change back", "yellow"),
    "delete": ("bring back", "green"),
}


@click.command()
@click.argument("event_id", type=click.UUID, required=False)
@dsn_option
@click.option("--transaction", type=int, help="Undo all that this transaction changed instead.")
@click.option("--epoch", type=int, help="Which one of that number.  [default: the only one]")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--reason", help="Why; for the log.")
@click.option("--actor-id", help="Who undoes it; for the log.  [default: the database role]")
@click.option(
    "--actor-type",
    type=click.Choice(get_args(ActorType)),
    default="user",
    show_default=True,
    help="What kind of actor --actor-id is.",
)
@json_option
def revert(
    event_id: uuid.UUID | None,
    dsn: str,
    transaction: int | None,
    epoch: int | None,
    dry_run: bool,
    yes: bool,
    reason: str | None,
    actor_id: str | None,
    actor_type: ActorType,
    as_json: bool,
) -> None:
    """Undo a change, or all changes of a transaction.

    It shows what it is going to do and asks; then it does it with your rights, in one statement,
    and records it. It refuses when the rows were changed since. Its result is the id of the event
    that says what was undone or, with --dry-run, the SQL.

    \b
    Examples:
      pgchronicle revert 019a9e1c-5f1d-7c3a-9a52-3c1f4be0a7d1
      pgchronicle revert --transaction 81234 --dry-run > undo.sql
    """
    if event_id is not None and transaction is not None:
        raise click.UsageError("Say either EVENT_ID or --transaction.")
    if epoch is not None and transaction is None:
        raise click.UsageError("--epoch goes with --transaction.")
    if dry_run and yes:
        raise click.UsageError("--dry-run and --yes exclude each other.")
    with connect(dsn) as connection:
        log = Chronicle(connection)
        undo: Callable[..., str]
        if event_id is not None:
            undo = partial(log.revert_event, event_id)
        elif transaction is not None:
            undo = partial(log.revert_transaction, transaction, epoch=epoch)
        else:
            raise click.UsageError("Say either EVENT_ID or --transaction.")
        expected = None
        if not yes:
            expected = undo(dry_run=True)
            if not as_json:
                _show(list(islice(_undone(log, event_id, transaction, epoch), _SHOWN + 1)))
            if dry_run and as_json:
                print_json({"event_id": None, "sql": expected})
            else:
                _print_sql(expected, err=not dry_run)
            if dry_run:
                return
            if not click.confirm("Do it?", err=True):
                raise ChronicleError("nothing was changed")
        context = _context(log, reason, actor_id, actor_type)
        with connection.transaction(), log.context(**context) if context else nullcontext():
            done = undo()
            if expected is not None and done != expected:
                # Leaves the transaction, which takes it back.
                raise ChronicleError(
                    "nothing was changed: what was to be done is no longer what you were shown",
                    hint="Somebody else has been at work. Look at it once more.",
                )
            reverted = _recorded(connection, log)
    if as_json:
        print_json({"event_id": reverted, "sql": done})
    elif reverted is None:
        click.echo("Undone. You may not see the event that says so.", err=True)
    else:
        click.echo("Undone. The event that says so:", err=True)
        click.echo(reverted)


def _context(
    log: Chronicle, reason: str | None, actor_id: str | None, actor_type: ActorType
) -> ContextFields:
    """What the log is to say about who undoes it."""
    if actor_id is not None:
        return {"actor_id": actor_id, "actor_type": actor_type, "reason": reason}
    if reason is None:
        return {}
    present = log.current_context()
    return {
        "actor_id": present.get("actor_id"),
        "actor_type": present.get("actor_type"),
        "reason": reason,
    }


def _recorded(connection: Connection, log: Chronicle) -> uuid.UUID | None:
    """The event of this transaction that says that something was undone."""
    row: Any = connection.execute("select pg_catalog.pg_current_xact_id()::text::bigint").fetchone()
    found = log.events(action="chronicle.revert", transaction_id=row[0], limit=1).events
    return found[0].event_id if found else None


def _undone(
    log: Chronicle, event_id: uuid.UUID | None, transaction: int | None, epoch: int | None
) -> Iterator[Event]:
    """The events that are to be undone, the last one first."""
    if event_id is not None:
        event = log.event(event_id)
        if event is not None:
            yield event
        return
    cursor = None
    while True:
        page = log.events(transaction_id=transaction, origin="captured", cursor=cursor)
        yield from (event for event in page.events if epoch in (None, event.epoch))
        cursor = page.next_cursor
        if cursor is None:
            return


def _show(events: list[Event]) -> None:
    """Shows what undoing changes does to the rows."""
    for event in events[:_SHOWN]:
        verb, style = _VERBS.get(event.action_type, (event.action_type, ""))
        if is_terminal():
            _show_on_terminal(event, verb, style)
            continue
        click.echo(f"{verb} {resource(event)}", err=True)
        for sign, line in diff(event.details_after, event.details_before):
            if sign != " ":
                click.echo(f"  {sign} {line}", err=True)
    if len(events) > _SHOWN:
        click.echo("... and more", err=True)


def _show_on_terminal(event: Event, verb: str, style: str) -> None:
    from rich.text import Text

    out = console()
    out.print(Text.assemble((verb, f"bold {style}"), f" {resource(event)}"), soft_wrap=True)
    for line in changes(event.details_after, event.details_before):
        out.print(line, soft_wrap=True)


def _print_sql(text: str, *, err: bool) -> None:
    if not is_terminal():
        click.echo(text, err=err)
        return
    from rich.text import Text

    for line in text.splitlines():
        console().print(Text(clean(line), "cyan"), soft_wrap=True)
