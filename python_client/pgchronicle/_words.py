"""Events in words: who did what to what, and what changed."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from pgchronicle._output import clean, clean_json
from pgchronicle.models import Event, RecordChange, RowChange

if TYPE_CHECKING:
    from rich.text import Text

Part: TypeAlias = tuple[str, str]
"""A text and its style; styles are rich's, and in a pipe nobody asks for them."""

SIGN_STYLES = {"-": "red", "+": "green", " ": "dim"}
"""How the lines of a diff look."""

_ACTION_STYLES = {"INSERT": "green", "UPDATE": "yellow", "DELETE": "red", "TRUNCATE": "red"}
_SEVERITY_STYLES = {"info": "", "warning": "yellow", "error": "red", "critical": "bold red"}

_State: TypeAlias = Mapping[str, Any] | None

_MISSING = object()


def actor(event: Event | RowChange | RecordChange) -> str:
    """Who acted, with what kind of actor it is."""
    return clean(f"{event.actor_type} {event.actor_id or ''}".strip())


def resource(event: Event) -> str:
    """What it was done to."""
    return clean(f"{event.resource_type} {event.resource_id or ''}".strip())


def summary(event: Event) -> "Text":
    """An event in two lines: when and which, then who did what to what."""
    from rich.text import Text

    time = event.occurred_at.isoformat(sep=" ", timespec="milliseconds")
    text = Text()
    text.append(str(event.event_id), "yellow")
    text.append(f"  {time}", "dim")
    if event.organization_id is not None:
        text.append(f"  in {clean(event.organization_id)}", "dim")
    text.append("\n  ")
    text.append(actor(event), "cyan")
    if event.impersonator_id is not None:
        text.append(f" (really {clean(event.impersonator_id)})", "cyan")
    if event.is_ai_action and event.actor_type != "ai":
        text.append(" through an AI", "cyan")
    text.append("  ")
    text.append(clean(event.action), f"bold {_SEVERITY_STYLES[event.severity]}".strip())
    if event.resource_id is not None:
        text.append(f"  {clean(event.resource_id)}")
    if event.status == "failure":
        text.append(f"  failed {clean(event.error_code)}".rstrip(), "red")
    if event.reason is not None:
        text.append(f'  "{clean(event.reason)}"', "italic")
    return text


def heading(change: RecordChange, record_id: str) -> list[Part]:
    """A change of a record in one line: when, what, who and why.

    Args:
        change: the change.
        record_id: the key under which one looks; another is named.
    """
    time = change.occurred_at.isoformat(sep=" ", timespec="milliseconds")
    parts = [(time, "dim"), (change.action, f"bold {_ACTION_STYLES.get(change.action, '')}")]
    if change.record_id not in (None, record_id):
        parts.append((clean(change.record_id), "bold"))
    parts.append((actor(change), "cyan"))
    if change.db_user != change.actor_id:
        parts.append((f"as {clean(change.db_user)}", "dim"))
    if change.organization_id is not None:
        parts.append((f"in {clean(change.organization_id)}", "dim"))
    if change.request_id is not None:
        parts.append((f"request {clean(change.request_id)}", "dim"))
    if change.reason is not None:
        parts.append((f'"{clean(change.reason)}"', "italic"))
    if change.parent_event_id is not None:
        parts.append((f"caused by {change.parent_event_id}", "dim"))
    return parts


def record_diff(change: RecordChange, *, full: bool) -> Iterator[tuple[str, str]]:
    """What a change did to its record as lines of a diff; with full, also what stayed."""
    before = change.new_values if change.action == "SNAPSHOT" else change.old_values
    for sign, line in diff(before, change.new_values):
        if full or sign != " " or change.action == "SNAPSHOT":
            yield sign, line


def changes(before: _State, after: _State, *, limit: int | None = None) -> Iterator["Text"]:
    """A line for each value that differs between two states, old and new in colour."""
    from rich.text import Text

    lines = list(_differences(before, after))
    shown = lines if limit is None else lines[:limit]
    for key, old, new in shown:
        text = Text(f"    {clean(key)}: ")
        if old is not _MISSING:
            text.append(clean_json(old), "red")
        if old is not _MISSING and new is not _MISSING:
            text.append(" → ")
        if new is not _MISSING:
            text.append(clean_json(new), "green")
        yield text
    if len(shown) < len(lines):
        yield Text(f"    and {len(lines) - len(shown)} more", "dim")


def diff(before: _State, after: _State) -> Iterator[tuple[str, str]]:
    """Two states as lines of a diff: a sign (-, + or a space) and "key: value"."""
    before, after = before or {}, after or {}
    changed = {key for key, _, _ in _differences(before, after)}
    for key in sorted(before.keys() | after.keys()):
        name = clean(key)
        if key not in changed:
            yield " ", f"{name}: {clean_json(after[key])}"
            continue
        if key in before:
            yield "-", f"{name}: {clean_json(before[key])}"
        if key in after:
            yield "+", f"{name}: {clean_json(after[key])}"


def _differences(before: _State, after: _State) -> Iterator[tuple[str, object, object]]:
    """The keys whose values differ as text: 1.0 and 1.00 are equal numbers, not equal records."""
    before, after = before or {}, after or {}
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key, _MISSING), after.get(key, _MISSING)
        if old is _MISSING or new is _MISSING or clean_json(old) != clean_json(new):
            yield key, old, new


def events(number: int) -> str:
    """So many events, in words."""
    return "1 event" if number == 1 else f"{number:,} events"


def batches(number: int) -> str:
    """So many batches, in words."""
    return "1 batch" if number == 1 else f"{number:,} batches"
