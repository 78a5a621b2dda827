# Made from async_stream.py by tools/unasync.py: change that, and run `make unasync`.
"""The log as an iterator: every settled event once, in the order of the stream."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Self

import psycopg

from pgchronicle import _statements
from pgchronicle._source import Source
from pgchronicle.models import Event


class EventStream:
    """The events behind a cursor, as the caller may see them; see ``events_since``.

    After an error, or when it has ended, asking for the next event goes on behind the last one.

    Attributes:
        cursor: stands behind the event last given, and behind events that the caller may not see
            once all others are given. Keep it, and ``events_since`` goes on from there, in another
            process too. None: before the first event of all.
    """

    __slots__ = ("_batch", "_batch_size", "_head", "_poll", "_source", "cursor")

    def __init__(
        self, source: Source, cursor: str | None, batch_size: int, poll: timedelta | None
    ) -> None:
        if poll is not None and poll <= timedelta(0):
            raise ValueError(f"poll is {poll}, not more than nothing")
        self.cursor = cursor
        self._source = source
        self._batch_size = batch_size
        self._poll = poll
        self._batch: deque[tuple[str, Event]] = deque()
        self._head: str | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        while not self._batch:
            self._fetch()
            if not self._batch:
                if self._poll is None:
                    raise StopIteration
                time.sleep(self._poll.total_seconds())
        self.cursor, event = self._batch.popleft()
        return event

    def _fetch(self) -> None:
        # Whoever sees few events would look at the others again each time.
        start = self._head or self.cursor
        statement = _statements.events_since(start, self._batch_size)
        rows = self._source.rows(statement, _cursors_and_event)
        self._batch.extend((cursor, event) for _, cursor, event in rows if event is not None)
        self._head = rows[0][0] if len(self._batch) < self._batch_size else None
        if not self._batch:
            self.cursor = self._head


def _cursors_and_event(
    cursor: psycopg.Cursor[Any],
) -> Callable[[Sequence[Any]], tuple[str, str, Event | None]]:
    """A row factory for ``_statements.events_since``."""
    names = [column.name for column in (cursor.description or ())[2:]]

    def row(values: Sequence[Any]) -> tuple[str, str, Event | None]:
        columns = dict(zip(names, values[2:], strict=True))
        is_event = columns["event_id"] is not None
        return values[0], values[1], Event(**columns) if is_event else None

    return row
