"""Options for the fields of an event and for filters, made from the lists of ``_statements``."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, get_args

import click

from pgchronicle import _json, models

_F = TypeVar("_F", bound=Callable[..., Any])

_LABELS: Mapping[str, Any] = {
    "chronicle.actor_type": models.ActorType,
    "chronicle.action_type": models.ActionType,
    "chronicle.severity_level": models.SeverityLevel,
    "chronicle.event_status": models.EventStatus,
    "chronicle.event_origin": models.EventOrigin,
}

_AGO = re.compile(r"(\d+)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def time(text: str) -> datetime:
    """A time, or how long ago: the type of an option."""
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"{text!r} is no time, as 2026-11-20T09:00:00Z or 2h.") from error
    # Without a zone, what a person at this machine means by it.
    return moment if moment.tzinfo else moment.astimezone()


def json(text: str) -> Any:
    """A JSON text: the type of an option."""
    try:
        return _json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no JSON: {error}.") from error


def field_options(kinds: Mapping[str, str], helps: Mapping[str, str]) -> Callable[[_F], _F]:
    """An option for each field; fields that are not given are None."""

    def decorate(command: _F) -> _F:
        for name in reversed(list(helps)):
            flag = f"--{name.replace('_', '-')}"
            if kinds[name] == "boolean":
                flag += f"/--not-{name.removeprefix('is_').replace('_', '-')}"
            command = click.option(
                flag, name, type=_type(kinds[name]), default=None, help=helps[name]
            )(command)
        return command

    return decorate


def _type(kind: str) -> Any:
    if kind in _LABELS:
        return click.Choice(get_args(_LABELS[kind]))
    types: Mapping[str, Any] = {
        "jsonb": json,
        "timestamptz": time,
        "integer": int,
        "bigint": int,
        "boolean": bool,
    }
    return types.get(kind, str)
