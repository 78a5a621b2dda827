"""Events that go elsewhere than into the database, from the same calls."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from ask import event, value
from pgchronicle import AsyncChronicle, Chronicle, EventFields, ambient, sinks
from pgchronicle.errors import ChronicleError, MissingFieldError, WrongFieldError
from support import Connection

PAGE: Any = {"actor_type": "user", "action_type": "read", "resource_type": "page"}


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.events: list[EventFields] = []

    def record(self, event: EventFields) -> None:
        self.events.append(event)


def test_event_goes_to_the_sink_with_its_id_its_time_and_who_acts() -> None:
    kept = Kept()
    log = Chronicle(sink=kept)
    before = datetime.now(UTC)
    with (
        ambient.scope(request_id="r"),
        log.context(actor_type="user", actor_id="ada", client_info={"build": 7}),
    ):
        event_id = log.log_audit_event(
            action_type="update", resource_type="order", resource_id=7, client_info={"tab": 1}
        )
    (said,) = kept.events
    occurred_at = said.get("occurred_at")
    assert occurred_at is not None
    assert before <= occurred_at <= datetime.now(UTC)
    assert said == {
        "action_type": "update",
        "resource_type": "order",
        "resource_id": 7,
        "actor_type": "user",
        "actor_id": "ada",
        "request_id": "r",
        "client_info": {"build": 7, "tab": 1},
        "event_id": event_id,
        "occurred_at": occurred_at,
    }


def test_what_the_event_says_itself_stays() -> None:
    kept = Kept()
    event_id, moment = uuid4(), datetime(2026, 1, 2, tzinfo=UTC)
    given: Any = PAGE | {"event_id": event_id, "occurred_at": moment}
    assert Chronicle(sink=kept).log_audit_event(**given) == event_id
    assert kept.events == [given]


def test_set_goes_to_the_sink_in_its_order() -> None:
    kept = Kept()
    ids = Chronicle(sink=kept).log_audit_events(PAGE | {"resource_id": n} for n in (1, 2, 3))
    assert [(e.get("resource_id"), e.get("event_id")) for e in kept.events] == [
        *zip((1, 2, 3), ids, strict=True)
    ]
    assert ids == sorted(ids)


def test_event_that_the_log_would_refuse_does_not_reach_the_sink() -> None:
    kept = Kept()
    log: Any = Chronicle(sink=kept)
    for name in ("actor_type", "action_type", "resource_type"):
        with pytest.raises(MissingFieldError, match=f"an event needs {name}"):
            log.log_audit_event(**PAGE | {name: None})
    with pytest.raises(WrongFieldError, match="occurred_at has no time zone"):
        log.log_audit_event(**PAGE, occurred_at=datetime(2026, 1, 2))
    with pytest.raises(TypeError, match="'actor_typ'"):
        log.log_audit_event(**PAGE, actor_typ="user")
    assert kept.events == []


def test_beside_a_database_only_what_is_logged_goes_to_the_sink(db: Connection) -> None:
    kept = Kept()
    log = Chronicle(db, sink=kept)
    with log.context(actor_type="user", actor_id="ada") as connection:
        assert connection is db
        assert log.current_context()["actor_id"] == "ada"
        log.log_audit_event(action_type="read", resource_type="page")
    assert value(db, "select count(*) from chronicle.events") == 0
    assert [e.get("actor_id") for e in kept.events] == ["ada"]


def test_what_a_sink_took_is_recorded_later_as_it_is_and_once(db: Connection) -> None:
    kept = Kept()
    with ambient.scope(actor_id="ada", actor_type="user"):
        event_id = Chronicle(sink=kept).log_audit_event(action_type="read", resource_type="page")
    for _ in range(2):
        assert Chronicle(db).log_audit_events(kept.events) == [event_id]
    found = event(db, event_id)
    assert (found["actor_id"], found["action"]) == ("ada", "page.read")
    moment = value(db, "select occurred_at from chronicle.events")
    assert moment == kept.events[0].get("occurred_at")


def test_without_a_database_nothing_can_be_read() -> None:
    log = Chronicle(sink=Kept())
    with pytest.raises(ChronicleError, match="this client has a sink and no database"):
        log.events()
    with log.context(actor_id="ada") as connection:
        assert connection is None


def test_client_of_nothing_is_refused() -> None:
    with pytest.raises(TypeError, match="a connection, a pool or a sink is needed"):
        Chronicle()


def test_sink_may_be_awaited() -> None:
    kept: list[EventFields] = []

    class Awaited:
        async def record(self, event: EventFields) -> None:
            await asyncio.sleep(0)
            kept.append(event)

    log = AsyncChronicle(sink=Awaited())

    async def work() -> list[UUID]:
        return [await log.log_audit_event(**PAGE), *await log.log_audit_events([PAGE])]

    ids = asyncio.run(work())
    assert [e.get("event_id") for e in kept] == ids


def test_ids_sort_by_time_and_say_their_version() -> None:
    ids = [sinks.uuid_v7() for _ in range(1000)]
    milliseconds = [each.int >> 80 for each in ids]
    assert milliseconds == sorted(milliseconds)
    assert len(set(ids)) == 1000
    assert {(each.version, each.variant) for each in ids} == {(7, "specified in RFC 4122")}
