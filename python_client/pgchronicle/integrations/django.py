"""Django: what surrounds the code becomes the context of what it writes.

``pgchronicle.integrations.django.ChronicleMiddleware`` goes into MIDDLEWARE, and nothing else is
needed; outside requests there is ``audit_context``.
"""

import re
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Unpack, cast
from weakref import WeakKeyDictionary

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import scalar_row

from pgchronicle import ambient
from pgchronicle.integrations._body import Body, async_body
from pgchronicle.integrations._context import tell
from pgchronicle.integrations._request import request_fields
from pgchronicle.models import ContextFields
from pgchronicle.signing import ContextSigner

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

_Connection = psycopg.Connection[Any]

# In autocommit mode only these get a transaction with a context. Others may refuse to run in one
# (vacuum, create index concurrently, a procedure that commits) or have nothing to record.
_RECORDED = re.compile(
    r"(?:\s|\(|/\*(?>.*?\*/)|--[^\n]*\n)*+(?:insert|update|delete|merge|truncate|with)\b"
    r"|.*\b(?:chronicle\.|log_audit_events?\b)",
    re.IGNORECASE | re.DOTALL,
)

_signers: dict[str, ContextSigner] = {}

# What the transaction that a connection is in has been told.
_told: WeakKeyDictionary[_Connection, ContextFields] = WeakKeyDictionary()


class ChronicleMiddleware:
    """Surrounds each request with its ids, address, user agent and user.

    Its place in MIDDLEWARE does not matter: the user is asked for when something is written, so one
    whom a view or Django REST framework finds out is seen too. Views add more by
    ``pgchronicle.ambient.annotate``. A subclass can say otherwise who acts, by ``actor``, and how
    many proxies of yours stand before Django, by ``trusted_proxies``: X-Forwarded-For is believed
    that far back, and with 0 not at all.
    """

    sync_capable = True
    async_capable = True

    trusted_proxies = 0

    def __init__(self, get_response: "Callable[[HttpRequest], Any]") -> None:
        from asgiref.sync import iscoroutinefunction, markcoroutinefunction

        self.get_response = get_response
        # The one of inspect does not know what is marked, before Python 3.12.
        self._is_async = iscoroutinefunction(get_response)  # pyright: ignore[reportDeprecated]
        if self._is_async:
            markcoroutinefunction(self)
        _cover_connections()

    def __call__(self, request: "HttpRequest") -> "HttpResponseBase | Awaitable[HttpResponseBase]":
        if self._is_async:
            return self._respond(request)
        with self._surrounding(request) as scope:
            response: HttpResponseBase = self.get_response(request)
        return _streamed_within(scope, response)

    def actor(self, request: "HttpRequest") -> ContextFields | None:
        """Who acts, as fields of the context. It is asked when something is written."""
        user: Any = getattr(request, "user", None)
        if user is None:
            return None
        if not user.is_authenticated:
            return {"actor_type": "anonymous"}
        return {"actor_id": user.pk, "actor_type": "user"}

    async def _respond(self, request: "HttpRequest") -> "HttpResponseBase":
        with self._surrounding(request) as scope:
            response: HttpResponseBase = await self.get_response(request)
        return _streamed_within(scope, response)

    def _surrounding(self, request: "HttpRequest") -> AbstractContextManager[ambient.Scope]:
        _cover_connections()
        fields = request_fields(
            request.headers.get, request.META.get("REMOTE_ADDR"), self.trusted_proxies
        )
        return ambient.scope(lambda: self.actor(request), **fields)


@contextmanager
def audit_context(**fields: Unpack[ContextFields]) -> Generator[ambient.Scope]:
    """Surrounds a block with fields, outside requests too: in a management command, in a task.

    Args:
        fields: see ``ContextFields``.
    """
    _cover_connections()
    with ambient.scope(**fields) as scope:
        yield scope


def sign_with(signer: ContextSigner, *, using: str = "default") -> None:
    """From now on, contexts that name an actor are signed, and so verified.

    Args:
        signer: with a key that the database knows.
        using: the alias of the database.
    """
    _signers[using] = signer


def _execute(
    execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """The wrapper of every statement that goes through a cursor of Django."""
    connection: BaseDatabaseWrapper = context["connection"]
    driver = cast(_Connection, connection.connection)
    status = driver.info.transaction_status
    text = _text(sql, driver)

    if status == TransactionStatus.INERROR or text.lstrip()[:11].upper() == "ROLLBACK TO":
        # What a savepoint was told is gone with it, and after an error nothing can be told.
        _told.pop(driver, None)
    elif driver.autocommit and status == TransactionStatus.IDLE:
        fields = ambient.fields() if _RECORDED.match(text) else ContextFields()
        if fields:
            # A constraint that is deferred fails here, at the end of it.
            with connection.wrap_database_errors, driver.transaction():
                _tell(connection, driver, fields)
                return execute(sql, params, many, context)
    else:
        fields = ambient.fields()
        # It begins here; or it was begun by hand, and nobody knows when.
        if status == TransactionStatus.IDLE or driver.autocommit:
            _told.pop(driver, None)
        if _told.get(driver, {}) != fields:
            with connection.wrap_database_errors:
                _tell(connection, driver, fields)
            _told[driver] = fields
    return execute(sql, params, many, context)


def _text(statement: Any, driver: _Connection) -> str:
    if isinstance(statement, bytes):
        return statement.decode(errors="replace")
    return statement if isinstance(statement, str) else statement.as_string(driver)


def _tell(connection: "BaseDatabaseWrapper", driver: _Connection, fields: ContextFields) -> None:
    def ask(query: str, value: str | None) -> Any:
        # Not a cursor of Django's: tests count their statements, and their parameters, tokens among
        # them, stand in what logs and pg_stat_activity show.
        with psycopg.Cursor(driver, row_factory=scalar_row) as cursor:
            parameters = None if value is None else (value,)
            return cursor.execute(query.format("%s").encode(), parameters).fetchone()

    tell(fields, _signers.get(connection.alias), ask)


def _cover_connections() -> None:
    from django.db import connections

    _cover_later_connections()
    for connection in connections.all(initialized_only=True):
        _cover(connection=connection)


@cache
def _cover_later_connections() -> None:
    from django.db.backends.signals import connection_created

    # Each thread has connections of its own, and opens them when it needs them.
    connection_created.connect(_cover)


def _cover(*, connection: "BaseDatabaseWrapper", **_: object) -> None:
    wrappers = connection.execute_wrappers
    if connection.vendor == "postgresql" and _execute not in wrappers:
        # First, for connection.execute_wrapper() takes the last one away when it ends.
        wrappers.insert(0, _execute)


def _streamed_within(scope: ambient.Scope, response: Any) -> "HttpResponseBase":
    # A file is read by Django or by the server, without any code of the application's.
    if response.streaming and getattr(response, "file_to_stream", None) is None:
        produce = async_body if response.is_async else Body
        response.streaming_content = produce(response.streaming_content, scope)
    return cast("HttpResponseBase", response)
