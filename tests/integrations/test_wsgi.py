"""WSGI: a request is surrounded until its body has been produced, and not a moment longer."""

import io
from collections.abc import Iterator
from typing import Any
from wsgiref.util import FileWrapper

import flask
import pytest
import sqlalchemy as sa
from werkzeug.datastructures import Headers
from werkzeug.test import Client, EnvironBuilder, run_wsgi_app

from integrations.shop import ABSENT, Shop, asserted, order
from pgchronicle import ambient
from pgchronicle.integrations.wsgi import ChronicleMiddleware
from pgchronicle.models import ContextFields

HEADERS = {"X-Request-ID": "r-1", "User-Agent": "till/1.0"}
REQUEST: Any = {"request_id": "r-1", "user_agent": "till/1.0", "ip_address": "127.0.0.1"}
ADA: Any = {"actor_id": "ada", "actor_type": "user"}


def _start_response(*_: Any) -> Any:
    pass


def get(app: Any, path: str = "/", **headers: str) -> str:
    """The text of an answer."""
    environ = {"REMOTE_ADDR": "127.0.0.1"}
    response = Client(app).get(path, headers=HEADERS | headers, environ_base=environ)
    assert response.status_code == 200
    return response.text


def test_a_view_of_flask_is_within_its_request(engine: sa.Engine, shop: Shop) -> None:
    app = flask.Flask("shop")

    @app.get("/")
    def view() -> str:  # pyright: ignore[reportUnusedFunction]
        order(engine)
        ambient.annotate(**ADA)
        order(engine)
        return ""

    # Flask's own way to wrap an application, which is a method to the checkers.
    app.wsgi_app = ChronicleMiddleware(app.wsgi_app)  # type: ignore[method-assign]
    get(app)
    assert shop.contexts() == [ABSENT | asserted(**REQUEST), asserted(**ADA, **REQUEST)]
    assert ambient.fields() == {}


def test_a_body_of_flask_is_produced_within_its_request(engine: sa.Engine, shop: Shop) -> None:
    app = flask.Flask("shop")

    @app.get("/")
    def view() -> flask.Response:  # pyright: ignore[reportUnusedFunction]
        def parts() -> Iterator[str]:
            order(engine)
            yield flask.request.path
            order(engine)

        ambient.annotate(**ADA)
        return flask.Response(flask.stream_with_context(parts()))

    # Flask's own way to wrap an application, which is a method to the checkers.
    app.wsgi_app = ChronicleMiddleware(app.wsgi_app)  # type: ignore[method-assign]
    assert get(app) == "/"
    assert shop.contexts() == [asserted(**ADA, **REQUEST)] * 2
    assert ambient.fields() == {}


def test_the_actor_is_whom_flask_has_found_out(engine: sa.Engine, shop: Shop) -> None:
    app = flask.Flask("shop")

    @app.before_request
    def load_user() -> None:  # pyright: ignore[reportUnusedFunction]
        flask.g.user = "ada"

    @app.get("/")
    def view() -> str:  # pyright: ignore[reportUnusedFunction]
        order(engine)
        return ""

    def actor(_: Any) -> ContextFields:
        return {"actor_id": flask.g.user, "actor_type": "user"}

    # Flask's own way to wrap an application, which is a method to the checkers.
    app.wsgi_app = ChronicleMiddleware(app.wsgi_app, actor=actor)  # type: ignore[method-assign]
    get(app)
    assert shop.context() == asserted(**ADA, **REQUEST)


def test_nothing_surrounds_the_thread_between_the_parts_of_a_body() -> None:
    within: list[object] = []

    def app(_environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        for part in (b"1", b"2"):
            within.append(ambient.fields().get("request_id"))
            yield part

    environ = EnvironBuilder(headers=Headers(HEADERS)).get_environ()
    body = iter(ChronicleMiddleware(app)(environ, _start_response))
    outside: list[ContextFields] = []
    for _ in body:
        outside.append(ambient.fields())
    assert within == ["r-1", "r-1"]
    assert outside == [{}, {}]


def test_a_body_is_closed_within_its_request() -> None:
    closed: list[object] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"1"])

        def close(self) -> None:
            closed.append(ambient.fields().get("request_id"))

    def app(_environ: Any, start_response: Any) -> Body:
        start_response("200 OK", [])
        return Body()

    environ = EnvironBuilder(headers=Headers(HEADERS)).get_environ()
    parts, status, _ = run_wsgi_app(ChronicleMiddleware(app), environ)
    assert (b"".join(parts), status) == (b"1", "200 OK")
    # PEP 3333: a body may have it, and no type says so.
    parts.close()  # type: ignore[attr-defined]  # pyright: ignore
    assert closed == ["r-1"]


@pytest.mark.parametrize("body", [[b"1"], (b"1",), FileWrapper(io.BytesIO(b"1"))])
def test_a_body_that_runs_no_code_is_passed_on_as_it_is(body: Any) -> None:
    def app(_environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return body

    environ = EnvironBuilder().get_environ() | {"wsgi.file_wrapper": FileWrapper}
    assert ChronicleMiddleware(app)(environ, _start_response) is body


def test_the_address_behind_proxies_of_ours_is_the_clients() -> None:
    def app(_environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return [str(ambient.fields().get("ip_address")).encode()]

    forwarded = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
    assert get(ChronicleMiddleware(app), **forwarded) == "127.0.0.1"
    assert get(ChronicleMiddleware(app, trusted_proxies=1), **forwarded) == "203.0.113.9"


def test_an_error_of_the_application_ends_the_request() -> None:
    def app(_environ: Any, _start_response: Any) -> Any:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        get(ChronicleMiddleware(app))
    assert ambient.fields() == {}
