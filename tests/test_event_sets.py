"""A set of events is recorded, or refused, as each of them would be by itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from ask import event, rows, run, value, values
from support import Connection, acting_as

TEXTS = st.sampled_from(["", "a", "ä €", "x" * 1000, "x" * 1001, "chronicle.x", "null", "\t\n"])
DOCUMENTS = st.one_of(
    st.just({}),
    st.just({"a": 1, "b": [None, 1.0]}),
    st.just({"a": 1.00, "password": "hidden"}),
    st.just({"deep": {"api_key": 7}}),
    st.just([]),
    st.just([{"resource_id": "7"}]),
    st.just("text"),
    st.just(7),
    st.none(),
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "organization_id": st.one_of(TEXTS, st.just(7), st.none()),
    "actor_id": st.one_of(TEXTS, st.just(1.50), st.just("ada"), st.none()),
    "actor_type": st.sampled_from(["user", "ai", "system", "pirate", "", None]),
    "ip_address": st.sampled_from(["192.0.2.1", "2001:db8::/32", "nowhere", None]),
    "user_agent": TEXTS,
    "action_type": st.sampled_from(["read", "update", "steal", None]),
    "action_description": TEXTS,
    "action_meta": DOCUMENTS,
    "resource_type": st.sampled_from(["page", "page", "", "chronicle.page", "x" * 1001, None]),
    "resource_id": st.one_of(TEXTS, st.just({"a": 1}), st.none()),
    "related_resources": DOCUMENTS,
    "details_before": DOCUMENTS,
    "details_after": DOCUMENTS,
    "ai_metadata": DOCUMENTS,
    "session_id": TEXTS,
    "request_id": st.one_of(TEXTS, st.none()),
    "client_info": DOCUMENTS,
    "duration_ms": st.sampled_from([0, 5, -1, "12", 2**31, 1.5, None]),
    "severity": st.sampled_from(["error", "info", "loud", None]),
    "status": st.sampled_from(["failure", None]),
    "error_code": TEXTS,
    "error_message": TEXTS,
    "action": st.sampled_from(["page.view", "", "chronicle.view", None]),
    "actor_role": st.sampled_from(["editor", "", None]),
    "impersonator_id": st.sampled_from(["root", None]),
    "is_ai_action": st.sampled_from([True, False, "yes", "maybe", None]),
    "reason": TEXTS,
    "trace_id": TEXTS,
    "operation_id": TEXTS,
    "parent_event_id": st.sampled_from(["0c1e9b1e-0000-4000-8000-00000000000a", "no uuid", None]),
    "ai_operation_id": st.sampled_from(["0c1e9b1e-0000-4000-8000-00000000000b", None]),
    "occurred_at": st.sampled_from(
        ["2020-02-29T12:00:00Z", "0001-01-01 BC", "infinity", "tomorrow", "yesteryear", None]
    ),
    "event_id": st.sampled_from(["0c1e9b1e-0000-4000-8000-0000000000ff", None]),
    "colour": st.just("red"),
}
REQUIRED = {"actor_type": "user", "action_type": "read", "resource_type": "page"}


def one_field(name: str) -> st.SearchStrategy[tuple[str, Any]]:
    return FIELDS[name].map(lambda told: (name, told))


RARE = st.lists(st.sampled_from(sorted(FIELDS)).flatmap(one_field), max_size=3)
COMMON: st.SearchStrategy[list[tuple[str, Any]]] = st.lists(
    st.sampled_from(
        [
            ("organization_id", "acme"),
            ("actor_id", "ada"),
            ("actor_id", "bob"),
            ("actor_role", "editor"),
            ("details_before", {"total": 1.0, "note": None}),
            ("details_after", {"total": 1.00, "note": "x"}),
            ("severity", "warning"),
            ("occurred_at", "2021-01-01T00:00:00+00"),
            ("duration_ms", 12),
            ("client_info", {"os": "Linux"}),
        ]
    ),
    max_size=4,
)


@st.composite
def some_event(draw: st.DrawFn) -> dict[str, Any]:
    """An event of which most fields are as they should be."""
    return {**REQUIRED, **dict(draw(COMMON)), **dict(draw(RARE))}


CONTEXTS = {
    "none": "select chronicle.clear_context()",
    "asserted": "select chronicle.set_context(_actor_id => 'ada', _actor_type => 'user', "
    "_actor_role => 'author', _organization_id => 'acme', _reason => 'why', "
    "_ip_address => '192.0.2.9', _client_info => '{\"app\": null}', "
    "_ai_operation_id => '0c1e9b1e-0000-4000-8000-00000000000c')",
    "with a secret": "select chronicle.set_context(_actor_id => 'ada', _actor_type => 'user', "
    '_client_info => \'{"os": "Linux", "api_key": "hidden"}\')',
    "another kind of actor": "select chronicle.set_context(_actor_id => 'r2', _actor_type => 'ai')",
    "malformed": "select set_config('chronicle.context', 'no json', true)",
    "claims": "select set_config('request.jwt.claims', "
    '\'{"sub": "carol", "role": "web"}\', true)',
}


def recorded(db: Connection, context: str, statement: str, events: list[Any]) -> Any:
    """What a statement records of the events; or its SQLSTATE."""
    with db.transaction(force_rollback=True):
        with acting_as(db, "app"):
            run(db, CONTEXTS[context])
            try:
                with db.transaction():
                    ids = values(db, statement, (Jsonb(events),))
            except psycopg.Error as error:
                return error.sqlstate
        times = values(
            db,
            """
            select case when e.occurred_at < now() - interval '1 day' then e.occurred_at end
            from unnest(%s::uuid[]) with ordinality as i (event_id, place)
            inner join chronicle.events as e on e.event_id = i.event_id
            order by i.place
            """,
            (ids,),
        )
        return list(zip(times, [event(db, event_id) for event_id in ids], strict=True))


# Two sets that can not be recorded at once: one of them holds an event with an id of its own.
ONE_BY_ONE = """
    select i.event_id
    from jsonb_array_elements(%s::jsonb) with ordinality as e (event, place)
    cross join lateral chronicle.log_audit_events(
        jsonb_build_array(
            e.event || '{"event_id": null}',
            '{"actor_type": "user", "action_type": "read", "resource_type": "page", "event_id":
              "0c1e9b1e-0000-4000-8000-0000000000aa"}'::jsonb
        )
    ) with ordinality as i (event_id, place)
    where i.place = 1
    order by e.place
