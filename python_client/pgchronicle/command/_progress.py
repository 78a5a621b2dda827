"""Work that takes long: how far it is, and how to go on when it was broken off."""

import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

import psycopg

from pgchronicle._output import console
from pgchronicle.command._database import Connection
from pgchronicle.errors import ChronicleError


class Work:
    """How much is done."""

    def __init__(self, show: Callable[[int], None]) -> None:
        self.done = 0
        self._show = show

    def advance_to(self, done: int) -> None:
        """Says how much is done and committed."""
        self.done = done
        self._show(done)


@contextmanager
def working(what: str, estimate: int | None) -> Generator[Work]:
    """Work in committed batches, with a bar on a terminal.

    Args:
        what: is done, in the plural: rows, events.
        estimate: how many there may be, if that is known.

    Raises:
        ChronicleError: it was interrupted, and can be continued.
    """
    with bar(what, estimate) as show:
        work = Work(show)
        try:
            yield work
        except (KeyboardInterrupt, psycopg.OperationalError) as error:
            is_ours = isinstance(error, KeyboardInterrupt)
            reason = "" if is_ours else f": {str(error).strip().splitlines()[0]}"
            raise ChronicleError(
                f"stopped before the end{reason}",
                # The batch that was under way may have been committed just so.
                detail=f"At least {work.done:,} {what} are recorded, and stay.",
                hint="To go on from there, run the same command again.",
            ) from error


@contextmanager
def explained_stop(
    connection: Connection, hint: Callable[[], str], detail: str | None = None
) -> Generator[None]:
    """Says, of work that was broken off, what to do.

    Args:
        connection: over which it is done. An error that leaves it open is none of this.
        hint: called when that happens; what to do then.
        detail: what became of the work.

    Raises:
        ChronicleError: it was interrupted, or the connection is lost.
    """
    try:
        yield
    except (KeyboardInterrupt, psycopg.OperationalError) as error:
        if isinstance(error, psycopg.OperationalError) and not connection.closed:
            raise
        reason = f": {str(error).strip().splitlines()[0]}" if str(error).strip() else ""
        raise ChronicleError(
            f"stopped before the end{reason}", detail=detail, hint=hint()
        ) from error


@contextmanager
def stopped_by_sigterm() -> Generator[None]:
    """Lets a service manager's SIGTERM be an interruption, as Ctrl-C is one: what is begun is put
    away."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def bar(what: str, estimate: int | None) -> Generator[Callable[[int], None]]:
    """A bar on a terminal; elsewhere nothing. What it gives is told how many are done.

    Args:
        what: is done, in the plural: rows, events.
        estimate: how many there may be, if that is known.
    """
    with counted_bar(what, estimate) as show:
        yield lambda done: show(done, None if estimate is None else max(done, estimate))


@contextmanager
def counted_bar(
    what: str, total: int | None = None
) -> Generator[Callable[[int, int | None], None]]:
    """The same, and what it gives is told each time how many there are, too."""
    if not sys.stderr.isatty():
        yield lambda _, __: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        TextColumn(f"{{task.completed:,.0f}} {what}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def every(step: int, show: Callable[[int, int | None], None]) -> Callable[[int, int], None]:
    """Tells a bar of every so many only: for work that tells of each one."""

    def shown(done: int, total: int) -> None:
        if done % step == 0 or done == total:
            show(done, total)

    return shown


def estimated_events(connection: Connection) -> int | None:
    """About how many events there are, as far as the server has counted."""
    row = connection.execute(
        """
        select sum(c.reltuples)::bigint
        from pg_catalog.pg_inherits as i
        inner join pg_catalog.pg_class as c on c.oid = i.inhrelid and c.reltuples >= 0
        where i.inhparent = 'chronicle.events'::regclass
        """
    ).fetchone()
    return row[0] if row else None
