"""What is wrong is refused: with which SQLSTATE, in which words, and with nothing half written."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ask import Refusal, as_superuser, claimed_ids, event, refusal, row, sqlstate, value
from support import Connection, Database, acting_as

EVENT_ID = "0c1e9b1e-0000-4000-8000-00000000000a"

RIGHT = {"_actor_type": "'user'", "_action_type": "'read'", "_resource_type": "'page'"}


@pytest.fixture
def app(db: Connection) -> Iterator[Connection]:
    """The session of an application. Afterwards nothing of what was refused is there."""
    with acting_as(db, "app"):
        yield db
    with as_superuser(db):
        recorded = row(
            db,
            """
            select
                (select count(*) from chronicle.events),
                (select count(*) from chronicle.event_keys)
            """,
        )
    assert recorded == (0, 0)


def call(**arguments: str | None) -> str:
    """A call that is right but for the arguments given, and claims an id; None leaves one out."""
    named = RIGHT | {"_event_id": f"'{EVENT_ID}'"} | arguments
    listed = ", ".join(f"{name} => {literal}" for name, literal in named.items() if literal)
    return f"select chronicle.log_audit_event({listed})"


@pytest.mark.parametrize(
    ("argument", "enum"),
    [
        ("_actor_type", "actor_type"),
        ("_action_type", "action_type"),
        ("_severity", "severity_level"),
        ("_status", "event_status"),
    ],
)
@pytest.mark.parametrize("label", ["nobody", "", "USER", "user "])
def test_an_unknown_label_is_refused_by_postgresql(
    app: Connection, argument: str, enum: str, label: str
) -> None:
    assert refusal(app, call(**{argument: f"'{label}'"})) == Refusal(
        "22P02", f'invalid input value for enum chronicle.{enum}: "{label}"', None, None
    )


@pytest.mark.parametrize("left_out", [None, "null"])
@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        ("_actor_type", "Pass it, or say who acts with chronicle.set_context."),
        ("_action_type", "Pass _action_type => '...'."),
        ("_resource_type", "Pass _resource_type => '...'."),
    ],
)
def test_a_missing_field_is_named(
    app: Connection, argument: str, hint: str, left_out: str | None
) -> None:
    assert refusal(app, call(**{argument: left_out})) == Refusal(
        "22004",
        f"an event needs {argument}",
        "_actor_type, _action_type and _resource_type are required.",
        hint,
    )


def test_an_empty_resource_type_is_missing(app: Connection) -> None:
    assert refusal(app, call(_resource_type="''")).message == "an event needs _resource_type"


def test_the_first_missing_field_is_named_when_all_are(app: Connection) -> None:
    assert refusal(app, "select chronicle.log_audit_event()").message == (
        "an event needs _actor_type"
    )


@pytest.mark.parametrize("address", ["localhost", "256.1.1.1", "10.0.0.1:80", "10.0.0.1/33", ""])
def test_an_address_that_is_none_is_refused_by_postgresql(app: Connection, address: str) -> None:
    assert refusal(app, call(_ip_address=f"'{address}'")) == Refusal(
        "22P02", f'invalid input syntax for type inet: "{address}"', None, None
    )


@pytest.mark.parametrize("when", ["infinity", "-infinity"])
def test_an_infinite_time_is_refused(app: Connection, when: str) -> None:
    assert refusal(app, call(_occurred_at=f"'{when}'")) == Refusal(
        "22023", f"_occurred_at is {when}", None, "Leave it out if the event happens now."
    )


@pytest.mark.parametrize(
    "when",
    [
        "clock_timestamp() + interval '1 day'",
        "clock_timestamp() + interval '5 minutes 10 seconds'",
        "'294276-12-31'",
    ],
)
def test_a_time_to_come_is_refused(app: Connection, when: str) -> None:
    app.execute("set local timezone = 'UTC'")
    refused = refusal(app, call(_occurred_at=when))
    assert (refused.sqlstate, refused.hint) == ("22023", "Leave it out if the event happens now.")
    assert refused.message.startswith("_occurred_at lies in the future: ")
    assert refused.detail is not None
    assert refused.detail.startswith("The server's clock says ")
    assert refused.detail.endswith("; five minutes ahead are allowed.")


def test_a_time_that_is_none_is_refused_by_postgresql(app: Connection) -> None:
    assert sqlstate(app, call(_occurred_at="'yesterday noonish'")) == "22007"
    assert sqlstate(app, call(_occurred_at="'2026-13-01'")) == "22008"


@pytest.mark.parametrize("when", ["4000-01-01 12:00:00+00 BC", "0001-12-31 23:59:59+00 BC"])
def test_a_time_that_many_languages_can_not_read_is_refused(app: Connection, when: str) -> None:
    app.execute("set local timezone = 'UTC'")
    refused = refusal(app, call(_occurred_at=f"'{when}'"))
    assert refused.sqlstate == "22023"
    assert refused.message.startswith("_occurred_at lies before the year 1: ")
    assert refused.hint == "Leave it out if the event happens now."


@pytest.mark.parametrize("when", ["0001-01-01 00:00:00+00", "1969-12-31 23:59:59.999999+00"])
def test_any_past_of_our_era_is_a_time(db: Connection, when: str) -> None:
    with acting_as(db, "app"):
        event_id = value(db, call(_occurred_at=f"'{when}'"))
    assert row(
        db,
        "select occurred_at = %s::timestamptz, tableoid::regclass::text from chronicle.events "
        "where event_id = %s",
        (when, event_id),
    ) == (True, "chronicle.events_earlier")


def test_a_negative_duration_is_refused(app: Connection) -> None:
    assert refusal(app, call(_duration_ms="-1")) == Refusal(
        "22023",
        "_duration_ms is -1, less than 0",
        None,
        "A duration is a number of milliseconds. Did the clock go back? Leave it out.",
    )


def test_a_duration_that_is_no_integer_is_refused_by_postgresql(app: Connection) -> None:
    assert sqlstate(app, call(_duration_ms="'1.5'")) == "22P02"
    assert sqlstate(app, call(_duration_ms="3000000000")) == "42883"


@pytest.mark.parametrize(
    "argument",
    ["_action_meta", "_details_before", "_details_after", "_ai_metadata", "_client_info"],
)
@pytest.mark.parametrize(
    ("document", "kind"),
    [("[1]", "array"), ('"x"', "string"), ("7", "number"), ("true", "boolean")],
)
def test_a_document_that_is_no_object_is_refused(
    app: Connection, argument: str, document: str, kind: str
) -> None:
    assert refusal(app, call(**{argument: f"'{document}'"})) == Refusal(
        "22023",
        f"{argument} must be a JSON object, not {kind}",
        None,
        "Wrap the value: jsonb_build_object('value', ...).",
    )


@pytest.mark.parametrize(("document", "kind"), [("{}", "object"), ('"x"', "string")])
def test_related_resources_that_are_no_array_are_refused(
    app: Connection, document: str, kind: str
) -> None:
    assert refusal(app, call(_related_resources=f"'{document}'")) == Refusal(
        "22023",
        f"_related_resources must be a JSON array, not {kind}",
        None,
        'For example [{"resource_type": "ticket", "resource_id": "7"}].',
    )


def test_json_that_is_none_is_refused_by_postgresql(app: Connection) -> None:
    assert sqlstate(app, call(_action_meta="'{priority: high}'")) == "22P02"


def test_a_nul_in_json_is_refused_by_postgresql(app: Connection) -> None:
    refused = refusal(app, call(_action_meta='\'{"a": "\\u0000"}\''))
    assert (refused.sqlstate, refused.message) == ("22P05", "unsupported Unicode escape sequence")


def test_a_nul_in_text_does_not_leave_the_driver(app: Connection) -> None:
    with pytest.raises(psycopg.DataError), app.transaction():
        app.execute(
            "select chronicle.log_audit_event(_actor_type => 'user', _action_type => 'read', "
            "_resource_type => %s)",
            ("a\0b",),
        )


def test_a_uuid_that_is_none_is_refused_by_postgresql(app: Connection) -> None:
    for argument in ("_event_id", "_parent_event_id", "_ai_operation_id"):
        assert sqlstate(app, call(**{argument: "'7'"})) == "22P02"


# Size.

LIMIT = 16_777_216

TOO_LARGE_HINT = (
    "Store the document elsewhere and log where it is and its digest, or raise the "
    "setting payload_limit_bytes."
)


def test_a_payload_of_a_hundred_megabytes_is_refused(app: Connection) -> None:
    refused = refusal(
        app, call(_details_after="jsonb_build_object('text', repeat('x', 104857600))")
    )
    assert (refused.sqlstate, refused.detail, refused.hint) == ("54000", None, TOO_LARGE_HINT)
    assert refused.message.startswith("the event has 1048576")
    assert refused.message.endswith(f" bytes, more than {LIMIT}")


@pytest.mark.parametrize(
    "argument",
    [
        *("_action_description", "_reason", "_action", "_error_code", "_error_message"),
        *("_user_agent", "_session_id", "_request_id", "_trace_id", "_operation_id"),
        *("_actor_role", "_impersonator_id"),
    ],
)
def test_every_text_counts_towards_the_limit(app: Connection, argument: str) -> None:
    refused = refusal(app, call(**{argument: f"repeat('x', {LIMIT + 1})"}))
    assert (refused.sqlstate, refused.hint) == ("54000", TOO_LARGE_HINT)


@pytest.mark.parametrize(
    ("argument", "document"),
    [
        *(
            (name, "jsonb_build_object('a', repeat('x', 16777216))")
            for name in (
                *("_action_meta", "_details_before", "_details_after"),
                *("_ai_metadata", "_client_info"),
            )
        ),
        ("_related_resources", "jsonb_build_array(repeat('x', 16777216))"),
    ],
)
def test_every_document_counts_towards_the_limit(
    app: Connection, argument: str, document: str
) -> None:
    refused = refusal(app, call(**{argument: document}))
    assert (refused.sqlstate, refused.hint) == ("54000", TOO_LARGE_HINT)


def test_fields_count_together(app: Connection) -> None:
    halves = {"_reason": "repeat('x', 9000000)", "_error_message": "repeat('x', 9000000)"}
    assert sqlstate(app, call(**halves)) == "54000"


def test_a_document_counts_with_its_full_size_where_it_is_stored_compressed(
    db: Connection,
) -> None:
    db.execute("create table public.documents (document jsonb)")
    db.execute(
        "insert into public.documents select jsonb_build_object('a', repeat('x', 100000000))"
    )
    statement = (
        "select chronicle.log_audit_event(_actor_type => 'user', _action_type => 'read', "
        "_resource_type => 'page', _details_after => d.document) from public.documents as d"
    )
    assert sqlstate(db, statement) == "54000"


def test_the_limit_is_a_setting(db: Connection) -> None:
    with acting_as(db, "admin"):
        db.execute("select chronicle.set_setting('payload_limit_bytes', '2000')")
    with acting_as(db, "app"):
        assert sqlstate(db, call(_reason="repeat('x', 2001)")) == "54000"
        event_id = value(db, call(_reason="repeat('x', 1000)"))
    assert event(db, event_id)["reason"] == "x" * 1000


LONG = "(select string_agg(md5(i::text), '') from generate_series(1, 300) as i)"
"""9,600 characters that do not compress: more than an index can hold."""


@pytest.mark.parametrize(
    "argument", ["_organization_id", "_actor_id", "_resource_id", "_resource_type"]
)
def test_a_name_too_long_for_an_index_is_refused_by_us(app: Connection, argument: str) -> None:
    assert refusal(app, call(**{argument: LONG})) == Refusal(
        "54000",
        f"{argument} has 9600 bytes, more than 1000",
        "It is indexed, and an index holds no longer entries.",
        "Use a shorter name or its digest here, and put the long one into _action_meta.",
    )


def test_names_of_a_thousand_bytes_fit_the_indexes_together(db: Connection) -> None:
    names = {
        argument: f"substr({LONG}, {start}, 1000)"
        for start, argument in enumerate(
            ("_organization_id", "_actor_id", "_resource_id", "_resource_type"), start=1
        )
    }
    with acting_as(db, "app"):
        event_id = value(db, call(**names))
    assert len(event(db, event_id)["resource_id"]) == 1000


# Names that nobody registered: test_logging.py has the words.


def test_an_unregistered_name_is_refused_while_that_is_enforced(app: Connection) -> None:
    with as_superuser(app):
        app.execute("update chronicle.settings set value = 'true' where name ^@ 'enforce_'")
    assert sqlstate(app, call(_resource_type="'pagee'")) == "ZC002"
    with as_superuser(app):
        app.execute("insert into chronicle.resource_types values ('page', 'A page')")
    assert sqlstate(app, call(_action="'page.raed'")) == "ZC002"


# What PostgreSQL itself refuses: a call that fits no function.


@pytest.mark.parametrize(
    "arguments",
    [
        "_actor => 'user'",
        "'acme', 'u-1', 'user', _organization_id => 'acme'",
        "_recorded_at => now()",
        "_db_user => 'postgres'",
        "_origin => 'captured'",
        "_context_state => 'verified'",
        "_table_id => 1",
        "_seq => 1",
        "_transaction_id => 1",
    ],
)
def test_there_is_no_argument_for_what_a_caller_may_not_say(
    app: Connection, arguments: str
) -> None:
    assert sqlstate(app, f"select chronicle.log_audit_event({arguments})") in (
        "42883",
        "42601",
    )


# A context that cannot be read never breaks a write.

CONTEXTS = {
    "no JSON": "who, me?",
    "half an object": '{"actor_id": "u-1"',
    "a string": '"u-1"',
    "a number": "7",
    "null": "null",
    "an array": '[{"actor_id": "u-1"}]',
    "an unknown label": '{"actor_type": "nobody"}',
    "a label of the wrong type": '{"actor_type": {"a": 1}}',
    "an address that is none": '{"actor_id": "u-1", "ip_address": "localhost"}',
    "a uuid that is none": '{"actor_id": "u-1", "ai_operation_id": "7"}',
    "client info that is no object": '{"actor_id": "u-1", "client_info": [1]}',
    "client info that is a string": '{"actor_id": "u-1", "client_info": "web"}',
    "a NUL": '{"actor_id": "\\u0000"}',
    "half a surrogate pair": '{"actor_id": "\\ud800"}',
    "more than 64 kB": '{"actor_id": "u-1", "reason": "' + "x" * 65536 + '"}',
    "ten thousand levels": "[" * 10_000,
    "an actor too long for an index": '{"actor_type": "user", "actor_id": "%s"}',
    "an organization too long for an index": '{"organization_id": "%s"}',
}

JUNK = "".join(f"{n * 2654435761 % 2**32:08x}" for n in range(1, 1200))
"""9,592 characters that do not compress."""


def malformed(name: str) -> str:
    return CONTEXTS[name].replace("%s", JUNK)


@pytest.mark.parametrize("name", CONTEXTS)
def test_a_malformed_context_is_recorded_as_such_by_a_logged_event(
    db: Connection, name: str
) -> None:
    with acting_as(db, "app"):
        db.execute("select set_config('chronicle.context', %s, true)", (malformed(name),))
        event_id = value(
            db,
            "select chronicle.log_audit_event(_action_type => 'read', _resource_type => 'page')",
        )
    found = event(db, event_id)
    who = ("actor_type", "actor_id", "context_state", "db_user")
    assert tuple(found[each] for each in who) == ("system", "app", "malformed", "app")
    assert "organization_id" not in found
    assert "client_info" not in found


@pytest.mark.parametrize("setting", ["chronicle.context", "request.jwt.claims"])
@pytest.mark.parametrize("name", CONTEXTS)
def test_a_malformed_context_does_not_break_a_write(
    database: Database, name: str, setting: str
) -> None:
    installer = database.connect()
    installer.execute("create table public.item (id integer primary key, name text)")
    installer.execute("select chronicle.enable_tracking('public.item')")
    installer.execute("grant insert on public.item to stranger")
    installer.commit()
    stranger = database.connect("stranger")
    text = malformed(name)
    if setting == "request.jwt.claims":
        text = text.replace("actor_id", "sub")
    stranger.execute("select set_config(%s, %s, true)", (setting, text))
    stranger.execute("insert into public.item values (1, 'a')")
    stranger.commit()
    recorded = row(
        installer,
        """
        select resource_id, details_after, actor_type, actor_id, db_user, context_state
        from chronicle.events where origin = 'captured'
        """,
    )
    assert recorded[:2] == ("1", {"id": 1, "name": "a"})
    claims_ignore = ("label", "address", "uuid", "client info", "organization")
    if setting == "request.jwt.claims" and any(each in name for each in claims_ignore):
        # Claims may say what they like beside sub and role.
        assert recorded[4:] == ("stranger", "asserted")
    else:
        assert recorded[2:] == ("system", "stranger", "stranger", "malformed")


def test_a_context_that_set_context_cannot_keep_is_refused(app: Connection) -> None:
    assert refusal(app, "select chronicle.set_context(_client_info => '[1]')") == Refusal(
        "22023",
        "_client_info must be a JSON object, not array",
        None,
        "Wrap the value: jsonb_build_object('value', ...).",
    )
    assert refusal(app, "select chronicle.set_context(_reason => repeat('x', 70000))") == Refusal(
        "54000",
        "the context has 70014 bytes, more than 65536",
        None,
        "Every event of the transaction carries the context: log large things once, "
        "with log_audit_event.",
    )
    for argument in ("_actor_id", "_organization_id"):
        too_long = f"select chronicle.set_context({argument} => {LONG})"
        assert refusal(app, too_long) == Refusal(
            "54000",
            "_actor_id or _organization_id has more than 1000 bytes",
            "They are indexed, and an index holds no longer entries.",
            "Use a shorter name or its digest here, and put the long one into _client_info.",
        )
    for wrong in ("_actor_type => 'nobody'", "_ip_address => 'x'", "_ai_operation_id => '7'"):
        assert sqlstate(app, f"select chronicle.set_context({wrong})") == "22P02"
    found: Any = value(app, "select current_setting('chronicle.context', true)")
    assert not found


# Nothing half written: what was refused in a larger transaction leaves the rest as it was.


def test_what_is_refused_takes_nothing_else_along(db: Connection) -> None:
    with acting_as(db, "app"):
        kept = value(db, call(_event_id=None))
        assert sqlstate(db, call(_duration_ms="-1")) == "22023"
        assert sqlstate(db, call(_actor_type="'nobody'")) == "22P02"
        # The id that the refused call claimed is free again.
        assert str(value(db, call())) == EVENT_ID
    assert event(db, kept)
    assert [str(each) for each in claimed_ids(db)] == [EVENT_ID]


# Names that tell what was done to pgchronicle itself.


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"_resource_type": "'chronicle.setting'"}, "chronicle.setting"),
        ({"_resource_type": "'chronicle.'", "_action": "'page.read'"}, "chronicle."),
        ({"_action": "'chronicle.revert'"}, "chronicle.revert"),
        # The action that follows from the type.
        ({"_resource_type": "'chronicle'"}, "chronicle.read"),
    ],
)
def test_a_name_of_the_log_itself_is_refused(
    app: Connection, arguments: dict[str, str], name: str
) -> None:
    reserved = (
        'Events about "chronicle." tell what was done to pgchronicle itself.',
        "Give the resource type or action another name.",
    )
    assert refusal(app, call(**arguments)) == Refusal(
        "42939", f"the name {name} is reserved", *reserved
    )
    fields = {"_actor_type": "'user'", "_action_type": "'read'", "_resource_type": "'page'"}
    document = ", ".join(
        f"'{field[1:]}', {literal}" for field, literal in (fields | arguments).items()
    )
    several = (
        f"select chronicle.log_audit_events(jsonb_build_array(jsonb_build_object({document})))"
    )
    assert refusal(app, several) == Refusal(
        "42939", f"event 1 of the set: the name {name} is reserved", *reserved
    )


@pytest.mark.parametrize("name", ["chronicles.page", "Chronicle.page", "my.chronicle.page"])
def test_a_name_that_only_looks_like_one_of_the_log_is_taken(db: Connection, name: str) -> None:
    with acting_as(db, "app"):
        event_id = value(db, call(_resource_type=f"'{name}'"))
    assert event(db, event_id)["action"] == f"{name}.read"
