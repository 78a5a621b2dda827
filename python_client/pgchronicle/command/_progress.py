"""Work that takes long: how far it is, and how to go on when it was broken off."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

import psycopg

from pgchronicle._output import console
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
def bar(what: str, estimate: int | None) -> Generator[Callable[[int], None]]:
    """A bar on a terminal; elsewhere nothing. What it gives is told how many are done.

    Args:
        what: is done, in the plural: rows, events.
        estimate: how many there may be, if that is known.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        TextColumn(f"{{task.completed:,.0f}} {what}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=estimate)

        def show(done: int) -> None:
            total = None if estimate is None else max(done, estimate)
            progress.update(task, completed=done, total=total)

        yield show
