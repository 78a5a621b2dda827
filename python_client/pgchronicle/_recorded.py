"""What can be asserted of recorded events, and how a failure shows them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from operator import eq
from typing import Any, Generic, TypeVar, cast
from uuid import UUID, uuid4

from pgchronicle.models import Event, EventFields

_Event = TypeVar("_Event")

_SHOWN = 3
_INDENT = "\n    "


class Recorded(ABC, Generic[_Event]):
    """Events, in the order in which they were recorded."""

    _names: frozenset[str]

    def __init__(self) -> None:
        self.events: list[_Event] = []

    def assert_recorded(self, **expected: Any) -> _Event:
        """Asserts that an event was recorded with all these fields, and returns the first.

        Ids are compared as text, since that is what is recorded; mappings and lists as a whole.

        Args:
            expected: fields of an event by name; None is one that is not there.

        Raises:
            AssertionError: there is none; it shows the nearest, and in what they differ.
            TypeError: an event has no such field.
        """
        __tracebackhide__ = True
        compared = self._compared(expected)
        for event, differences in compared:
            if not differences:
                return event
        nearest = sorted(compared, key=lambda one: len(one[1]))[:_SHOWN]
        shown = [_INDENT.join((self._headline(event), *found)) for event, found in nearest]
        count = f"the nearest of {len(compared)}" if len(compared) > 1 else "the only one"
        raise AssertionError(
            "\n".join((f"no event{_with(expected)} was recorded; {count}:", *shown))
            if shown
            else f"no event{_with(expected)} was recorded, nor any other"
        )

    def assert_not_recorded(self, **unexpected: Any) -> None:
        """Asserts that no event was recorded with all these fields; without any, none at all.

        Raises:
            AssertionError: there is one; it shows what it says.
            TypeError: an event has no such field.
        """
        __tracebackhide__ = True
        found = [event for event, differences in self._compared(unexpected) if not differences]
        if found:
            said = [
                f"{name}: {value!r}"
                for name, value in self._fields(found[0]).items()
                if value is not None
            ]
            count = f", the first of {len(found)}" if len(found) > 1 else ""
            raise AssertionError(
                f"an event{_with(unexpected)} was recorded{count}:\n"
                + _INDENT.join((self._headline(found[0]), *said))
            )

    @abstractmethod
    def _fields(self, event: _Event) -> Mapping[str, Any]:
        """The fields of an event by name."""

    def _compared(self, expected: Mapping[str, Any]) -> list[tuple[_Event, list[str]]]:
        """Each event, and in what it differs from the one that is expected."""
        unknown = expected.keys() - self._names
        if unknown:
            raise TypeError(f"an event has no field {', '.join(sorted(unknown))}")
        return [
            (
                event,
                [
                    line
                    for name, value in expected.items()
                    for line in _differences(name, value, self._fields(event).get(name), _are_same)
                ],
            )
            for event in self.events
        ]

    def _headline(self, event: _Event) -> str:
        said = self._fields(event)
        action = said.get("action") or f"{said.get('resource_type')}.{said.get('action_type')}"
        resource = "" if said.get("resource_id") is None else f" of {said['resource_id']}"
        actor = [str(said[name]) for name in ("actor_type", "actor_id") if said.get(name)]
        return f"  {action}{resource} by {' '.join(actor) or 'nobody'}"


class EventRecorder(Recorded[EventFields]):
    """A sink that keeps events, for ``Chronicle(connection, sink=EventRecorder())``.

    Nothing goes to the database, so it shows what the application logs, not what is captured.

    Attributes:
        events: as they would have been recorded, in their order.
    """

    _names = frozenset(EventFields.__annotations__)

    def record(self, event: EventFields) -> UUID:
        """Keeps an event and returns its id."""
        event_id = UUID(str(event.get("event_id") or uuid4()))
        self.events.append({**event, "event_id": event_id})
        return event_id

    def clear(self) -> None:
        """Forgets what was recorded so far."""
        self.events.clear()

    def _fields(self, event: EventFields) -> Mapping[str, Any]:
        return event


class Recording(Recorded[Event]):
    """The events that a block has written.

    Attributes:
        events: there when the block has ended, in the order of seq.
    """

    _names = frozenset(field.name for field in fields(Event))

    def _fields(self, event: Event) -> Mapping[str, Any]:
        return asdict(event)


def _with(expected: Mapping[str, Any]) -> str:
    said = ", ".join(f"{name}={value!r}" for name, value in expected.items())
    return f" with {said}" if said else ""


def _differences(
    name: str,
    expected: object,
    recorded: object,
    are_same: Callable[[object, object], bool],
) -> list[str]:
    """In what two values differ, a line for each; for mappings key by key."""
    if are_same(expected, recorded):
        return []
    difference = f"{name}: expected {_shown(expected)}, recorded {_shown(recorded)}"
    if not isinstance(expected, Mapping) or not isinstance(recorded, Mapping):
        return [difference]
    ours = cast(Mapping[str, object], expected)
    theirs = cast(Mapping[str, object], recorded)
    return [
        line
        for key in dict.fromkeys((*ours, *theirs))
        for line in _differences(f"{name}.{key}", ours.get(key), theirs.get(key), eq)
    ]


def _are_same(expected: object, recorded: object) -> bool:
    # What names a thing is recorded as its text.
    return expected == recorded or (
        expected is not None and recorded is not None and str(expected) == str(recorded)
    )


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(value)
