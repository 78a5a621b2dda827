"""ASGI: endpoints, dependencies, threads, streams and websockets are within their request."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.responses import StreamingResponse
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from integrations.shop import ABSENT, Shop, asserted, order
from pgchronicle import ambient
from pgchronicle.integrations.asgi import ChronicleMiddleware
from pgchronicle.models import ContextFields

HEADERS = {"x-request-id": "r-1", "user-agent": "till/1.0"}
REQUEST: Any = {"request_id": "r-1", "user_agent": "till/1.0", "ip_address": "127.0.0.1"}
ADA: Any = {"actor_id": "ada", "actor_type": "user"}


def get(app: Any, path: str = "/", *, headers: dict[str, str] = HEADERS) -> str:
    """The text of an answer."""

    async def ask() -> str:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            response = await client.get(path, headers=headers)
            response.raise_for_status()
            return response.text

    return asyncio.run(ask())


def starlette(endpoint: Callable[..., Any], *inner: Middleware, **options: Any) -> Starlette:
    """An application of one endpoint; the middleware is inside ours."""
    return Starlette(
        routes=[Route("/", endpoint)],
        middleware=[Middleware(ChronicleMiddleware, **options), *inner],
    )


def test_an_endpoint_that_is_awaited_is_within_its_request(engine: sa.Engine, shop: Shop) -> None:
    async def endpoint(_: Request) -> Response:
        await asyncio.to_thread(order, engine)
        return Response()

    get(starlette(endpoint))
    assert shop.context() == ABSENT | asserted(**REQUEST)


def test_an_endpoint_in_the_thread_pool_is_within_its_request(
    engine: sa.Engine, shop: Shop
) -> None:
    def endpoint(_: Request) -> Response:
        ambient.annotate(**ADA)
        order(engine)
        return Response()

    get(starlette(endpoint))
    assert shop.context() == asserted(**ADA, **REQUEST)


def test_a_dependency_in_the_thread_pool_names_the_actor(engine: sa.Engine, shop: Shop) -> None:
    app = FastAPI()

    def current_user() -> str:
        ambient.annotate(**ADA)
        return "ada"

    async def awaited_clerk() -> str:
        ambient.annotate(actor_role="clerk")
        return "clerk"

    @app.get("/sync")
    def in_a_thread(  # pyright: ignore[reportUnusedFunction]
        user: Annotated[str, Depends(current_user)],
        role: Annotated[str, Depends(awaited_clerk)],
    ) -> str:
        order(engine)
        return user + role

    @app.get("/async")
    async def awaited(  # pyright: ignore[reportUnusedFunction]
        user: Annotated[str, Depends(current_user)],
        role: Annotated[str, Depends(awaited_clerk)],
    ) -> str:
        await asyncio.to_thread(order, engine)
        return user + role

    wrapped = ChronicleMiddleware(app)
    get(wrapped, "/sync")
    get(wrapped, "/async")
    assert shop.contexts() == [asserted(**ADA, actor_role="clerk", **REQUEST)] * 2


def test_what_comes_after_the_answer_is_within_its_request(engine: sa.Engine, shop: Shop) -> None:
    app = FastAPI()

    @app.get("/background")
    def background(tasks: BackgroundTasks) -> None:  # pyright: ignore[reportUnusedFunction]
        ambient.annotate(**ADA)
        tasks.add_task(order, engine)

    @app.get("/stream")
    def stream() -> StreamingResponse:  # pyright: ignore[reportUnusedFunction]
        def parts() -> Iterator[str]:
            order(engine)
            yield "done"

        ambient.annotate(**ADA)
        return StreamingResponse(parts())

    @app.get("/awaited")
    def awaited() -> StreamingResponse:  # pyright: ignore[reportUnusedFunction]
        async def parts() -> AsyncIterator[str]:
            await asyncio.to_thread(order, engine)
            yield "done"

        ambient.annotate(**ADA)
        return StreamingResponse(parts())

    wrapped = ChronicleMiddleware(app)
    for path in ("/background", "/stream", "/awaited"):
        get(wrapped, path)
    assert shop.contexts() == [asserted(**ADA, **REQUEST)] * 3


def test_middleware_with_a_task_of_its_own_in_between_changes_nothing(
    engine: sa.Engine, shop: Shop
) -> None:
    async def pass_on(request: Request, call_next: Callable[[Request], Any]) -> Response:
        response: Response = await call_next(request)
        # Named by the endpoint, in another task: the scope is one object.
        seen.append(ambient.fields().get("actor_id"))
        return response

    def endpoint(_: Request) -> Response:
        ambient.annotate(**ADA)
        order(engine)
        return Response()

    seen: list[object] = []
    get(starlette(endpoint, Middleware(BaseHTTPMiddleware, dispatch=pass_on)))
    assert seen == ["ada"]
    assert shop.context() == asserted(**ADA, **REQUEST)


def test_the_actor_is_whom_middleware_within_has_authenticated(
    engine: sa.Engine, shop: Shop
) -> None:
    class Backend(AuthenticationBackend):
        async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser]:
            return AuthCredentials(), SimpleUser(conn.headers["user-agent"])

    def actor(scope: Any) -> ContextFields:
        return {"actor_id": scope["user"].display_name, "actor_type": "customer"}

    def endpoint(_: Request) -> Response:
        order(engine)
        return Response()

    get(starlette(endpoint, Middleware(AuthenticationMiddleware, backend=Backend()), actor=actor))
    assert shop.context() == asserted(actor_id="till/1.0", actor_type="customer", **REQUEST)


def test_an_actor_that_is_not_known_breaks_no_write(
    engine: sa.Engine, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    def actor(scope: Any) -> ContextFields:
        return {"actor_id": scope["user"].id}

    def endpoint(_: Request) -> Response:
        order(engine)
        return Response()

    get(starlette(endpoint, actor=actor))
    assert shop.context() == ABSENT | asserted(**REQUEST, client_info={"context_error": "KeyError"})
    assert {(record.name, record.levelname) for record in caplog.records} == {
        ("pgchronicle.ambient", "ERROR")
    }


def test_requests_side_by_side_see_themselves_only() -> None:
    turns: list[asyncio.Barrier] = []

    async def endpoint(request: Request) -> Response:
        ambient.annotate(actor_id=request.headers["x-request-id"])
        await turns[0].wait()
        return PlainTextResponse(str(ambient.fields().get("actor_id")))

    async def ask() -> list[str]:
        turns.append(asyncio.Barrier(3))
        transport = httpx.ASGITransport(starlette(endpoint))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            answers = await asyncio.gather(
                *(client.get("/", headers={"x-request-id": name}) for name in "abc")
            )
        return [answer.text for answer in answers]

    assert asyncio.run(ask()) == ["a", "b", "c"]


def test_a_request_is_over_with_its_answer() -> None:
    def endpoint(_: Request) -> Response:
        return PlainTextResponse(str(ambient.fields().get("request_id")))

    app = starlette(endpoint)
    first, second = (UUID(get(app, headers={})) for _ in range(2))
    assert first != second
    assert ambient.fields() == {}


def test_the_address_behind_proxies_of_ours_is_the_clients() -> None:
    async def endpoint(_: Request) -> Response:
        return PlainTextResponse(str(ambient.fields().get("ip_address")))

    headers = {"x-forwarded-for": "198.51.100.1, 203.0.113.9"}
    assert get(starlette(endpoint), headers=headers) == "127.0.0.1"
    assert get(starlette(endpoint, trusted_proxies=1), headers=headers) == "203.0.113.9"


def test_a_websocket_is_within_its_request() -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        seen.append(ambient.fields())
        await websocket.close()

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(_: Any) -> None:
        pass

    seen: list[ContextFields] = []
    app = ChronicleMiddleware(Starlette(routes=[WebSocketRoute("/", endpoint)]))
    scope = {
        "type": "websocket",
        "path": "/",
        "headers": [(b"x-request-id", b"r-1")],
        "client": None,
        "subprotocols": [],
    }
    asyncio.run(app(scope, receive, send))
    assert seen == [{"request_id": "r-1"}]


def test_what_is_no_request_passes_through() -> None:
    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append((scope, ambient.fields()))

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    seen: list[Any] = []
    asyncio.run(ChronicleMiddleware(app)({"type": "lifespan"}, nothing, nothing))
    assert seen == [({"type": "lifespan"}, {})]
