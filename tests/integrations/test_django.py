"""Django: whatever it writes, and however, says who acts; and works as it does without us."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import django
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, IntegrityError, connections, transaction
from django.db.transaction import TransactionManagementError
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from psycopg import sql

from ask import run, value, values
from integrations.shop import ABSENT, SIGNER, Shop, asserted, verified
from pgchronicle import Chronicle, ambient
from pgchronicle.integrations.django import ChronicleMiddleware, audit_context, sign_with
from pgchronicle.models import ContextFields
from pgchronicle.testing import recording
from support import INSTALLER, Cluster, Connection

if TYPE_CHECKING:
    from integrations.django_shop import Order

ADA: Any = {"actor_id": "ada", "actor_type": "user"}
BOB: Any = {"actor_id": "bob", "actor_type": "user"}
ANONYMOUS: Any = {"actor_type": "anonymous"}
REQUEST: Any = {"request_id": "r-1", "user_agent": "till/1.0", "ip_address": "127.0.0.1"}
HEADERS = {"x-request-id": "r-1", "user-agent": "till/1.0"}

# With the client's binding, which is Django's default, and with the server's.
BINDINGS = ("default", "server_side")


class User:
    """What a middleware takes for a user."""

    is_authenticated = True

    def __init__(self, pk: str) -> None:
        self.pk = pk


class Anonymous:
    """Who is not logged in."""

    is_authenticated = False


class ClerksMiddleware(ChronicleMiddleware):
    """As an application says for itself who acts."""

    trusted_proxies = 1

    def actor(self, request: HttpRequest) -> ContextFields | None:
        found = super().actor(request)
        return None if found is None else {**found, "actor_role": "clerk"}


def _ada(_: HttpRequest) -> User:
    return User("ada")


def _nobody(_: HttpRequest) -> Anonymous:
    return Anonymous()


def _nothing(_: HttpRequest) -> HttpResponse:
    return HttpResponse()


@pytest.fixture(scope="session")
def django_shop(cluster: Cluster, shop_database: str) -> Any:
    """The application, with Django set up for the shop's database."""
    server = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": shop_database,
        "USER": "app",
        "PASSWORD": cluster.password or "",
        "HOST": cluster.host,
        "PORT": cluster.port,
    }
    settings.configure(
        DATABASES={
            "default": server,
            "server_side": server | {"OPTIONS": {"server_side_binding": True}},
            "pooled": server | {"OPTIONS": {"pool": {"min_size": 1, "max_size": 1}}},
            "owner": server | {"USER": INSTALLER},
            "elsewhere": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
        },
        MIDDLEWARE=[
            "pgchronicle.integrations.django.ChronicleMiddleware",
            "integrations.django_shop.LazyUserMiddleware",
        ],
        ROOT_URLCONF="integrations.django_shop",
        SECRET_KEY="-",
        ALLOWED_HOSTS=["testserver"],
    )
    django.setup()
    from integrations import django_shop

    return django_shop


@pytest.fixture(autouse=True)
def views(django_shop: Any) -> Iterator[dict[str, Callable[..., Any]]]:
    """The views of the application, which each test makes for itself."""
    django_shop.VIEWS.update(user=_ada, view=_nothing)
    yield django_shop.VIEWS
    for connection in connections.all(initialized_only=True):
        connection.close()


@pytest.fixture
def orders(django_shop: Any) -> "type[Order]":
    """The model of the table that is tracked."""
    model: type[Order] = django_shop.Order
    return model


def get(path: str = "/", **headers: str) -> bytes:
    """The body of an answer."""
    response: Any = Client(headers=HEADERS | headers).get(path)
    assert response.status_code == 200
    if response.streaming:
        return b"".join(response.streaming_content)
    content: bytes = response.content
    return content


def execute(statement: str, parameters: Any = None, *, using: str = "default") -> list[Any]:
    """Runs a statement by hand and returns its rows."""
    with connections[using].cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


# Requests


