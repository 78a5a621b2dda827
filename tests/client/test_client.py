"""The client: its methods say in Python what the functions of the schema chronicle say in SQL."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import asdict, fields
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from ipaddress import ip_address
from typing import Any, get_args, get_type_hints

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from ask import run, value, values
from pgchronicle import (
    Chronicle,
    ContextFields,
    ContextKey,
    Event,
    EventFields,
    EventFilters,
    RefreshedTable,
    RowChange,
    RowChangeFilters,
    Setting,
    TrackedTable,
    _json,
    _statements,
    models,
)
from pgchronicle.errors import (
    EventIdTakenError,
    NotAllowedError,
    NotFoundError,
    NotTrackedError,
    WrongFieldError,
)
from support import Connection, Database, acting_as

READ_PAGE: Any = {"actor_type": "user", "action_type": "read", "resource_type": "page"}


def page_read(**more: Any) -> Any:
    """The least event, and what else is said."""
    return READ_PAGE | more


PARENT = uuid.UUID("0c1e9b1e-0000-7000-8000-000000000001")
OPERATION = uuid.UUID("0c1e9b1e-0000-7000-8000-000000000002")
EVENT = uuid.UUID("0c1e9b1e-0000-7000-8000-000000000003")

WHOLE: EventFields = {
    "organization_id": uuid.UUID("0c1e9b1e-0000-4000-8000-00000000000a"),
    "actor_id": 42,
    "actor_type": "employee",
    "ip_address": ip_address("2001:db8::7"),
    "user_agent": "curl/8",
    "action_type": "update",
    "action_description": "Changed the price",
    "action_meta": {"screen": "prices"},
    "resource_type": "product",
    "resource_id": "P-7",
    "related_resources": [{"resource_type": "list", "resource_id": "3"}],
    "details_before": {"price": Decimal("12.50"), "name": "Tea"},
    "details_after": {"price": Decimal("12.5"), "name": "Tea"},
    "ai_metadata": {"model": "m"},
    "session_id": "s",
    "request_id": uuid.UUID("0c1e9b1e-0000-4000-8000-00000000000b"),
    "client_info": {"build": 7},
    "duration_ms": 12,
    "severity": "warning",
    "status": "failure",
    "error_code": "E7",
    "error_message": "too cheap",
    "action": "price.change",
    "actor_role": "buyer",
    "impersonator_id": 7,
    "is_ai_action": True,
    "reason": "season",
    "trace_id": "t",
    "operation_id": "o",
    "parent_event_id": PARENT,
    "ai_operation_id": str(OPERATION),
    "occurred_at": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    "event_id": EVENT,
}
"""An event with all there is to say."""


@pytest.fixture
def app(db: Connection) -> Iterator[Chronicle]:
    """A client for app; nothing is ever committed."""
    with acting_as(db, "app"):
        yield Chronicle(db)


def read(db: Connection) -> Chronicle:
    """A client that sees what app logs: the installer is an auditor."""
    return Chronicle(db)


def whole_event(db: Connection, event_id: uuid.UUID) -> Event:
    event = read(db).event(event_id)
    assert event is not None
    return event


# Writing


def test_event_comes_back_as_it_was_logged(db: Connection) -> None:
    with acting_as(db, "app"):
        event_id = Chronicle(db).log_audit_event(**WHOLE)
    event = asdict(whole_event(db, event_id))
    assert event_id == EVENT
    said = {
        **WHOLE,
        "organization_id": "0c1e9b1e-0000-4000-8000-00000000000a",
        "actor_id": "42",
        "impersonator_id": "7",
        "request_id": "0c1e9b1e-0000-4000-8000-00000000000b",
        "ai_operation_id": OPERATION,
    }
    assert {name: event[name] for name in said} == said
    assert (event["db_user"], event["origin"], event["context_state"]) == (
        "app",
        "logged",
        "absent",
    )
    assert event["changed_columns"] == ["price"]
    # Equal numbers, but not the same digits.
    assert str(event["details_before"]["price"]) == "12.50"
    assert str(event["details_after"]["price"]) == "12.5"


def test_what_is_left_out_or_none_is_left_to_the_server(db: Connection) -> None:
    with acting_as(db, "app"):
        event_id = Chronicle(db).log_audit_event(
            **READ_PAGE, severity=None, actor_id=None, details_after=None
        )
    event = whole_event(db, event_id)
    assert (event.severity, event.actor_id, event.details_after) == ("info", None, None)
    assert event.action == "page.read"


def test_retry_with_the_same_id_is_recorded_once(db: Connection) -> None:
    other: Any = {**WHOLE, "reason": "another"}
    with acting_as(db, "app"):
        log = Chronicle(db)
        assert log.log_audit_event(**WHOLE) == log.log_audit_event(**WHOLE)
        with pytest.raises(EventIdTakenError), db.transaction():
            log.log_audit_event(**other)
    assert len(read(db).events(resource_id="P-7").events) == 1


class _Colour(StrEnum):
    RED = "red"


class _Size(Enum):
    LARGE = 42


def test_documents_hold_what_postgresql_would_make_of_the_values(db: Connection) -> None:
    moment = datetime(2026, 11, 20, 9, 0, 0, 123456, tzinfo=UTC)
    document: dict[str, Any] = {
        "decimal": Decimal("12345678901234567890.12345678901234567890"),
        "tiny": Decimal("1E-30"),
        "zeros": Decimal("1.00"),
        "not a number": Decimal("NaN"),
        "infinite": float("-inf"),
        "float": 0.1,
        "integer": 2**70,
        "yes": True,
        "nothing": None,
        "uuid": EVENT,
        "datetime": moment,
        "date": date(2026, 11, 20),
        "time": time(9, 0),
        "address": ip_address("192.0.2.7"),
        "bytes": b"\x00\xff",
        "text": 'quote " and é and \\',
        "enums": [_Colour.RED, _Size.LARGE],
        "nested": {"list": [1, [], {}], 7: "seven"},
    }
    with acting_as(db, "app"):
        event_id = Chronicle(db).log_audit_event(**READ_PAGE, action_meta=document)
    expected: Any = value(
        db,
        """
        select jsonb_build_object(
            'decimal', 12345678901234567890.12345678901234567890,
            'tiny', 1e-30::numeric, 'zeros', 1.00, 'not a number', 'NaN'::numeric,
            'infinite', '-infinity'::float8, 'float', 0.1::float8, 'integer', 2::numeric ^ 70,
            'yes', true, 'nothing', null, 'uuid', '0c1e9b1e-0000-7000-8000-000000000003'::uuid,
            'datetime', '2026-11-20 09:00:00.123456+00'::timestamptz at time zone 'UTC',
            'date', '2026-11-20'::date, 'time', '09:00'::time, 'address', '192.0.2.7'::inet,
            'bytes', '\\x00ff'::bytea, 'text', 'quote " and é and \\',
            'enums', jsonb_build_array('red', 42),
            'nested', '{"list": [1, [], {}], "7": "seven"}'::jsonb
        )::text
        """,
    )
    said = value(
        db, "select action_meta::text from chronicle.events where event_id = %s", (event_id,)
    )
    said_values, expected_values = (
        json.loads(text, parse_float=str, parse_int=str) for text in (said, expected)
    )
    # PostgreSQL leaves the zone to the session, Python never does.
    assert said_values.pop("datetime") == "2026-11-20T09:00:00.123456+00:00"
    assert expected_values.pop("datetime") == "2026-11-20T09:00:00.123456"
    assert said_values.pop("integer") == str(2**70)
    assert expected_values.pop("integer").split(".")[0] == str(2**70)
    assert said_values == expected_values


def test_value_without_a_form_in_json_is_refused_before_anything_is_sent(app: Chronicle) -> None:
    with pytest.raises(TypeError, match="type set cannot be recorded as JSON"):
        app.log_audit_event(**READ_PAGE, action_meta={"tags": {"a", "b"}})
    assert app.log_audit_event(**READ_PAGE)


def test_number_too_long_for_python_does_not_hide_an_event(db: Connection) -> None:
    digits = "7" * 5000
    event_id = value(
        db,
        "select chronicle.log_audit_event(_actor_type => 'user', _action_type => 'read', "
        "_resource_type => 'page', _action_meta => %s)",
        (f'{{"n": {digits}}}',),
    )
    event = whole_event(db, event_id)
    assert event.action_meta == {"n": Decimal(digits)}


def test_value_too_deep_for_python_does_not_hide_the_events_beside_it(db: Connection) -> None:
    # Whoever may write to a tracked table, or has a context, can do this.
    deep = '{"a": ' * 1500 + '["}", 1.50]' + "}" * 1500
    hidden = value(
        db,
        "select chronicle.log_audit_event(_actor_type => 'user', _action_type => 'read', "
        "_resource_type => 'page', "
        "_action_meta => jsonb_build_object('deep', %s::jsonb, 'n', 1.50))",
        (deep,),
    )
    beside = read(db).log_audit_event(**READ_PAGE)
    found = {event.event_id: event.action_meta for event in read(db).events().events}
    assert found[beside] is None
    meta = found[hidden]
    assert meta is not None
    assert str(meta["n"]) == "1.50"
    inner = meta["deep"]
    for _ in range(99):
        inner = inner["a"]
    assert inner == '{"a": ' * (1500 - 99) + '["}", 1.50]' + "}" * (1500 - 99)


def test_what_lies_a_hundred_levels_deep_is_taken_apart() -> None:
    text = '{"[{": ' * 99 + '{"b": "\\"}"}' + "}" * 99
    assert _json.loads(text) == json.loads(text)
    many = json.dumps([[{"a": [number]}] for number in range(200)])
    assert _json.loads(many) == json.loads(many)


def test_argument_that_does_not_exist_is_an_error_of_the_program(app: Chronicle) -> None:
    misspelt: dict[str, Any] = {"actor_typ": "user"}
    with pytest.raises(TypeError, match="'actor_typ'"):
        app.log_audit_event(**READ_PAGE, **misspelt)
    with pytest.raises(TypeError, match="'actor_typ'"):
        app.log_audit_events([page_read(**misspelt)])
    with pytest.raises(TypeError, match="actor_typ"), app.context(**misspelt):
        pass
    with pytest.raises(TypeError, match="'actor_typ'"):
        app.events(**misspelt)


def test_time_without_a_zone_is_refused(app: Chronicle) -> None:
    naive = datetime(2026, 1, 2)
    with pytest.raises(WrongFieldError, match="occurred_at has no time zone"):
        app.log_audit_event(**READ_PAGE, occurred_at=naive)
    with pytest.raises(WrongFieldError, match="occurred_at has no time zone"):
        app.log_audit_events([page_read(occurred_at=naive)])
    with pytest.raises(WrongFieldError, match="since has no time zone"):
        app.events(since=naive)


# Sets


def test_set_records_what_single_calls_record(db: Connection) -> None:
    other: EventFields = {**WHOLE, "event_id": uuid.uuid4()}
    with acting_as(db, "app"):
        log = Chronicle(db)
        single = log.log_audit_event(**WHOLE)
        (first, second) = log.log_audit_events([READ_PAGE, other])
    one, two = asdict(whole_event(db, single)), asdict(whole_event(db, second))
    own = ("event_id", "seq", "recorded_at", "payload_salt")
    assert one | dict.fromkeys(own) == two | dict.fromkeys(own)
    assert whole_event(db, first).resource_type == "page"


def many(number: int) -> Iterator[Any]:
    for place in range(1, number + 1):
        yield page_read(resource_id=place)


def test_ids_of_a_long_set_are_in_its_order(db: Connection) -> None:
    with acting_as(db, "app"):
        ids = Chronicle(db).log_audit_events(many(2500))
    resource_ids = dict(
        run(db, "select event_id, resource_id from chronicle.events").fetchall()  # pyright: ignore[reportUnknownMemberType]
    )
    assert [resource_ids[event_id] for event_id in ids] == [str(n) for n in range(1, 2501)]


def test_set_of_nothing_is_nothing(app: Chronicle) -> None:
    assert app.log_audit_events([]) == []


@pytest.mark.parametrize("place", [2, 2400])
def test_set_with_an_event_that_is_refused_leaves_nothing(database: Database, place: int) -> None:
    connection = database.connect("app")
    log = Chronicle(connection)

    def wrong_for_the_server() -> Iterator[Any]:
        for number, event in enumerate(many(2500), start=1):
            yield {**event, "duration_ms": -1} if number == place else event

    def wrong_for_the_client() -> Iterator[Any]:
        for number, event in enumerate(many(2500), start=1):
            yield {**event, "action_meta": {"a": object()}} if number == place else event

    with pytest.raises(WrongFieldError, match=r"_duration_ms is -1") as refused:
        log.log_audit_events(wrong_for_the_server())
    assert f"event {(place - 1) % 1000 + 1} of the set" in str(refused.value)
    if place > 1000:
        assert refused.value.__notes__ == ["Counted from event 2001 of those given."]
    connection.rollback()

    # What the client refuses leaves the transaction usable, so a caller may go on and commit.
    connection.execute("select")
    with pytest.raises(TypeError) as impossible:
        log.log_audit_events(wrong_for_the_client())
    assert impossible.value.__notes__[0] == f"It is event {place} of those given."
    log.log_audit_event(**READ_PAGE, resource_id="after")
    connection.commit()

    auditor = database.connect()
    assert values(auditor, "select resource_id from chronicle.events") == ["after"]


def test_long_set_over_autocommit_is_one_transaction(database: Database) -> None:
    log = Chronicle(database.connect("app", autocommit=True))
    log.log_audit_events(many(1500))
    found = values(database.connect(), "select distinct transaction_id from chronicle.events")
    assert len(found) == 1


# Whose transaction


def test_caller_commits(database: Database) -> None:
    connection, auditor = database.connect("app"), database.connect(autocommit=True)
    log = Chronicle(connection)
    log.log_audit_events(many(1500))
    connection.rollback()
    log.log_audit_event(**READ_PAGE)
    with log.context(actor_type="user"):
        log.log_audit_events([READ_PAGE, READ_PAGE])
    connection.rollback()
    assert value(auditor, "select count(*) from chronicle.events") == 0

    log.log_audit_event(**READ_PAGE)
    assert value(auditor, "select count(*) from chronicle.events") == 0
    connection.commit()
    assert value(auditor, "select count(*) from chronicle.events") == 1


def test_call_over_a_pool_is_a_transaction_of_its_own(database: Database) -> None:
    auditor = database.connect(autocommit=True)
    with ConnectionPool(database.dsn("app"), min_size=1, max_size=2) as pool:
        log = Chronicle(pool)
        log.log_audit_event(**READ_PAGE)
        log.log_audit_events(many(1500))
        with pytest.raises(WrongFieldError):
            log.log_audit_event(**READ_PAGE, duration_ms=-1)
        log.log_audit_event(**READ_PAGE)
    found = values(
        auditor, "select count(*) from chronicle.events group by transaction_id order by 1"
    )
    assert found == [1, 1, 1500]


def test_failure_is_recorded_over_another_connection(database: Database) -> None:
    connection = database.connect("app")
    failures = Chronicle(database.connect("app", autocommit=True))
    log = Chronicle(connection)
    try:
        with connection.transaction():
            log.log_audit_event(**READ_PAGE)
            raise OSError("the printer is on fire")
    except OSError as error:
        failures.log_audit_event(**READ_PAGE, status="failure", error_message=str(error))
    recorded = Chronicle(database.connect()).events().events
    assert [(event.status, event.error_message) for event in recorded] == [
        ("failure", "the printer is on fire")
    ]


def test_source_must_be_a_connection_or_a_pool(database: Database) -> None:
    with pytest.raises(TypeError, match="not str"):
        # What the types forbid is what is tried.
        Chronicle(database.dsn())  # type: ignore[arg-type]


def test_row_factory_and_cursor_of_the_caller_make_no_difference(database: Database) -> None:
    options: Any = {"row_factory": dict_row, "cursor_factory": psycopg.ClientCursor}
    connection = psycopg.connect(database.dsn(), **options)
    with connection:
        log = Chronicle(connection)
        event_id = log.log_audit_event(**WHOLE)
        with log.context(actor_type="user", actor_id=7):
            assert log.current_context()["actor_id"] == "7"
        assert [event.event_id for event in log.events(resource_id="P-7").events] == [event_id]


def test_shape_of_a_call_is_one_prepared_statement(database: Database) -> None:
    connection = database.connect("app", prepare_threshold=0)
    log = Chronicle(connection)
    for ids in (1, 2**40, "text", uuid.uuid4()):
        log.log_audit_event(
            **READ_PAGE,
            actor_id=ids,
            duration_ms=7 if ids == 1 else 70_000,
            ip_address="192.0.2.7" if ids == 1 else ip_address("192.0.2.8"),
        )
    prepared = values(
        connection,
        "select statement from pg_prepared_statements where statement ~ '^select chronicle'",
    )
    assert len(prepared) == 1


# Reading


def pages(log: Chronicle, **filters: Any) -> Iterator[Event]:
    cursor = None
    while True:
        page = log.events(limit=2, cursor=cursor, **filters)
        yield from page.events
        cursor = page.next_cursor
        if cursor is None:
            return


def test_pages_hold_each_event_once_newest_first(db: Connection) -> None:
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    log = read(db)
    # Three share a moment, so the id decides.
    times = [moment, moment, moment, moment + timedelta(hours=1), moment - timedelta(days=90)]
    ids = log.log_audit_events(page_read(actor_id="pager", occurred_at=time) for time in times)
    expected = sorted(zip(times, ids, strict=True), reverse=True)
    seen = [event.event_id for event in pages(log, actor_id="pager")]
    assert seen == [event_id for _, event_id in expected]


def test_event_that_arrives_between_pages_moves_nothing(db: Connection) -> None:
    log = read(db)
    log.log_audit_events(many(5))
    walk = pages(log, resource_type="page")
    seen = [next(walk).resource_id]
    log.log_audit_event(**READ_PAGE, resource_id="late")
    seen += [event.resource_id for event in walk]
    assert seen == ["5", "4", "3", "2", "1"]


def test_last_page_has_no_cursor(db: Connection) -> None:
    log = read(db)
    log.log_audit_events(many(4))
    first = log.events(resource_type="page", limit=2)
    assert first.next_cursor is not None
    assert log.events(resource_type="page", limit=2, cursor=first.next_cursor).next_cursor is None


@pytest.mark.parametrize("cursor", ["", "?", "abc", "MjAyNg", "€"])
def test_cursor_of_nobody_is_refused(db: Connection, cursor: str) -> None:
    with pytest.raises(WrongFieldError, match="the cursor is not one of this listing"):
        read(db).events(cursor=cursor)


def test_limit_below_one_is_refused(db: Connection) -> None:
    with pytest.raises(WrongFieldError, match="limit is 0"):
        read(db).events(limit=0)


FILTERS: dict[str, Any] = {
    name: dict(WHOLE)[name]
    for name in (
        *("organization_id", "actor_id", "actor_type", "actor_role", "impersonator_id"),
        *("is_ai_action", "action", "action_type", "resource_type", "resource_id", "severity"),
        *("status", "error_code", "session_id", "request_id", "trace_id", "operation_id"),
        *("ai_operation_id", "parent_event_id"),
    )
} | {
    "is_system_wide": False,
    "db_user": "app",
    "context_state": "asserted",
    "origin": "logged",
    "transaction_id": None,
    "since": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    "until": datetime(2026, 1, 3, tzinfo=UTC),
    "table": None,
}


@pytest.mark.parametrize("name", sorted(get_type_hints(EventFilters)))
def test_filter_finds_its_events_and_no_others(db: Connection, name: str) -> None:
    with acting_as(db, "app"), Chronicle(db).context(actor_type="user"):
        wanted = Chronicle(db).log_audit_event(**WHOLE)
    run(db, "create table t (id integer primary key)")
    read(db).enable_tracking("t")
    run(db, "insert into t values (1)")
    # A system-wide event before and one after, by another role, in every respect another.
    for moment in (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)):
        read(db).log_audit_event(**READ_PAGE, occurred_at=moment)

    wanted_ones = [wanted]
    sought = FILTERS[name]
    if name == "table":
        sought = "t"
        wanted_ones = values(db, "select event_id from chronicle.events where origin = 'captured'")
    elif name == "origin":
        sought = "captured"
        wanted_ones = values(db, "select event_id from chronicle.events where origin = 'captured'")
    elif name == "transaction_id":
        assert read(db).events(transaction_id=1).events == []
        sought = value(db, "select pg_current_xact_id()::text::bigint")
        wanted_ones = values(db, "select event_id from chronicle.events")
    elif name == "since":
        wanted_ones = values(
            db, "select event_id from chronicle.events where occurred_at >= %s", (sought,)
        )
        assert wanted in wanted_ones
    elif name == "until":
        wanted_ones = values(
            db, "select event_id from chronicle.events where occurred_at < %s", (sought,)
        )
        assert wanted in wanted_ones

    filters: Any = {name: sought}
    found = [event.event_id for event in read(db).events(**filters).events]
    assert sorted(found) == sorted(wanted_ones)
    assert len(found) < value(db, "select count(*) + 1 from chronicle.events")


def test_filters_must_all_hold(db: Connection) -> None:
    log = read(db)
    log.log_audit_events([page_read(actor_id=1, organization_id=o) for o in ("a", "b")])
    found = log.events(actor_id=1, organization_id="b").events
    assert [event.organization_id for event in found] == ["b"]


def test_system_wide_is_asked_for_by_name(db: Connection) -> None:
    log = read(db)
    log.log_audit_events([READ_PAGE, page_read(organization_id="a")])
    assert [e.organization_id for e in log.events(is_system_wide=True).events] == [None]
    assert [e.organization_id for e in log.events(is_system_wide=False).events] == ["a"]
    assert len(log.events().events) == 2


def test_reader_gets_what_they_may_see(db: Connection) -> None:
    log = read(db)
    log.add_administrator("reader_a", "a")
    hidden, shown = log.log_audit_events(
        [page_read(organization_id=organization) for organization in ("b", "a")]
    )
    with acting_as(db, "reader_a"):
        reader = Chronicle(db)
        assert [event.event_id for event in reader.events().events] == [shown]
        assert reader.event(hidden) is None
        assert reader.event(str(shown)) == reader.events().events[0]


def test_event_that_is_not_there_is_none(db: Connection) -> None:
    assert read(db).event(uuid.uuid4()) is None


# Row changes and tracking


@pytest.fixture
def orders(db: Connection) -> Chronicle:
    """A client of the installer, with a tracked table shop.orders that was changed."""
    with acting_as(db, "shopkeeper"):
        run(db, "create table shop.orders (order_id integer primary key, note text, total numeric)")
        run(db, "grant usage on schema shop to installer")
        run(db, "grant all on shop.orders to installer")
    run(db, "grant chronicle_admin to shopkeeper")
    with acting_as(db, "shopkeeper"):
        Chronicle(db).enable_tracking("shop.orders")
    run(db, "insert into shop.orders values (1, 'new', 1.50), (2, 'new', 2)")
    run(db, "update shop.orders set note = 'paid' where order_id = 1")
    run(db, "update shop.orders set note = 'sent' where order_id = 1")
    run(db, "delete from shop.orders where order_id = 2")
    return Chronicle(db)


def test_row_changes_have_the_classic_shape(orders: Chronicle) -> None:
    page = orders.row_changes(table="shop.orders", record_id=1)
    assert [
        (change.table_name, change.action, change.old_values, change.new_values)
        for change in page.row_changes
    ] == [
        ("orders", "UPDATE", {"note": "paid"}, {"note": "sent"}),
        ("orders", "UPDATE", {"note": "new"}, {"note": "paid"}),
        (
            *("orders", "INSERT", None),
            {"order_id": 1, "note": "new", "total": Decimal("1.50")},
        ),
    ]
    assert page.next_cursor is None
    values_after = page.row_changes[-1].new_values
    assert values_after is not None
    assert str(values_after["total"]) == "1.50"


def test_changes_of_a_record_are_paged_in_the_order_of_seq(orders: Chronicle) -> None:
    found: list[RowChange] = []
    cursor = None
    for _ in range(3):
        page = orders.row_changes(record_id=1, limit=1, cursor=cursor)
        found += page.row_changes
        cursor = page.next_cursor
    assert cursor is None
    assert [change.seq for change in found] == sorted((c.seq for c in found), reverse=True)
    assert len({change.seq for change in found}) == 3


def test_row_changes_are_paged_by_time_without_a_record(orders: Chronicle) -> None:
    first = orders.row_changes(table="orders", limit=2)
    rest = orders.row_changes(table="orders", limit=9, cursor=first.next_cursor)
    everything = first.row_changes + rest.row_changes
    assert [c.action for c in everything] == ["DELETE", "UPDATE", "UPDATE", "INSERT", "INSERT"]
    with pytest.raises(WrongFieldError, match="the cursor is not one of this listing"):
        orders.row_changes(record_id=1, cursor=first.next_cursor)


@pytest.mark.parametrize(
    "filters",
    [
        {"action": "DELETE"},
        {"record_id": 2},
        {"actor_id": "nobody"},
        {"organization_id": "a"},
        {"db_user": "installer"},
        {"request_id": "r"},
        {"actor_type": "ai"},
        {"transaction_id": 1},
        {"since": datetime(2100, 1, 1, tzinfo=UTC)},
        {"until": datetime(2000, 1, 1, tzinfo=UTC)},
    ],
    ids=lambda filters: next(iter(filters)),
)
def test_filter_of_row_changes_compares_its_column(
    db: Connection, orders: Chronicle, filters: Any
) -> None:
    ((name, sought),) = filters.items()
    condition = {
        "since": "occurred_at >= %s",
        "until": "occurred_at < %s",
        "actor_type": "actor_type::text = %s",
        "record_id": "record_id = %s::text",
    }.get(name, f"{name} = %s")
    expected = values(
        db, f"select event_id from chronicle.row_changes where {condition}", (sought,)
    )
    found = [change.event_id for change in orders.row_changes(**filters).row_changes]
    assert sorted(found) == sorted(expected)


def test_every_filter_of_row_changes_is_known() -> None:
    assert set(_statements.ROW_CHANGE_FILTERS) | {"table", "since", "until"} == set(
        get_type_hints(RowChangeFilters)
    )


def test_table_is_named_as_in_sql(orders: Chronicle) -> None:
    whole = orders.row_changes(table="shop.orders").row_changes
    assert len(whole) == 5
    for name in ("orders", "ORDERS", '"shop"."orders"', "Shop.Orders"):
        assert orders.row_changes(table=name).row_changes == whole
        assert len(orders.events(table=name).events) == 5


@pytest.mark.parametrize("name", ["order", '"ORDERS"', "public.orders", "chronicle.events"])
def test_table_that_was_never_tracked_is_not_taken_for_one_without_changes(
    orders: Chronicle, name: str
) -> None:
    with pytest.raises(NotTrackedError, match="is not tracked and never was"):
        orders.events(table=name)
    with pytest.raises(NotTrackedError, match="is not tracked and never was"):
        orders.row_changes(table=name)


def test_name_that_is_no_name_is_refused(orders: Chronicle) -> None:
    with pytest.raises(WrongFieldError):
        orders.events(table="shop.")


def test_history_of_a_table_outlives_its_tracking_and_itself(
    db: Connection, orders: Chronicle
) -> None:
    with acting_as(db, "shopkeeper"):
        Chronicle(db).disable_tracking("shop.orders")
        run(db, "drop table shop.orders")
    assert [table.state for table in orders.tracked_tables()] == ["ended"]
    assert len(orders.row_changes(table="shop.orders").row_changes) == 5


def test_tracking_takes_its_options(db: Connection) -> None:
    run(db, "create table t (id integer primary key, org text, a text, b text, token text)")
    log = read(db)
    log.enable_tracking(
        "t",
        resource_type="thing",
        organization_column="org",
        exclude_columns=["a"],
        mask_columns=("b",),
    )
    (table,) = log.tracked_tables()
    assert (table.table_name, table.resource_type, table.organization_column) == (
        *("t", "thing"),
        "org",
    )
    assert (table.key_columns, table.excluded_columns, table.masked_columns) == (
        ["id"],
        ["a"],
        ["b"],
    )
    assert (table.state, table.problem, table.tracked_until) == ("tracked", None, None)

    log.enable_tracking("t")
    assert log.tracked_tables()[0].masked_columns == ["token"]
    log.enable_tracking("t", mask_columns=[])
    assert log.tracked_tables()[0].masked_columns == []


def test_tracking_takes_how_it_captures(db: Connection) -> None:
    run(db, "create table t (a integer, b text)")
    log = read(db)
    log.enable_tracking(
        "t", capture="full", key_columns=("b", "a"), truncate="event", require_actor=True
    )
    (table,) = log.tracked_tables()
    assert (table.capture, table.key_columns, table.truncate, table.requires_actor) == (
        *("full", ["b", "a"]),
        "event",
        True,
    )
    log.enable_tracking("t")
    (table,) = log.tracked_tables()
    assert (table.capture, table.key_columns, table.truncate, table.requires_actor) == (
        *("full", []),  # a table without a key is always captured in full
        "rows",
        False,
    )


def test_table_may_be_an_identifier(db: Connection) -> None:
    name = 'We "ird.%s'
    table = sql.Identifier("public", name)
    db.execute(sql.SQL("create table {} (id integer primary key)").format(table))
    log = read(db)
    log.enable_tracking(table)
    db.execute(sql.SQL("insert into {} values (1)").format(table))
    assert [each.table_name for each in log.row_changes(table=table).row_changes] == [name]
    assert len(log.events(table=sql.Identifier(name)).events) == 1
    assert [each.outcome for each in log.refresh_tracking(table)] == ["unchanged"]
    log.disable_tracking(table)
    assert [each.state for each in log.tracked_tables()] == ["ended"]


def test_refresh_says_what_it_did(db: Connection) -> None:
    log = read(db)
    assert log.refresh_tracking() == []
    for table in ("t", "u"):
        run(db, f"create table {table} (id integer primary key)")
        log.enable_tracking(table)
    run(db, "alter table u add more text")
    assert log.refresh_tracking() == [
        RefreshedTable(table_name="public.t", outcome="unchanged"),
        RefreshedTable(table_name="public.u", outcome="refreshed"),
    ]
    assert [each.table_name for each in log.refresh_tracking("t")] == ["public.t"]
    with pytest.raises(NotTrackedError):
        log.refresh_tracking("pg_catalog.pg_class")


# Keeping


def test_settings_are_read_and_changed(db: Connection) -> None:
    log = read(db)
    log.set_setting("partitions_ahead", 7)
    log.set_setting("partition_interval", "week")
    found = {setting.name: setting.value for setting in log.settings()}
    assert (found["partitions_ahead"], found["partition_interval"]) == (7, "week")
    assert all(isinstance(setting.description, str) for setting in log.settings())


def test_names_are_registered(db: Connection) -> None:
    log = read(db)
    log.register_resource_type("invoice", "A bill")
    log.register_action("invoice.send", "A bill goes out")
    assert run(
        db,
        "select (select description from chronicle.resource_types where name = 'invoice'), "
        "(select description from chronicle.actions where name = 'invoice.send')",
    ).fetchone() == ("A bill", "A bill goes out")


def test_administrators_come_and_go(db: Connection) -> None:
    log = read(db)
    log.add_administrator("reader_a", 7)
    log.add_administrator("reader_a")
    query = "select organization_id from chronicle.administrators order by 1"
    assert values(db, query) == ["7", None]
    log.remove_administrator("reader_a", 7)
    log.remove_administrator("reader_a")
    assert values(db, query) == []


def test_keys_come_and_go(db: Connection) -> None:
    log = read(db)
    drawn = log.add_context_key("new")
    assert (type(drawn), len(drawn)) == (bytes, 32)
    assert log.add_context_key("old", bytes(range(32))) == bytes(range(32))
    keys = log.context_keys()
    assert [key.key_id for key in keys] == ["new", "old"]
    assert all(key.created_at.tzinfo for key in keys)
    with pytest.raises(WrongFieldError, match="31 bytes"), db.transaction():
        log.add_context_key("short", bytes(31))
    with pytest.raises(psycopg.errors.UniqueViolation), db.transaction():
        log.add_context_key("old")
    log.retire_context_key("old")
    assert [key.key_id for key in log.context_keys()] == ["new"]
    with pytest.raises(NotFoundError), db.transaction():
        log.retire_context_key("old")
    with acting_as(db, "app"), pytest.raises(NotAllowedError), db.transaction():
        read(db).add_context_key("mine")


def test_gateways_come_and_go(db: Connection) -> None:
    log = read(db)
    for role in ("auditor", "app", "app"):
        log.add_trusted_gateway(role)
    assert log.trusted_gateways() == ["app", "auditor"]
    with acting_as(db, "app"), Chronicle(db).context(actor_id=7, actor_type="user"):
        assert Chronicle(db).current_context()["context_state"] == "verified"
    log.remove_trusted_gateway("app")
    assert log.trusted_gateways() == ["auditor"]
    with pytest.raises(NotFoundError), db.transaction():
        log.remove_trusted_gateway("app")
    with pytest.raises(NotFoundError), db.transaction():
        log.add_trusted_gateway("nobody")


def test_partitions_are_made_ahead(db: Connection) -> None:
    log = read(db)
    assert len(log.ensure_partitions(5)) == 2
    assert log.ensure_partitions() == []


# The contract with the SQL


ENUMS = {
    "actor_type": models.ActorType,
    "action_type": models.ActionType,
    "severity_level": models.SeverityLevel,
    "event_status": models.EventStatus,
    "event_origin": models.EventOrigin,
    "capture_mode": models.CaptureMode,
    "truncate_mode": models.TruncateMode,
}


@pytest.mark.parametrize("name", ENUMS)
def test_labels_are_those_of_the_enum(db: Connection, name: str) -> None:
    labels = values(
        db,
        "select enumlabel from pg_enum where enumtypid = ('chronicle.' || %s)::regtype "
        "order by enumsortorder",
        (name,),
    )
    assert list(get_args(ENUMS[name])) == labels


@pytest.mark.parametrize(
    ("function", "listed", "typed"),
    [
        ("log_audit_event", _statements.EVENT_FIELDS, EventFields),
        ("set_context", _statements.CONTEXT_FIELDS, ContextFields),
    ],
)
def test_arguments_are_those_of_the_function(
    db: Connection, function: str, listed: dict[str, str], typed: type
) -> None:
    found = run(
        db,
        """
        select ltrim(a.name, '_'), a.type::regtype::text
        from pg_proc as p
        cross join unnest(p.proargnames, p.proargtypes::oid[]) as a (name, type)
        where p.pronamespace = 'chronicle'::regnamespace and p.proname = %s
        """,
        (function,),
    ).fetchall()
    names = {"timestamp with time zone": "timestamptz", "anycompatible": "text"}
    assert {name: names.get(kind, kind) for name, kind in found} == dict(listed)
    assert set(get_type_hints(typed)) == set(listed)


@pytest.mark.parametrize(
    ("source", "model"),
    [
        ("events", Event),
        ("row_changes", RowChange),
        ("tracked_tables", TrackedTable),
        ("settings", Setting),
        ("context_keys", ContextKey),
    ],
)
def test_fields_are_the_columns(db: Connection, source: str, model: type[Any]) -> None:
    columns = values(
        db,
        "select attname from pg_attribute where attrelid = ('chronicle.' || %s)::regclass "
        "and attnum > 0 and not attisdropped order by attnum",
        (source,),
    )
    assert [field.name for field in fields(model)] == columns


def test_every_filter_is_known() -> None:
    others = {"is_system_wide", "since", "until", "table"}
    assert set(_statements.EVENT_FILTERS) | others == set(get_type_hints(EventFilters))


def test_json_of_the_client_is_json() -> None:
    tree = {"a": [1, "\u2028", {"b": None}], "c": {"d": [True, 0.5]}}
    assert json.loads(_json.dumps(tree)) == tree
    assert json.loads(_json.dumps(tree, ensure_ascii=False)) == tree
