"""What an application may declare, what an installation is set to, and that either is an event."""

import json

import pytest

from ask import Refusal, logged, refusal, rows, value
from support import Connection, acting_as

# Registries.


def test_an_unregistered_resource_type_is_refused_with_names_like_it(db: Connection) -> None:
    with acting_as(db, "admin"):
        db.execute("select chronicle.register_resource_type('ticket', 'A support ticket')")
        db.execute("select chronicle.register_resource_type('ticket_note', 'A note on one')")
        db.execute("select chronicle.register_resource_type('invoice', 'A bill')")
        db.execute("select chronicle.set_setting('enforce_resource_types', 'true')")
    statement = """
        select chronicle.log_audit_event(
            _actor_type => 'user', _action_type => 'read', _resource_type => %s
        )
    """
    with acting_as(db, "app"):
        assert refusal(db, statement, ("tickets",)) == Refusal(
            "ZC002",
            'the resource type "tickets" is not registered',
            "The setting enforce_resource_types is on.",
            "Did you mean 'ticket', 'ticket_note'? "
            "Register it with chronicle.register_resource_type.",
        )
        assert refusal(db, statement, ("zzz",)) == Refusal(
            "ZC002",
            'the resource type "zzz" is not registered',
            "The setting enforce_resource_types is on.",
            "Register it with chronicle.register_resource_type.",
        )
        assert refusal(db, statement, ("Ticket",)).sqlstate == "ZC002"
    assert logged(db, statement, ("ticket",))["resource_type"] == "ticket"


def test_an_unregistered_action_is_refused_with_names_like_it(db: Connection) -> None:
    with acting_as(db, "admin"):
        db.execute("select chronicle.register_action('ticket.close', 'It was resolved')")
        db.execute("select chronicle.set_setting('enforce_actions', 'true')")
    statement = """
        select chronicle.log_audit_event(
            _actor_type => 'user', _action_type => 'other', _resource_type => 'ticket',
            _action => %s
        )
    """
    with acting_as(db, "app"):
        assert refusal(db, statement, ("ticket.closed",)) == Refusal(
            "ZC002",
            'the action "ticket.closed" is not registered',
            "The setting enforce_actions is on.",
            "Did you mean 'ticket.close'? Register it with chronicle.register_action.",
        )
        # So is an action by default.
        assert refusal(db, statement, (None,)).message == (
            'the action "ticket.other" is not registered'
        )
    assert logged(db, statement, ("ticket.close",))["action"] == "ticket.close"


def test_the_log_can_be_managed_while_names_are_enforced(db: Connection) -> None:
    with acting_as(db, "admin"):
        db.execute("select chronicle.set_setting('enforce_actions', 'true')")
        db.execute("select chronicle.set_setting('enforce_resource_types', 'true')")
        db.execute("select chronicle.register_action('page.read', 'It was opened')")
        db.execute("select chronicle.register_resource_type('page', 'A page')")
        db.execute("select chronicle.add_administrator('reader_a', 'acme')")
        db.execute("select chronicle.remove_administrator('reader_a', 'acme')")
        db.execute("select chronicle.set_setting('enforce_actions', 'false')")
    db.execute("create table public.thing (id integer primary key)")
    db.execute("select chronicle.enable_tracking('public.thing')")
    db.execute("select chronicle.enable_tracking('public.thing', 'stuff')")
    db.execute("select chronicle.disable_tracking('public.thing')")


def test_declaring_a_name_is_an_event(db: Connection) -> None:
    with acting_as(db, "admin"):
        for description in ("A page", "A page", "One page"):
            db.execute("select chronicle.register_resource_type('page', %s)", (description,))
    assert rows(
        db, "select name, description from chronicle.resource_types where name = 'page'"
    ) == [("page", "One page")]
    assert rows(
        db,
        """
        select action, action_type, resource_id, details_before, details_after, db_user, actor_id
        from chronicle.events where resource_type = 'chronicle.resource_type' order by seq
        """,
    ) == [
        (
            *("chronicle.resource_type.register", "create", "page"),
            *(None, {"description": "A page"}, "admin", "admin"),
        ),
        (
            *("chronicle.resource_type.register", "update", "page"),
            *({"description": "A page"}, {"description": "One page"}, "admin", "admin"),
        ),
    ]