def test_a_request_in_autocommit_mode_says_who_acts(
    shop: Shop, orders: "type[Order]", views: dict[str, Any]
) -> None:
    def view(_: HttpRequest) -> HttpResponse:
        order = orders.objects.create()
        order.status = "paid"
        order.save()
        order.delete()
        return HttpResponse()

    views["view"] = view
    get()
    assert shop.contexts() == [asserted(**ADA, **REQUEST)] * 3


def test_a_request_in_a_transaction_says_who_acts(
    shop: Shop, orders: "type[Order]", views: dict[str, Any]
) -> None:
    def view(_: HttpRequest) -> HttpResponse:
        with transaction.atomic():
            orders.objects.create()
            orders.objects.create()
        return HttpResponse()

    views["view"] = view
    get()
    assert shop.contexts() == [asserted(**ADA, **REQUEST)] * 2


def test_the_user_is_asked_for_only_when_something_is_written(views: dict[str, Any]) -> None:
    def user(_: HttpRequest) -> User:
        raise AssertionError

    def view(_: HttpRequest) -> HttpResponse:
        return HttpResponse(str(execute("select 1")))

    views.update(user=user, view=view)
    assert get() == b"[(1,)]"


@pytest.mark.parametrize("atomic", [False, True])
def test_a_user_who_is_looked_up_in_the_same_database_is_found(
    shop: Shop, orders: "type[Order]", views: dict[str, Any], atomic: bool
) -> None:
    def user(_: HttpRequest) -> User:
        return User(execute("select 'ada'")[0][0])

    def view(_: HttpRequest) -> HttpResponse:
        with transaction.atomic() if atomic else nullcontext():
            orders.objects.create()
        return HttpResponse()

    views.update(user=user, view=view)
    get()
    assert shop.context() == asserted(**ADA, **REQUEST)


def test_a_user_whom_the_view_finds_out_acts(
    shop: Shop, orders: "type[Order]", views: dict[str, Any]
) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        with transaction.atomic():
            orders.objects.create()
            request.user = User("bob")  # type: ignore[assignment]  # as REST framework does
            orders.objects.create()
            ambient.annotate(actor_id="cron", actor_type="service")
            orders.objects.create()
        return HttpResponse()

    views.update(user=_nobody, view=view)
    get()
    assert shop.contexts() == [
        asserted(**ANONYMOUS, **REQUEST),
        asserted(**BOB, **REQUEST),
        asserted(actor_id="cron", actor_type="service", **REQUEST),
    ]


