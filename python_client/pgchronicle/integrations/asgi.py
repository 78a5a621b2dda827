"""ASGI: Starlette, FastAPI, Litestar, Django and whatever else speaks it."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from pgchronicle import ambient
from pgchronicle.integrations._request import request_fields
from pgchronicle.models import ContextFields

_Scope: TypeAlias = MutableMapping[str, Any]
_Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_App: TypeAlias = Callable[[_Scope, _Receive, _Send], Awaitable[None]]


class ChronicleMiddleware:
    """Surrounds each request and websocket with its ids, address and user agent.

    ``request_id`` is the header X-Request-ID, or made; ``trace_id`` that of the current span, or of
    the header traceparent. Endpoints, dependencies and background tasks are within it, in threads
    too; they add to it by ``pgchronicle.ambient.annotate``.

    Args:
        app: the application.
        actor: says who acts, given the ASGI scope. It is asked when the database is to be told, so
            middleware that sets ``scope["user"]`` may run inside this one. An error in it is
            logged, and leaves the actor unnamed.
        trusted_proxies: how many proxies of yours a request comes through; X-Forwarded-For is
            believed that far back, and with 0 not at all.
    """

    def __init__(
        self,
        app: _App,
        *,
        actor: Callable[[_Scope], ContextFields | None] | None = None,
        trusted_proxies: int = 0,
    ) -> None:
        self.app = app
        self.actor = actor
        self.trusted_proxies = trusted_proxies

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        def header(name: str) -> str | None:
            wanted = name.encode()
            values = [value.decode("latin-1") for key, value in scope["headers"] if key == wanted]
            return ",".join(values) or None

        client = scope.get("client")
        fields = request_fields(header, client and client[0], self.trusted_proxies)
        actor = self.actor
        with ambient.scope(None if actor is None else lambda: actor(scope), **fields):
            await self.app(scope, receive, send)
