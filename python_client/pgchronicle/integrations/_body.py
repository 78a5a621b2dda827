"""Bodies that are produced after the call that made them has returned."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Generic, TypeVar

from pgchronicle import ambient

_Part = TypeVar("_Part")


class Body(Generic[_Part]):
    """A body each part of which is produced within the scope of its request."""

    def __init__(self, body: Iterable[_Part], scope: ambient.Scope) -> None:
        self._body = body
        self._scope = scope
        self._parts: Iterator[_Part] | None = None

    def __iter__(self) -> Iterator[_Part]:
        return self

    def __next__(self) -> _Part:
        with ambient.within(self._scope):
            if self._parts is None:
                self._parts = iter(self._body)
            return next(self._parts)

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            with ambient.within(self._scope):
                close()


async def async_body(body: AsyncIterable[_Part], scope: ambient.Scope) -> AsyncIterator[_Part]:
    """The same for a body that is awaited."""
    parts = aiter(body)
    while True:
        with ambient.within(scope):
            try:
                part = await anext(parts)
            except StopAsyncIteration:
                return
        yield part
