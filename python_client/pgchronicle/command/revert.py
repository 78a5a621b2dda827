"""``pgchronicle revert``."""

import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
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
_NOTHING = "There is nothing to undo."
_VERBS = {
    "create": ("remove", "red"),
    "update": ("change back", "yellow"),
    "delete": ("bring back", "green"),
}


@click.command()
@click.argument("event_id", type=click.UUID, required=False)
@dsn_option
@click.option("--transaction", type=int, help="Undo all that this transaction changed instead.")
@click.option("--epoch", type=int, help="Which one of that number.  [default: the latest]")
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
    if (event_id is None) == (transaction is None):
        raise click.UsageError("Say either EVENT_ID or --transaction.")
    if epoch is not None and transaction is None:
        raise click.UsageError("--epoch goes with --transaction.")
    if dry_run and yes:
        raise click.UsageError("--dry-run and --yes exclude each other.")
    with connect(dsn) as connection:
        log = Chronicle(connection)
        change = _Change(log, event_id, transaction, epoch)
        plan = None if yes else change.undo(dry_run=True)
        if not yes and (plan is None or dry_run):
            _print_plan(change, plan, as_json)
            return
        if plan is not None:
            _ask(change, plan)
        context = _context(log, reason, actor_id, actor_type)
        with connection.transaction(), log.context(**context) if context else nullcontext():
            done = change.undo(dry_run=False)
            if plan is not None and done != plan:
                # Leaves the transaction, which takes it back.
                raise ChronicleError(
                    "nothing was changed: what was to be done is no longer what you were shown",
                    hint="Somebody else has been at work. Look at it once more.",
                )
            reverted = None if done is None else _recorded(connection, log)
    if as_json:
        print_json({"event_id": reverted, "sql": done})
    elif done is None:
        click.echo(_NOTHING, err=True)
    elif reverted is None:
        click.echo("Undone. You may not see the event that says so.", err=True)
    else:
        click.echo("Undone. The event that says so:", err=True)
        click.echo(reverted)


@dataclass(frozen=True, slots=True)
class _Change:
    """What is to be undone: an event or a transaction."""

    log: Chronicle
    event_id: uuid.UUID | None
    transaction: int | None
    epoch: int | None

    def undo(self, *, dry_run: bool) -> str | None:
        if self.event_id is not None:
            return self.log.revert_event(self.event_id, dry_run=dry_run)
        assert self.transaction is not None  # noqa: S101  it is one of the two
        return self.log.revert_transaction(self.transaction, epoch=self.epoch, dry_run=dry_run)

    def events(self) -> Iterator[Event]:
        """The events that tell of it, the last one first."""
        if self.event_id is not None:
            event = self.log.event(self.event_id)
            if event is not None:
                yield event
            return
        epoch, cursor = self.epoch, None
        while True:
            page = self.log.events(
                transaction_id=self.transaction, origin="captured", cursor=cursor
            )
            if epoch is None:
                epoch = max((event.epoch for event in page.events), default=None)
            # Several may share a moment.
            in_order = sorted(page.events, key=lambda event: event.seq, reverse=True)
            yield from (event for event in in_order if event.epoch == epoch)
            cursor = page.next_cursor
            if cursor is None:
                return


def _print_plan(change: _Change, plan: str | None, as_json: bool) -> None:
    if as_json:
        print_json({"event_id": None, "sql": plan})
    elif plan is None:
        click.echo(_NOTHING, err=True)
    else:
        _show(change)
        _print_sql(plan, err=False)


def _ask(change: _Change, plan: str) -> None:
    _show(change)
    _print_sql(plan, err=True)
    if not click.confirm("Do it?", err=True):
        raise ChronicleError("nothing was changed")


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


def _show(change: _Change) -> None:
    """Shows what undoing does to the rows."""
    events = list(islice(change.events(), _SHOWN + 1))
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
