"""``pgchronicle tail``."""

import sys
from collections.abc import Callable
from contextlib import ExitStack, closing, nullcontext, suppress
from datetime import timedelta

import click
import psycopg

from pgchronicle import Chronicle, Event
from pgchronicle.command._database import (
    Connection,
    connect,
    connect_again,
    dsn_option,
    json_option,
)
from pgchronicle.command._formats import (
    format_option,
    prepare,
    print_text,
    source_of,
    source_option,
)
from pgchronicle.command.events import print_events
from pgchronicle.formats import FORMATS


@click.command()
@dsn_option
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes; Ctrl-C ends it.")
@click.option(
    "-n",
    "--lines",
    "count",
    type=click.IntRange(0, 100_000),
    default=20,
    show_default=True,
    help="How many events to begin with.",
)
@click.option("--cursor", help="Begin behind this place of the stream instead.")
@click.option(
    "--poll",
    type=click.FloatRange(0.01, 3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait before asking again.",
)
@format_option(help="Print events in this format, not for people.")
@source_option
@json_option
def tail(
    dsn: str,
    follow: bool,
    count: int,
    cursor: str | None,
    poll: float,
    form: str | None,
    source: str | None,
    as_json: bool,
) -> None:
    """Show the last events that you may see, oldest first, and follow the log.

    The order is that of the stream: an event comes once every transaction is over that was open
    when it was written. When the connection is lost, following goes on as soon as there is one.

    \b
    Examples:
      pgchronicle tail -n 50
      pgchronicle tail -f --json
    """
    if as_json:
        if form not in (None, "jsonl"):
            raise click.UsageError("--json is --format jsonl: say one of them.")
        form = "jsonl"
    with ExitStack() as connections:
        connection = connections.enter_context(closing(connect(dsn)))
        prepare(connection, form)
        start = _behind(connection, count) if cursor is None else cursor
        header = None if form is None else FORMATS[form].header
        if form is not None and header is not None and cursor is None:
            print_text(FORMATS[form], header)
        show = _show(form, source or source_of(connection))
        with suppress(KeyboardInterrupt) if follow else nullcontext():
            _run(connections, connection, dsn, start, show, poll if follow else None)


def _show(form: str | None, source: str) -> Callable[[Event], None]:
    """What is done with each event."""
    if form is None:
        return lambda event: print_events([event])
    to_text = FORMATS[form].to_text

    def show(event: Event) -> None:
        print_text(FORMATS[form], to_text(event, source))
        sys.stdout.flush()

    return show


def _behind(connection: Connection, count: int) -> str | None:
    """The cursor behind which so many events are settled; None: the beginning."""
    head = Chronicle(connection).stream_head()
    if not count:
        return head
    epoch, position, _ = head.split(".")
    # Each half by an index, as chronicle.events_since reads. With "<" the planner would expect
    # nothing, as the epoch is hardly ever lower, and sort the whole log.
    row = connection.execute(
        """
        select e.cursor
        from (
            (
                select
                    chronicle.event_cursor(e) as cursor, e.epoch, e.transaction_id as place, e.seq
                from chronicle.events as e
                where e.settled_after is null
                    and (e.epoch, e.transaction_id) <= (%(epoch)s::integer, %(last)s::bigint)
                order by e.epoch desc, e.transaction_id desc, e.seq desc
                limit %(count)s::integer + 1
            )
            union all
            (
                select chronicle.event_cursor(e), e.epoch, e.settled_after, e.seq
                from chronicle.events as e
                where e.settled_after is not null
                    and (e.epoch, e.settled_after) <= (%(epoch)s::integer, %(last)s::bigint)
                order by e.epoch desc, e.settled_after desc, e.seq desc
                limit %(count)s::integer + 1
            )
        ) as e
        order by e.epoch desc, e.place desc, e.seq desc
        limit 1 offset %(count)s::integer
        """,
        {"epoch": epoch, "last": str(int(position) - 1), "count": str(count)},
    ).fetchone()
    return row[0] if row else None


def _run(
    connections: ExitStack,
    connection: Connection,
    dsn: str,
    cursor: str | None,
    show: Callable[[Event], None],
    poll: float | None,
) -> None:
    """Shows what is behind the cursor; without poll it ends when no further event is settled."""
    wait = None if poll is None else timedelta(seconds=poll)
    while True:
        stream = Chronicle(connection).events_since(cursor, poll=wait)
        try:
            for event in stream:
                show(event)
            return
        except psycopg.OperationalError as error:
            if poll is None or not connection.closed:
                raise
            connection = connections.enter_context(closing(connect_again(dsn, error, poll)))
        cursor = stream.cursor
