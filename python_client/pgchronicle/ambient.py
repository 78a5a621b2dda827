"""What surrounds the code that runs: who acts, in which request, and why. No database in it.

Middleware opens a scope, later layers add to it, and whatever talks to the database sends what
surrounds it: ``Chronicle.context`` and everything in ``pgchronicle.integrations``.

A scope follows ``contextvars``: tasks and the thread pools of frameworks inherit it, a thread that
you start may not (``within`` takes it there). It is one object for all of them, so that a
dependency that runs in a copied context can still name the actor.
"""

import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import TypeAlias, Unpack, cast

from pgchronicle.models import ContextFields

Supplier: TypeAlias = Callable[[], ContextFields | None]
"""Says what is known about who acts at the moment it is asked."""

_ACTOR = frozenset({"actor_id", "actor_type", "actor_role", "impersonator_id"})
_log = logging.getLogger(__name__)
_annotating = Lock()


class Scope:
    """One scope; made by ``scope`` and entered again by ``within``."""

    __slots__ = ("_said", "_supplier")

    def __init__(self, said: ContextFields, supplier: Supplier | None) -> None:
        # Replaced and never changed, for another thread may be reading it.
        self._said = said
        self._supplier = supplier

    def inner(self, supplier: Supplier | None, fields: ContextFields) -> "Scope":
        """A scope within this one."""
        return Scope(merged(self._said, fields), supplier or self._supplier)

    def annotate(self, fields: ContextFields) -> None:
        """Adds to this scope."""
        with _annotating:
            self._said = merged(self._said, fields)

    def fields(self) -> ContextFields:
        """What was said, and what the supplier says now; a copy."""
        # A supplier that reads the database is asked about the context of what it reads.
        if self._supplier is None or _is_supplying.get():
            return self._said.copy()
        outside = _is_supplying.set(True)
        try:
            supplied = merged({}, self._supplier() or {})
        except Exception as error:
            # The write goes on; its event says why it names nobody.
            _log.exception("who acts is not known: what was asked for it has failed")
            supplied = ContextFields(client_info={"context_error": type(error).__name__})
        finally:
            _is_supplying.reset(outside)
        return merged(supplied, self._said)


_innermost: ContextVar[Scope | None] = ContextVar("pgchronicle_ambient", default=None)
_is_supplying: ContextVar[bool] = ContextVar("pgchronicle_supplying", default=False)
_NOTHING = Scope({}, None)


@contextmanager
def scope(supplier: Supplier | None = None, /, **fields: Unpack[ContextFields]) -> Generator[Scope]:
    """A scope for the block: the surrounding fields and these, as ``merged`` puts them together.

    Yields:
        The scope, for ``within``.

    Args:
        supplier: is asked for further fields whenever the fields are wanted, so that it may know
            the actor later than the scope begins. Fields that were said win over it. It replaces
            the supplier of the surrounding scope. When it fails, its error is logged.
        fields: see ``ContextFields``.

    Raises:
        TypeError: there is no such field.
    """
    inner = (_innermost.get() or _NOTHING).inner(supplier, fields)
    with within(inner):
        yield inner


@contextmanager
def within(scope: Scope) -> Generator[None]:
    """Enters a scope again: in a thread that you start, or where the rest of a body is produced."""
    outer = _innermost.get()
    _innermost.set(scope)
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
    innermost.annotate(fields)


def fields() -> ContextFields:
    """The fields that surround the caller; a copy, and empty outside any scope."""
    return (_innermost.get() or _NOTHING).fields()


def merged(outer: ContextFields, inner: ContextFields) -> ContextFields:
    """The outer fields and the inner ones, which win. A field that is None is as one left out.

    Who acts is one thing: where the inner fields name another actor, by another ``actor_id`` or
    ``actor_type`` than the outer ones have, nothing of the outer actor is kept, so that nobody
    acts in a role of somebody else's. An inner field that only completes the outer actor names no
    other, unless that was anonymous. ``client_info`` is merged by key.

    Raises:
        TypeError: an inner field is none of the context.
    """
    unknown = inner.keys() - ContextFields.__annotations__.keys()
    if unknown:
        raise TypeError(f"the context has no field {', '.join(sorted(unknown))}")
    given = {name: value for name, value in inner.items() if value is not None}
    kept = {name: value for name, value in outer.items() if value is not None}
    if _names_another(kept, given):
        kept = {name: value for name, value in kept.items() if name not in _ACTOR}
    both = kept | given
    infos = kept.get("client_info"), given.get("client_info")
    if isinstance(infos[0], Mapping) and isinstance(infos[1], Mapping):
        both["client_info"] = {**infos[0], **infos[1]}
    return cast(ContextFields, both)


def _names_another(outer: Mapping[str, object], inner: Mapping[str, object]) -> bool:
    if outer.get("actor_type") == "anonymous" and "actor_id" in inner:
        return True
    return any(
        name in outer and name in inner and str(outer[name]) != str(inner[name])
        for name in ("actor_id", "actor_type")
    )
