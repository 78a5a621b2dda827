"""``pgchronicle seal``."""

import sys
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import timedelta

import click
import psycopg

from pgchronicle import Chronicle, SealStatus, _words
from pgchronicle._output import print_json
from pgchronicle.command._database import (
    Connection,
    connect,
    connect_again,
    dsn_option,
    json_option,
    needing,
)
from pgchronicle.command._progress import (
    bar,
    estimated_events,
    explained_stop,
    stopped_by_sigterm,
)

# So many events are one transaction, and one step of the bar.
_LIMIT = 50_000

# An event that waits for longer is worth a word.
_PATIENCE = timedelta(minutes=10)

_AGAIN = "To go on from there, run the same command again."


@dataclass(frozen=True, slots=True)
class _Round:
    """What was sealed at once, and how the log stands then."""

    sealed: int
    status: SealStatus

    @property
    def held_back_by(self) -> str | None:
        """Whose transaction keeps an event from being sealed."""
        return self.status.held_back_by if self.status.unsealed_since is not None else None


@click.command()
@dsn_option
@click.option(
    "--every",
    type=click.FloatRange(0.1, 86_400),
    metavar="SECONDS",
    help="Go on, and wait so long in between. Ctrl-C and SIGTERM end it.",
)
@json_option
def seal(dsn: str, every: float | None, as_json: bool) -> None:
    """Seal all events that are settled: what is changed afterwards is found by "verify".

    An event is settled once every transaction of the server is over that was open when it was
    written. Nobody who writes waits for it. Needs chronicle_admin. Two at once do no harm. It seals
    50,000 events at a time, and makes one batch of those of each month.

    With --every, a lost connection is made again; what seal_events refuses ends it.

    \b
    Examples:
      pgchronicle seal
      pgchronicle seal --every 10
    """
    with needing("chronicle_admin"), ExitStack() as connections:
        connection = connections.enter_context(closing(connect(dsn)))
        if every is None:
            with explained_stop(connection, lambda: _AGAIN, "What was sealed stays so."):
                _report(_seal(connection), as_json)
        else:
            # Who tells it to stop is told nothing: it has ended well.
            with suppress(KeyboardInterrupt), stopped_by_sigterm():
                _go_on(connections, connection, dsn, every, as_json)


def _seal(connection: Connection) -> _Round:
    """Seals until nothing is left that is settled; in autocommit mode, a transaction a call."""
    log = Chronicle(connection)
    sealed = 0
    with bar("events", _estimate(connection, log)) as show:
        while True:
            count = log.seal_events(_LIMIT)
            sealed += count
            show(sealed)
            # Not until there are none: while others write there are always some.
            if count < _LIMIT:
                return _Round(sealed, log.seal_status())


def _estimate(connection: Connection, log: Chronicle) -> int | None:
    # Nobody looks at it elsewhere, and the status of a long log takes a while.
    if not sys.stderr.isatty():
        return None
    events = estimated_events(connection)
    return None if events is None else max(0, events - log.seal_status().sealed_events)


def _go_on(
    connections: ExitStack, connection: Connection, dsn: str, every: float, as_json: bool
) -> None:
    told: str | None = None
    while True:
        try:
            done = _seal(connection)
        except psycopg.OperationalError as error:
            if not connection.closed:
                raise
            connection = connections.enter_context(closing(connect_again(dsn, error, every)))
            continue
        lag = done.status.lag
        held = done.held_back_by if lag is not None and lag >= _PATIENCE else None
        if done.sealed or held != told:
            _report(done, as_json)
        told = held
        time.sleep(every)


def _report(done: _Round, as_json: bool) -> None:
    status = done.status
    if as_json:
        print_json(
            {
                "sealed": done.sealed,
                "events": status.sealed_events,
                "batches": status.batches,
                "unsealed_since": status.unsealed_since,
                "held_back_by": done.held_back_by,
            }
        )
        return
    click.echo(
        f"Sealed {_words.events(done.sealed)}; the log has {status.sealed_events:,} in "
        f"{_words.batches(status.batches)}.",
        err=True,
    )
    if status.unsealed_since is not None:
        held = done.held_back_by
        until = f", held back by {held} until its transaction ends" if held else ""
        since = status.unsealed_since.isoformat(" ", "seconds")
        click.echo(f"Not sealed yet: events recorded since {since}{until}.", err=True)