def test_a_user_who_can_not_be_looked_up_breaks_no_write(
    shop: Shop,
    orders: "type[Order]",
    views: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def user(_: HttpRequest) -> User:
        raise OSError("the directory does not answer")

    def view(_: HttpRequest) -> HttpResponse:
        orders.objects.create()
        return HttpResponse()

    views.update(user=user, view=view)
    get()
    assert shop.context() == ABSENT | asserted(**REQUEST, client_info={"context_error": "OSError"})
    assert {record.name for record in caplog.records} == {"pgchronicle.ambient"}


def test_a_subclass_says_who_acts_and_how_many_proxies_there_are(
    shop: Shop, orders: "type[Order]"
) -> None:
    def respond(_: HttpRequest) -> HttpResponse:
        orders.objects.create()
        return HttpResponse()

    request = HttpRequest()
    request.META = {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}
    request.META["HTTP_X_REQUEST_ID"] = "r-1"
    # As in django_shop.
    request.user = User("ada")  # type: ignore[assignment]
    ClerksMiddleware(respond)(request)
    assert shop.context() == asserted(
        **ADA, actor_role="clerk", request_id="r-1", ip_address="203.0.113.9"
    )


def test_a_request_without_users_names_nobody(shop: Shop, orders: "type[Order]") -> None:
    def respond(_: HttpRequest) -> HttpResponse:
        orders.objects.create()
        return HttpResponse()

    request = HttpRequest()
    request.META["HTTP_X_REQUEST_ID"] = "r-1"
    ChronicleMiddleware(respond)(request)
    assert shop.context() == ABSENT | asserted(request_id="r-1")


def test_a_request_that_is_awaited_says_who_acts(
    shop: Shop, orders: "type[Order]", views: dict[str, Any]
) -> None:
    async def view(_: HttpRequest) -> HttpResponse:
        ambient.annotate(reason="ticket 7")
        order = await orders.objects.acreate()
        order.status = "paid"
        await order.asave()
        # Queries are made in a thread of their own, with connections of its own.
        await sync_to_async(connections.close_all)()
        return HttpResponse()

    async def ask() -> int:
        return (await AsyncClient().get("/awaited", headers=HEADERS)).status_code

    views["view"] = view
    assert asyncio.run(ask()) == 200
    assert shop.contexts() == [asserted(**ADA, **REQUEST, reason="ticket 7")] * 2


def test_a_body_is_produced_within_its_request(
    shop: Shop, orders: "type[Order]", views: dict[str, Any]
) -> None:
    def view(_: HttpRequest) -> StreamingHttpResponse:
        def parts() -> Iterator[str]:
            orders.objects.create()
            yield "1"
            orders.objects.create()
            yield "2"

        return StreamingHttpResponse(parts())

    views["view"] = view
    assert get() == b"12"
    assert shop.contexts() == [asserted(**ADA, **REQUEST)] * 2
    assert ambient.fields() == {}


def test_a_body_that_is_awaited_is_produced_within_its_request(
    shop: Shop, orders: "type[Order]", views: dict[str, Any]
) -> None:
    async def view(_: HttpRequest) -> StreamingHttpResponse:
        async def parts() -> AsyncIterator[str]:
            for part in "12":
                await orders.objects.acreate()
                yield part
            await sync_to_async(connections.close_all)()

        return StreamingHttpResponse(parts())

    async def ask() -> bytes:
        response: Any = await AsyncClient().get("/awaited", headers=HEADERS)
        return b"".join([part async for part in response.streaming_content])

    views["view"] = view
    assert asyncio.run(ask()) == b"12"
    assert shop.contexts() == [asserted(**ADA, **REQUEST)] * 2


def test_a_file_is_sent_by_the_server_as_ever() -> None:
    with Path(__file__).open("rb") as file:
        response: Any = ChronicleMiddleware(lambda _: FileResponse(file))(HttpRequest())
        assert response.file_to_stream is file
        response.close()


# Outside requests


def test_outside_requests_a_block_says_who_acts(shop: Shop, orders: "type[Order]") -> None:
    with audit_context(**ADA):
        orders.objects.create()
        with audit_context(reason="ticket 7"):
            orders.objects.create()
    orders.objects.create()
    assert shop.contexts() == [asserted(**ADA), asserted(**ADA, reason="ticket 7"), ABSENT]


def test_connections_of_other_threads_are_covered(shop: Shop, orders: "type[Order]") -> None:
    def work(surrounding: ambient.Scope) -> None:
        with ambient.within(surrounding):
            orders.objects.create()
        connections.close_all()

    with audit_context(**ADA) as surrounding:
        thread = threading.Thread(target=work, args=(surrounding,))
        thread.start()
        thread.join()
    assert shop.context() == asserted(**ADA)


def test_a_connection_that_is_opened_again_is_covered_once(
    shop: Shop, orders: "type[Order]"
) -> None:
    with audit_context(**ADA):
        orders.objects.create()
        connections["default"].close()
        orders.objects.create()
    assert shop.contexts() == [asserted(**ADA)] * 2
    assert len(connections["default"].execute_wrappers) == 1


def test_a_connection_that_was_open_before_is_covered(shop: Shop, orders: "type[Order]") -> None:
    connections["default"].ensure_connection()
    connections["default"].execute_wrappers.clear()
    with audit_context(**ADA):
        orders.objects.create()
    assert shop.context() == asserted(**ADA)


def test_a_connection_opened_within_another_wrapper_stays_covered(
    shop: Shop, orders: "type[Order]"
) -> None:
    connection = connections["default"]
    seen: list[str] = []

    def note(execute: Any, statement: str, *rest: Any) -> Any:
        seen.append(statement.partition(" ")[0])
        return execute(statement, *rest)

    with audit_context(**ADA):
        connection.close()
        connection.execute_wrappers.clear()
        with connection.execute_wrapper(note):
            orders.objects.create()
        orders.objects.create()
    assert seen == ["INSERT"]
    assert shop.contexts() == [asserted(**ADA)] * 2


# Statements


@pytest.mark.parametrize("using", BINDINGS)
@pytest.mark.parametrize("atomic", [False, True])
def test_every_way_to_write_says_who_acts_and_answers_as_ever(
    shop: Shop, orders: "type[Order]", using: str, atomic: bool
) -> None:
    manager = orders.objects.using(using)
    before = manager.count()
    with audit_context(**ADA), transaction.atomic(using) if atomic else nullcontext():
        created = manager.bulk_create([orders(status="a"), orders(status="b")])
        keys = [order.pk for order in created]
        assert manager.filter(pk__in=keys).update(status="c") == 2
        ((key,),) = execute(
            "/* by hand */ insert into orders (status) values (%s) returning id", ["d"], using=using
        )
        assert execute(
            "with o as (update orders set status = '100%%' where id = %s returning status) "
            "select status from o",
            [key],
            using=using,
        ) == [("100%",)]
        assert execute(f"delete from orders where id = {key} and 'a' like '%'", using=using) == []
        with connections[using].cursor() as cursor:
            cursor.executemany(
                "update orders set status = %s where id = %s", [("e", keys[0]), ("f", keys[1])]
            )
            assert cursor.rowcount == 2
            cursor.execute("update orders set status = 'g' where id = %s", [keys[0]])
            assert cursor.rowcount == 1
        assert manager.filter(pk__in=keys).delete() == (2, {"shop.Order": 2})
    assert manager.count() == before
    assert shop.contexts() == [asserted(**ADA)] * 12


@pytest.mark.parametrize("using", BINDINGS)
@pytest.mark.parametrize("atomic", [False, True])
def test_rows_are_read_in_parts_while_others_are_written(
    shop: Shop, orders: "type[Order]", using: str, atomic: bool
) -> None:
    manager = orders.objects.using(using)
    with audit_context(**ADA), transaction.atomic(using) if atomic else nullcontext():
        keys = [manager.create(status="series").pk for _ in range(3)]
        for order in manager.filter(pk__in=keys).order_by("pk").iterator(chunk_size=1):
            order.status = f"read {order.pk}"
            order.save()
    assert [manager.get(pk=key).status for key in keys] == [f"read {key}" for key in keys]
    assert shop.contexts() == [asserted(**ADA)] * 6


@pytest.mark.parametrize(
    "statement",
    [
        b"insert into orders default values",
        sql.SQL("insert into {} default values").format(sql.Identifier("orders")),
        "-- by hand\n/* in (brackets) */ (with o as (insert into orders default values "
        "returning id) select * from o)",
        "\n\tINSERT into orders default values",
    ],
)
def test_a_statement_may_be_written_in_any_form(shop: Shop, statement: Any) -> None:
    with audit_context(**ADA):
        execute(statement)
    assert shop.context() == asserted(**ADA)


def test_a_statement_may_have_many_comments(shop: Shop) -> None:
    with audit_context(**ADA):
        assert execute("/**/ " * 100 + "select 1") == [(1,)]
    assert shop.contexts() == []


def test_a_recording_shows_what_django_writes(orders: "type[Order]") -> None:
    connection = connections["owner"]
    with transaction.atomic("owner"), audit_context(**ADA, client_info={"till": 1.5}):
        with recording(cast(Connection, connection.connection)) as recorded:
            order = orders.objects.using("owner").create(status="paid")
        transaction.set_rollback(True, "owner")
    recorded.assert_recorded(
        **ADA,
        resource_id=order.pk,
        details_after={"id": order.pk, "status": "paid", "follows": None},
        client_info={"till": 1.5},
    )


def test_a_common_table_expression_is_read_in_parts(orders: "type[Order]") -> None:
    with audit_context(**ADA):
        found = orders.objects.raw("with o as (select 7 as id, 'x' as status) select * from o")
        assert [(order.pk, order.status) for order in found.iterator()] == [(7, "x")]
        connection = connections["default"]
        with connection.chunked_cursor() as cursor:
            cursor.execute("with o as (select 7 as id) select * from o")
            assert cursor.fetchall() == [(7,)]


@pytest.mark.parametrize("using", BINDINGS)
def test_a_savepoint_that_is_rolled_back_takes_nothing_else_with_it(
    shop: Shop, orders: "type[Order]", using: str
) -> None:
    manager = orders.objects.using(using)
    with audit_context(**ADA), transaction.atomic(using):
        savepoint = connections[using].savepoint() or ""
        with audit_context(reason="ticket 7"):
            manager.create()
            connections[using].savepoint_rollback(savepoint)
            manager.create()
        with pytest.raises(IntegrityError), transaction.atomic(using), audit_context(reason="8"):
            manager.create(status=None)
        manager.create()
    assert shop.contexts() == [asserted(**ADA, reason="ticket 7"), asserted(**ADA)]


def test_a_transaction_that_is_managed_by_hand_says_who_acts(
    shop: Shop, orders: "type[Order]"
) -> None:
    with audit_context(**ADA):
        orders.objects.create()
        transaction.set_autocommit(False)
        orders.objects.create()
        transaction.commit()
        orders.objects.create()
        transaction.rollback()
        orders.objects.create()
        transaction.commit()
        transaction.set_autocommit(True)
    assert shop.contexts() == [asserted(**ADA)] * 3


def test_a_transaction_of_the_drivers_says_who_acts(shop: Shop, orders: "type[Order]") -> None:
    with audit_context(**ADA):
        with transaction.atomic():
            orders.objects.create()
        with cast(Connection, connections["default"].connection).transaction():
            orders.objects.create()
    assert shop.contexts() == [asserted(**ADA)] * 2


def test_errors_are_djangos_and_leave_the_connection_usable(
    shop: Shop, orders: "type[Order]"
) -> None:
    with audit_context(**ADA):
        with pytest.raises(IntegrityError, match="status"):
            orders.objects.create(status=None)
        # A foreign key of Django's is checked when the statement's transaction ends.
        with pytest.raises(IntegrityError, match="follows"):
            orders.objects.create(follows=-1)
        with pytest.raises(DatabaseError, match="nowhere"):
            execute("insert into nowhere values (1)")
        orders.objects.create()
    assert shop.context() == asserted(**ADA)


def test_a_rollback_by_hand_is_not_stood_in_the_way_of(shop: Shop, orders: "type[Order]") -> None:
    transaction.set_autocommit(False)
    with audit_context(**ADA):
        with pytest.raises(IntegrityError):
            orders.objects.create(status=None)
        with audit_context(reason="ticket 7"):
            execute("rollback")
        orders.objects.create()
        execute("savepoint s")
        with audit_context(reason="ticket 8"):
            orders.objects.create()
            execute(" rollback to s")
            orders.objects.create()
    transaction.commit()
    transaction.set_autocommit(True)
    assert shop.contexts() == [asserted(**ADA), asserted(**ADA, reason="ticket 8")]


def test_a_broken_transaction_is_refused_as_ever(orders: "type[Order]") -> None:
    with audit_context(**ADA), transaction.atomic():
        with pytest.raises(IntegrityError):
            orders.objects.create(status=None)
        with pytest.raises(TransactionManagementError), audit_context(reason="ticket 7"):
            orders.objects.create()
        transaction.set_rollback(True)


@pytest.mark.parametrize("atomic", [False, True])
def test_the_queries_that_tests_count_are_as_many_as_ever(
    orders: "type[Order]", atomic: bool
) -> None:
    with audit_context(**ADA), transaction.atomic() if atomic else nullcontext():
        with CaptureQueriesContext(connections["default"]) as queries:
            orders.objects.create()
        assert [query["sql"].partition(" ")[0] for query in queries] == ["INSERT"]


def test_a_statement_that_refuses_transactions_works(shop: Shop) -> None:
    with audit_context(**ADA):
        execute("vacuum pg_catalog.pg_am")
    assert shop.contexts() == []


def test_a_function_of_the_log_says_who_acts_in_autocommit_mode(shop: Shop) -> None:
    with audit_context(**ADA):
        execute(
            "select chronicle.log_audit_event(_action_type => 'read', _resource_type => 'orders')"
        )
    assert shop.context() == asserted(**ADA)


def test_the_client_works_over_a_connection_of_djangos(
    shop: Shop, orders: "type[Order]", views: dict[str, Any]
) -> None:
    def view(_: HttpRequest) -> HttpResponse:
        connection = connections["default"]
        connection.ensure_connection()
        log = Chronicle(connection.connection)
        with transaction.atomic(), log.context(reason="ticket 7", client_info={"till": 1.5}):
            orders.objects.create()
            log.log_audit_event(action_type="read", resource_type="orders")
            with audit_context(reason="ticket 8"):
                orders.objects.create()
            assert log.current_context()["client_info"] == {"till": 1.5}
        return HttpResponse()

    views["view"] = view
    get()
    said = asserted(**ADA, **REQUEST, client_info={"till": 1.5})
    assert shop.contexts() == [
        said | {"reason": "ticket 7"},
        said | {"reason": "ticket 7"},
        said | {"reason": "ticket 8"},
    ]


def test_a_connection_from_a_pool_says_who_acts(shop: Shop, orders: "type[Order]") -> None:
    manager = orders.objects.using("pooled")
    connection: Any = connections["pooled"]
    with audit_context(**ADA), transaction.atomic("pooled"):
        manager.create()
    connection.close()
    with transaction.atomic("pooled"):
        manager.create()
    connection.close()
    connection.close_pool()
    assert shop.contexts() == [asserted(**ADA), ABSENT]


def test_other_databases_are_left_alone() -> None:
    with audit_context(**ADA):
        execute("create table t (a integer)", using="elsewhere")
        execute("insert into t values (1)", using="elsewhere")
        assert execute("select * from t", using="elsewhere") == [(1,)]


@pytest.mark.parametrize("atomic", [False, True])
def test_a_signer_makes_contexts_verified(
    shop: Shop, orders: "type[Order]", monkeypatch: pytest.MonkeyPatch, atomic: bool
) -> None:
    monkeypatch.setattr("pgchronicle.integrations.django._signers", {})
    sign_with(SIGNER)
    with audit_context(**ADA), transaction.atomic() if atomic else nullcontext():
        orders.objects.create()
        orders.objects.create()
    with audit_context(**ADA):
        orders.objects.using("server_side").create()
    assert shop.contexts() == [verified(**ADA), verified(**ADA), asserted(**ADA)]


def test_a_token_is_not_seen_in_the_text_of_a_statement(
    cluster: Cluster, shop: Shop, orders: "type[Order]", monkeypatch: pytest.MonkeyPatch
) -> None:
    def write() -> None:
        with audit_context(**ADA):
            orders.objects.create()
        connections.close_all()

    monkeypatch.setattr("pgchronicle.integrations.django._signers", {"default": SIGNER})
    superuser = shop.database.connect(cluster.superuser, autocommit=True)
    with superuser.transaction():
        # Whoever looks for the key has to wait.
        run(superuser, "lock table chronicle.context_secrets")
        writer = threading.Thread(target=write)
        writer.start()
        pid = wait_until_somebody_waits_for(superuser)
        running = value(superuser, "select query from pg_stat_activity where pid = %s", (pid,))
    writer.join()
    assert running == "select chronicle.set_signed_context($1)"
    assert shop.context() == verified(**ADA)


def wait_until_somebody_waits_for(blocker: Connection) -> int:
    """The process id of the session that waits for a lock of this one."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = values(
            blocker,
            "select pid from pg_stat_activity where pg_backend_pid() = any(pg_blocking_pids(pid))",
        )
        if found:
            (pid,) = found
            return int(pid)
        # The view is the same all through a transaction, unless told to look again.
        run(blocker, "select pg_stat_clear_snapshot()")
    raise AssertionError("nobody waits")
