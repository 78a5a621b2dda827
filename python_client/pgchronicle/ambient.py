"""What surrounds the code that runs: who acts, in which request, and why. No database in it.

Middleware opens a scope, later layers add to it, and whatever talks to the database sends what
surrounds it: ``Chronicle.context`` and everything in ``pgchronicle.integrations``.

A scope follows ``contextvars``: threads do not inherit it, tasks and the thread pools of frameworks
do. It is one object for all of them, so that a dependency that runs in a copied context can still
name the actor.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Unpack, cast

from pgchronicle.models import ContextFields

_ACTOR = frozenset({"actor_id", "actor_type", "actor_role", "impersonator_id"})
_annotating = Lock()


class _Scope:
    """Holds the fields of a scope, which are replaced and never changed."""

    __slots__ = ("fields",)

    def __init__(self, fields: ContextFields) -> None:
        self.fields = fields


_innermost: ContextVar[_Scope | None] = ContextVar("pgchronicle_ambient", default=None)


@contextmanager
def scope(**fields: Unpack[ContextFields]) -> Generator[None]:
    """A scope for the block: the surrounding fields and these, as ``merged`` puts them together.

    Args:
        fields: see ``ContextFields``.

    Raises:
        TypeError: there is no such field.
    """
    outer = _innermost.get()
    _innermost.set(_Scope(merged(outer.fields if outer else {}, fields)))
    try:
        yield
    finally:
        # Not the token of the set: a framework may enter in one context and leave in another.
        _innermost.set(outer)


def annotate(**fields: Unpack[ContextFields]) -> None:
    """Adds to the innermost scope, in place: all code that runs within it sees the fields.

    Args:
        fields: see ``ContextFields``; put together with those of the scope as by ``merged``.

    Raises:
        LookupError: there is no scope here.
        TypeError: there is no such field.
    """
    innermost = _innermost.get()
    if innermost is None:
        raise LookupError(
            "annotate() was called outside any scope: install a middleware of "
            "pgchronicle.integrations, or call it within pgchronicle.ambient.scope()"
        )
    with _annotating:
        innermost.fields = merged(innermost.fields, fields)


def fields() -> ContextFields:
    """The fields that surround the caller; a copy, and empty outside any scope."""
    innermost = _innermost.get()
    return innermost.fields.copy() if innermost else {}


def merged(outer: ContextFields, inner: ContextFields) -> ContextFields:
    """The outer fields and the inner ones, which win. A field that is None is as one left out.

    Who acts is one thing: where the inner fields name another actor, by another ``actor_id`` or
    ``actor_type`` than the outer ones have, nothing of the outer actor is kept, so that nobody
    acts in a role of somebody else's. An inner field that only completes the outer actor names no
    other. ``client_info`` is merged by key.

    Raises:
        TypeError: an inner field is none of the context.
    """
    unknown = inner.keys() - ContextFields.__annotations__.keys()
    if unknown:
        raise TypeError(f"the context has no field {', '.join(sorted(unknown))}")
    given = {name: value for name, value in inner.items() if value is not None}
    kept = {name: value for name, value in outer.items() if value is not None}
    if any(
        name in given and name in kept and str(given[name]) != str(kept[name])
        for name in ("actor_id", "actor_type")
    ):
        kept = {name: value for name, value in kept.items() if name not in _ACTOR}
    both = kept | given
    infos = kept.get("client_info"), given.get("client_info")
    if isinstance(infos[0], Mapping) and isinstance(infos[1], Mapping):
        both["client_info"] = {**infos[0], **infos[1]}
    return cast(ContextFields, both)