@pytest.mark.parametrize("function", ["register_action", "register_resource_type"])
@pytest.mark.parametrize("arguments", ["null, 'x'", "'', 'x'", "'x', null"])
def test_a_name_needs_a_name_and_a_description(
    db: Connection, function: str, arguments: str
) -> None:
    with acting_as(db, "admin"):
        assert refusal(db, f"select chronicle.{function}({arguments})") == Refusal(
            "22004",
            "a name and a description are needed",
            None,
            f"Say what it is: chronicle.{function}('name', 'description').",
        )


# Settings.


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("partition_interval", '"year"'),
        ("partition_interval", "7"),
        ("partitions_ahead", "0"),
        ("partitions_ahead", "101"),
        ("partitions_ahead", "1.5"),
        ("partitions_ahead", '"3"'),
        ("enforce_resource_types", "1"),
        ("enforce_actions", '"yes"'),
        ("masked_keys", '"password"'),
        ("masked_keys", '["password", 1]'),
        ("masked_keys", '[""]'),
        # JSON text does not show these as they are.
        *(("masked_keys", json.dumps([key])) for key in ("z\\", 'say "it"', "tab\tbed", "a\nb")),
        ("masked_keys", '{"password": true}'),
        ("payload_limit_bytes", "1023"),
        ("payload_limit_bytes", "1e12"),
        ("payload_limit_bytes", "2048.5"),
        ("payload_limit_bytes", "null"),
        ("truncate_row_limit", "-1"),
        ("truncate_row_limit", "0.5"),
        ("truncate_row_limit", '"all"'),
    ],
)
def test_a_setting_takes_only_what_fits_it(db: Connection, name: str, wrong: str) -> None:
    before = value(db, "select value::text from chronicle.settings where name = %s", (name,))
    with acting_as(db, "admin"):
        refused = refusal(db, "select chronicle.set_setting(%s, %s::jsonb)", (name, wrong))
    assert (refused.sqlstate, refused.hint) == ("22023", f"It stays {before}.")
    assert refused.message.startswith(f'the setting "{name}" does not take the value ')
    described = "select description from chronicle.settings where name = %s"
    assert refused.detail == value(db, described, (name,))
    now = value(db, "select value::text from chronicle.settings where name = %s", (name,))
    assert now == before


def test_an_unknown_setting_is_refused_with_those_there_are(db: Connection) -> None:
    with acting_as(db, "admin"):
        assert refusal(db, "select chronicle.set_setting('colour', '1')") == Refusal(
            "22023",
            'there is no setting "colour"',
            None,
            "Settings are: enforce_actions, enforce_resource_types, masked_keys, "
            "partition_interval, partitions_ahead, payload_limit_bytes, truncate_row_limit.",
        )
        assert refusal(db, "select chronicle.set_setting('enforce_actions', null)") == Refusal(
            "22004",
            'the setting "enforce_actions" needs a value',
            None,
            "It is false now. Values are JSON.",
        )


def test_changing_a_setting_is_an_event_and_repeating_it_is_none(db: Connection) -> None:
    with acting_as(db, "admin"):
        for _ in range(2):
            db.execute("select chronicle.set_setting('partitions_ahead', '6')")
    assert rows(
        db,
        """
        select
            action, action_type, resource_id, details_before, details_after,
            changed_columns, db_user
        from chronicle.events where resource_type = 'chronicle.setting'
        """,
    ) == [
        (
            *("chronicle.setting.update", "update", "partitions_ahead"),
            *({"value": 3}, {"value": 6}, ["value"], "admin"),
        )
    ]
