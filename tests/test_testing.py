"""What applications test themselves with: recorders, recordings, and what their failures show."""

import asyncio
from typing import Any
from uuid import UUID

import psycopg
import pytest

from ask import run
from capturing import ITEM, make
from pgchronicle import Chronicle
from pgchronicle.errors import NotAllowedError
from pgchronicle.models import EventFields
from pgchronicle.testing import EventRecorder, async_recording, recording
from support import Connection, Database

PAID: EventFields = {
    "actor_type": "user",
    "actor_id": "ada",
    "action_type": "update",
    "resource_type": "order",
    "resource_id": 7,
    "reason": "ticket 7",
    "details_after": {"status": "paid", "total": 15},
}
READ: EventFields = {"actor_type": "service", "action_type": "read", "resource_type": "page"}


@pytest.fixture
def recorder() -> EventRecorder:
    """One that has seen two events."""
    recorder = EventRecorder()
    recorder.record(PAID)
    recorder.record(READ)
    return recorder


def failure(asserts: Any, **fields: Any) -> str:
    """What an assertion says when it fails."""
    with pytest.raises(AssertionError) as caught:
        asserts(**fields)
    return str(caught.value)


# The recorder


def test_a_recorder_is_a_sink() -> None:
    recorder = EventRecorder()
    event_id = Chronicle(sink=recorder).log_audit_event(**PAID)
    (event,) = recorder.events
    assert event.get("event_id") == event_id
    assert {name: event.get(name) for name in PAID} == PAID


def test_a_recorder_keeps_ids_and_makes_those_that_are_missing() -> None:
    recorder = EventRecorder()
    given = UUID(int=7)
    assert recorder.record({**READ, "event_id": str(given)}) == given
    made = recorder.record(READ)
    assert recorder.events == [{**READ, "event_id": given}, {**READ, "event_id": made}]
    recorder.clear()
    assert recorder.events == []


def test_an_event_is_found_by_any_of_its_fields(recorder: EventRecorder) -> None:
    paid, read = recorder.events
    assert recorder.assert_recorded() is paid
    assert recorder.assert_recorded(resource_type="page") is read
    assert recorder.assert_recorded(resource_id="7", reason="ticket 7") is paid
    assert recorder.assert_recorded(resource_id=7, error_code=None) is paid
    assert recorder.assert_recorded(details_after={"status": "paid", "total": 15}) is paid


def test_an_event_that_is_missing_is_told_by_the_nearest(recorder: EventRecorder) -> None:
    recorder.record({**PAID, "actor_id": "bob", "reason": None})
    assert failure(
        recorder.assert_recorded,
        actor_id="ada",
        resource_id=7,
        reason="ticket 8",
        details_after={"status": "paid", "total": "15", "paid_at": "now"},
    ) == (
        "no event with actor_id='ada', resource_id=7, reason='ticket 8', details_after="
        "{'status': 'paid', 'total': '15', 'paid_at': 'now'} was recorded; the nearest of 3:\n"
        "  order.update of 7 by user ada\n"
        "    reason: expected 'ticket 8', recorded 'ticket 7'\n"
        "    details_after.total: expected '15', recorded 15\n"
        "    details_after.paid_at: expected 'now', recorded nothing\n"
        "  page.read by service\n"
        "    actor_id: expected 'ada', recorded nothing\n"
        "    resource_id: expected 7, recorded nothing\n"
        "    reason: expected 'ticket 8', recorded nothing\n"
        "    details_after: expected {'status': 'paid', 'total': '15', 'paid_at': 'now'}, "
        "recorded nothing\n"
        "  order.update of 7 by user bob\n"
        "    actor_id: expected 'ada', recorded 'bob'\n"
        "    reason: expected 'ticket 8', recorded nothing\n"
        "    details_after.total: expected '15', recorded 15\n"
        "    details_after.paid_at: expected 'now', recorded nothing"
    )


def test_only_the_nearest_three_are_shown() -> None:
    recorder = EventRecorder()
    for number in range(5):
        recorder.record({**READ, "resource_id": number})
    shown = failure(recorder.assert_recorded, resource_id=7).splitlines()
    assert shown[0] == "no event with resource_id=7 was recorded; the nearest of 5:"
    assert shown[1::2] == [f"  page.read of {number} by service" for number in range(3)]


def test_one_event_is_the_only_one() -> None:
    recorder = EventRecorder()
    recorder.record({"action": "page.view"})
    assert failure(recorder.assert_recorded, actor_type="user") == (
        "no event with actor_type='user' was recorded; the only one:\n"
        "  page.view by nobody\n"
        "    actor_type: expected 'user', recorded nothing"
    )


def test_no_events_are_no_events() -> None:
    recorder = EventRecorder()
    assert failure(recorder.assert_recorded) == "no event was recorded, nor any other"
    assert failure(recorder.assert_recorded, actor_id=7) == (
        "no event with actor_id=7 was recorded, nor any other"
    )