"""
AT_ONCE = "select i from chronicle.log_audit_events(%s::jsonb) as i"


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(context="asserted", given_events=[{**REQUIRED, "client_info": None}])
@given(context=st.sampled_from(sorted(CONTEXTS)), given_events=st.lists(some_event(), max_size=4))
def test_a_set_is_recorded_as_each_of_its_events_would_be(
    db: Connection, context: str, given_events: list[dict[str, Any]]
) -> None:
    events = [{k: v for k, v in each.items() if k != "event_id"} for each in given_events]
    at_once = recorded(db, context, AT_ONCE, events)
    assert recorded(db, context, ONE_BY_ONE, events) == at_once


def test_ordinary_events_are_recorded_at_once(db: Connection) -> None:
    ordinary = [{**REQUIRED, "resource_id": str(place)} for place in range(3)]
    found = value(db, "select chronicle.record_event_set(%s)", (Jsonb(ordinary),))
    assert rows(
        db,
        "select e.event_id, e.resource_id from chronicle.events as e where e.event_id = any(%s) "
        "order by e.seq",
        (found,),
    ) == list(zip(found, ["0", "1", "2"], strict=True))


@pytest.mark.parametrize(
    "extraordinary",
    [
        {"event_id": "0c1e9b1e-0000-4000-8000-0000000000ff"},
        {"details_after": {"password": "hidden"}},
        {"colour": "red"},
        {"actor_type": "pirate"},
        {"resource_type": "chronicle.page"},
        {"action": "chronicle.view"},
        {"action_meta": {"a": "x" * 20_000_000}},
        {"occurred_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()},
        {"duration_ms": -1},
        {"resource_id": "x" * 1001},
        {"related_resources": {}},
        {"resource_type": ""},
        {"resource_type": None},
        {"action_type": None},
        {"actor_type": None},
    ],
)
def test_a_set_with_an_event_that_needs_more_is_left_alone(
    db: Connection, extraordinary: dict[str, Any]
) -> None:
    before = value(db, "select count(*) from chronicle.events")
    events = [REQUIRED, {**REQUIRED, **extraordinary}]
    assert value(db, "select chronicle.record_event_set(%s)", (Jsonb(events),)) is None
    assert value(db, "select count(*) from chronicle.events") == before


@pytest.mark.parametrize("setting", ["enforce_resource_types", "enforce_actions"])
def test_while_names_are_enforced_every_event_is_looked_at(db: Connection, setting: str) -> None:
    run(db, f"select chronicle.set_setting('{setting}', 'true')")
    assert value(db, "select chronicle.record_event_set(%s)", (Jsonb([REQUIRED]),)) is None


def test_a_secret_in_the_context_is_masked_in_every_event(db: Connection) -> None:
    run(db, "create table public.item (id integer primary key)")
    run(db, "select chronicle.enable_tracking('public.item')")
    run(db, CONTEXTS["with a secret"])
    run(db, "insert into public.item values (1)")
    run(db, "select chronicle.log_audit_event(_action_type => 'read', _resource_type => 'page')")
    run(
        db,
        "select chronicle.log_audit_events(%s)",
        (Jsonb([{"action_type": "read", "resource_type": "page"}]),),
    )
    assert rows(
        db, "select e.origin, e.client_info from chronicle.events as e order by e.seq desc limit 3"
    ) == [
        ("logged", {"os": "Linux", "api_key": "[masked]"}),
        ("logged", {"os": "Linux", "api_key": "[masked]"}),
        ("captured", {"os": "Linux", "api_key": "[masked]"}),
    ]
