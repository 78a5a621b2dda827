"""Events that go elsewhere than into the database: to a queue, a service, a list in a test."""

import os
import time
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from pgchronicle._statements import EVENT_FIELDS
from pgchronicle.errors import MissingFieldError, WrongFieldError
from pgchronicle.models import EventFields


class Sink(Protocol):
    """Takes events in the place of ``chronicle.log_audit_event``."""

    def record(self, event: EventFields) -> object:
        """Takes an event; nobody looks at what it returns.

        Args:
            event: what was said of it and who acts, with ``event_id`` and ``occurred_at``. Handed
                to ``log_audit_event`` later, however often, it is recorded once and as it is.
        """
        ...


class AsyncSink(Protocol):
    """The same; ``record`` may be a coroutine, and need not."""

    def record(self, event: EventFields) -> object:
        """Takes an event, as ``Sink.record``; what can be awaited is."""
        ...


def record(sink: Sink, event: EventFields) -> UUID:
    """Gives a sink what the server would have recorded, and returns the id of that."""
    whole = completed(event)
    sink.record(whole)
    return UUID(str(whole.get("event_id")))


async def async_record(sink: AsyncSink, event: EventFields) -> UUID:
    """The same, and awaits it where that is needed."""
    whole = completed(event)
    taking = sink.record(whole)
    if isinstance(taking, Awaitable):
        await taking
    return UUID(str(whole.get("event_id")))


def completed(event: EventFields) -> EventFields:
    """The event with its id and time.

    Raises:
        TypeError: there is no such field.
        MissingFieldError: one that is required is not there.
        WrongFieldError: its time has no zone.
    """
    unknown = event.keys() - EVENT_FIELDS.keys()
    if unknown:
        raise TypeError(f"there is no argument {', '.join(map(repr, sorted(unknown)))}")
    for name in ("actor_type", "action_type", "resource_type"):
        if event.get(name) is None:
            raise MissingFieldError(
                f"an event needs {name}",
                detail="actor_type, action_type and resource_type are required.",
                hint="Pass it, or say who acts with context().",
            )
    occurred_at = event.get("occurred_at") or datetime.now(UTC)
    if occurred_at.tzinfo is None:
        raise WrongFieldError(
            "occurred_at has no time zone",
            detail=f"It is {occurred_at.isoformat()}.",
            hint="Say in which zone, as in datetime.now(UTC).",
        )
    return {
        **event,
        "event_id": event.get("event_id") or uuid_v7(),
        "occurred_at": occurred_at,
    }


def uuid_v7() -> UUID:
    """An id that sorts by the time at which it was made (RFC 9562, version 7)."""
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    # Twelve bits below the millisecond keep those of one process in order, as the RFC suggests.
    fraction = nanoseconds * 4096 // 1_000_000
    chance = int.from_bytes(os.urandom(8), "big") >> 2
    return UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | chance)
