"""WSGI: Flask, Django, Pyramid and whatever else speaks it."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pgchronicle import ambient
from pgchronicle.integrations._body import Body
from pgchronicle.integrations._request import request_fields
from pgchronicle.models import ContextFields

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class ChronicleMiddleware:
    """Surrounds each request with its ids, address and user agent, until its body is produced.

    ``request_id`` is the header X-Request-ID, or made; ``trace_id`` that of the current span, or of
    the header traceparent. Views add to it by ``pgchronicle.ambient.annotate``.

    Args:
        app: the application.
        actor: says who acts, given the WSGI environment. It is asked when the database is to be
            told, so the application may find out first. An error in it is logged, and leaves the
            actor unnamed.
        trusted_proxies: how many proxies of yours a request comes through; X-Forwarded-For is
            believed that far back, and with 0 not at all.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        *,
        actor: "Callable[[WSGIEnvironment], ContextFields | None] | None" = None,
        trusted_proxies: int = 0,
    ) -> None:
        self.app = app
        self.actor = actor
        self.trusted_proxies = trusted_proxies

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        def header(name: str) -> str | None:
            return environ.get(f"HTTP_{name.upper().replace('-', '_')}")

        fields = request_fields(header, environ.get("REMOTE_ADDR"), self.trusted_proxies)
        actor = self.actor
        with ambient.scope(None if actor is None else lambda: actor(environ), **fields) as scope:
            body = self.app(environ, start_response)
        # What is there already, or a file that the server sends by itself, runs no more code.
        file_wrapper: Any = environ.get("wsgi.file_wrapper")
        if isinstance(body, (list, tuple)) or (
            isinstance(file_wrapper, type) and isinstance(body, file_wrapper)
        ):
            return body
        return Body(body, scope)