def test_an_event_that_should_not_be_is_shown(recorder: EventRecorder) -> None:
    recorder.assert_not_recorded(resource_id=8)
    recorder.assert_not_recorded(actor_id="ada", resource_type="page")
    EventRecorder().assert_not_recorded()
    event_id = recorder.events[0].get("event_id")
    assert failure(recorder.assert_not_recorded, resource_type="order") == (
        "an event with resource_type='order' was recorded:\n"
        "  order.update of 7 by user ada\n"
        "    actor_type: 'user'\n"
        "    actor_id: 'ada'\n"
        "    action_type: 'update'\n"
        "    resource_type: 'order'\n"
        "    resource_id: 7\n"
        "    reason: 'ticket 7'\n"
        "    details_after: {'status': 'paid', 'total': 15}\n"
        f"    event_id: {event_id!r}"
    )
    assert failure(recorder.assert_not_recorded).startswith(
        "an event was recorded, the first of 2:\n  order.update of 7 by user ada\n"
    )


def test_a_field_that_events_have_not_is_a_mistake_in_the_test(recorder: EventRecorder) -> None:
    for asserts in (recorder.assert_recorded, recorder.assert_not_recorded):
        with pytest.raises(TypeError, match=r"^an event has no field actor, user$"):
            asserts(actor="ada", user=7)


# Recordings


def test_a_recording_gives_what_its_block_wrote(db: Connection) -> None:
    make(db, ITEM)
    run(db, "insert into item values (1, 'nut', 0.5)")
    with recording(db) as recorded:
        run(db, "update item set price = 0.75 where id = 1")
        Chronicle(db).log_audit_event(**PAID)
    run(db, "delete from item")
    assert [event.action for event in recorded.events] == ["item.update", "order.update"]
    captured = recorded.assert_recorded(
        origin="captured", resource_id=1, details_before={"price": 0.5}
    )
    assert captured is recorded.events[0]
    recorded.assert_recorded(
        origin="logged", actor_id="ada", details_after=PAID.get("details_after")
    )
    recorded.assert_not_recorded(action_type="delete")
    assert "  item.update of 1 by system installer\n" in failure(
        recorded.assert_recorded, resource_id=2
    )
    with pytest.raises(TypeError, match="no field record_id"):
        recorded.assert_recorded(record_id=1)


def test_a_recording_of_one_transaction_takes_nothing_of_others(database: Database) -> None:
    auditor = database.connect()
    other = database.connect(autocommit=True)
    run(auditor, "select 1")
    with recording(auditor) as recorded:
        Chronicle(other).log_audit_event(**READ)
        Chronicle(auditor).log_audit_event(**PAID)
    assert [event.resource_type for event in recorded.events] == ["order"]


@pytest.mark.parametrize("autocommit", [False, True])
def test_a_recording_spans_transactions(database: Database, autocommit: bool) -> None:
    auditor = database.connect(autocommit=autocommit)
    log = Chronicle(auditor)
    log.log_audit_event(**READ)
    auditor.commit()
    other = database.connect("app", autocommit=True)
    with recording(auditor) as recorded:
        Chronicle(other).log_audit_event(**READ)
        assert auditor.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        log.log_audit_event(**PAID)
        auditor.commit()
        log.log_audit_event(**READ)
        auditor.commit()
    assert [event.resource_type for event in recorded.events] == ["order", "page"]
    assert auditor.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_a_recording_that_begins_within_a_transaction_goes_on_after_it(database: Database) -> None:
    auditor = database.connect()
    log = Chronicle(auditor)
    log.log_audit_event(**READ)
    with recording(auditor) as recorded:
        log.log_audit_event(**PAID)
        auditor.commit()
        log.log_audit_event(**PAID)
    assert [event.resource_type for event in recorded.events] == ["order", "order"]
    assert auditor.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS


def test_what_is_rolled_back_is_not_recorded(database: Database) -> None:
    auditor = database.connect()
    with recording(auditor) as recorded:
        Chronicle(auditor).log_audit_event(**PAID)
        auditor.rollback()
    recorded.assert_not_recorded()
    with recording(auditor) as recorded, pytest.raises(psycopg.errors.UndefinedTable):
        run(auditor, "select * from nowhere")
    recorded.assert_not_recorded()


def test_an_error_of_the_block_is_the_blocks(database: Database) -> None:
    auditor = database.connect()
    with pytest.raises(psycopg.errors.UndefinedTable), recording(auditor):
        run(auditor, "select * from nowhere")


def test_a_role_that_does_not_see_every_event_is_refused(database: Database) -> None:
    for role in ("app", "reader_a"):
        connection = database.connect(role)
        with pytest.raises(NotAllowedError) as caught, recording(connection):
            pass
        assert str(caught.value) == (
            f"{role} may not see every event\n"
            "DETAIL: What it may not see would look as if it had not been recorded.\n"
            f"HINT: In the database of the tests: grant chronicle_auditor to {role}"
        )
        run(connection, "select 1")


def test_a_recording_can_be_awaited(database: Database) -> None:
    async def work() -> list[str]:
        connection = await psycopg.AsyncConnection.connect(database.dsn("installer"))
        async with connection, async_recording(connection) as recorded:
            await connection.execute(
                "select chronicle.log_audit_event(_actor_type => 'user', _action_type => 'read', "
                "_resource_type => 'page')"
            )
        return [event.resource_type for event in recorded.events]

    assert asyncio.run(work()) == ["page"]
