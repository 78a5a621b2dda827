"""Whose events a reader sees goes by who is verified: the actor of a verified context, else the
database role. What is merely asserted opens no door."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

import tokens
from ask import as_superuser, rows, run, sqlstate, value, values
from pgchronicle import Chronicle
from streaming import migrated_database, quiet_cluster
from support import Cluster, Connection, Database, acting_as
from tokens import Key, ada, keep, present, verify

LOG = """
    select chronicle.log_audit_event(
        _actor_type => 'user', _action_type => 'read', _resource_type => 'page',
        _organization_id => %s::text
    )
"""

ADMINISTRATORS = {"user:ada": "acme", "user:grace": "globex", "user:root": None}

SEEN: dict[str, set[str | None]] = {
    "ada": {"acme"},
    "grace": {"globex"},
    "root": {None},
    "eve": set(),
}


def settle(connection: Connection) -> None:
    """Events of acme, globex and nobody, captured and logged, and who administers what."""
    connection.execute("create table public.orders (id integer primary key, org text, note text)")
    connection.execute(
        "select chronicle.enable_tracking('public.orders', _organization_column => 'org')"
    )
    connection.execute("grant select on public.orders to public")
    for organization in ("acme", "globex", None):
        connection.execute(LOG, (organization,))
    connection.execute("insert into public.orders values (1, 'acme', 'a'), (2, 'globex', 'b')")
    for principal, organization in ADMINISTRATORS.items():
        connection.execute("select chronicle.add_administrator(%s, %s)", (principal, organization))


@pytest.fixture
def key(db: Connection) -> Key:
    """A key of the database of db, with events of two tenants in it."""
    settle(db)
    return tokens.add_key(db)


@pytest.fixture
def tenants(database: Database) -> Key:
    """The same in a database of the test's own."""
    with database.connect() as owner:
        settle(owner)
        return tokens.add_key(owner)


def seen(connection: Connection) -> set[Any]:
    """The organizations of the events that the session sees."""
    return set(values(connection, "select organization_id from chronicle.events"))


# Verified actors.


@pytest.mark.parametrize("actor", SEEN)
def test_a_verified_actor_sees_what_they_administer(db: Connection, key: Key, actor: str) -> None:
    everything = rows(db, "select organization_id, seq from chronicle.events order by seq")
    with acting_as(db, "reader_a"):
        verify(db, key, actor_id=actor)
        assert value(db, "select chronicle.principal()") == f"user:{actor}"
        assert rows(db, "select organization_id, seq from chronicle.events order by seq") == [
            one for one in everything if one[0] in SEEN[actor]
        ]
        assert set(values(db, "select organization_id from chronicle.row_changes")) == (
            SEEN[actor] - {None}
        )
        assert rows(db, "select principal, organization_id from chronicle.administrators") == [
            (principal, organization)
            for principal, organization in ADMINISTRATORS.items()
            if principal == f"user:{actor}"
        ]
        assert set(values(db, "select unnest(chronicle.administered_organizations())")) == (
            SEEN[actor] - {None}
        )


@pytest.mark.parametrize(
    ("actor", "known"), [("ada", ["1"]), ("grace", ["2"]), ("root", []), ("eve", [])]
)
def test_history_goes_by_the_verified_actor(
    db: Connection, key: Key, actor: str, known: list[str]
) -> None:
    with acting_as(db, "reader_a"):
        verify(db, key, actor_id=actor)
        for record in ("1", "2"):
            history = "select action from chronicle.record_history('public.orders', %s)"
            if record in known:
                assert values(db, history, (record,)) == ["INSERT"]
            else:
                assert sqlstate(db, history, (record,)) == "42501"


def test_the_client_reads_what_the_verified_actor_administers(db: Connection, key: Key) -> None:
    with acting_as(db, "reader_a"):
        log = Chronicle(db)
        for actor, organizations in SEEN.items():
            verify(db, key, actor_id=actor)
            assert {one.organization_id for one in log.events().events} == organizations
            assert {one.organization_id for one in log.row_changes().row_changes} == (
                organizations - {None}
            )


def test_an_application_that_reads_has_its_users_rights(db: Connection, key: Key) -> None:
    """A backend that both logs and reads, over one login."""
    with as_superuser(db):
        db.execute("grant chronicle_reader to app")
    with acting_as(db, "app"):
        assert seen(db) == set()
        verify(db, key)
        db.execute(LOG, ("globex",))
        db.execute(LOG, ("acme",))
        assert seen(db) == {"acme"}
        db.execute("select chronicle.clear_context()")
        assert seen(db) == set()


def test_within_a_transaction_who_reads_changes_with_the_context(db: Connection, key: Key) -> None:
    with acting_as(db, "reader_a"):
        for actor in ("ada", "grace", "root", "eve", "ada"):
            verify(db, key, actor_id=actor)
            assert seen(db) == SEEN[actor]
        db.execute("savepoint a")
        verify(db, key, actor_id="grace")
        assert seen(db) == {"globex"}
        db.execute("rollback to a")
        assert seen(db) == {"acme"}
        present(db, "nonsense")
        assert seen(db) == set()


def test_a_verified_actor_has_not_the_rights_of_the_role_they_come_with(
    db: Connection, key: Key
) -> None:
    db.execute("select chronicle.add_administrator('reader_a', 'globex')")
    with acting_as(db, "reader_a"):
        assert seen(db) == {"globex"}
        verify(db, key)
        assert seen(db) == {"acme"}
        verify(db, key, actor_id="eve")
        assert seen(db) == set()
        db.execute("select chronicle.clear_context()")
        assert seen(db) == {"globex"}


def test_an_auditor_sees_everything_whoever_is_verified(db: Connection, key: Key) -> None:
    with acting_as(db, "auditor"):
        for actor in SEEN:
            verify(db, key, actor_id=actor)
            assert seen(db) == {"acme", "globex", None}


def test_who_ceases_to_be_an_administrator_sees_nothing_in_the_same_transaction(
    db: Connection, key: Key
) -> None:
    with acting_as(db, "reader_a"):
        verify(db, key)
        assert seen(db) == {"acme"}
    db.execute("select chronicle.remove_administrator('user:ada', 'acme')")
    with acting_as(db, "reader_a"):
        verify(db, key)
        assert seen(db) == set()


def test_a_gateways_claims_open_the_doors_of_their_subject(db: Connection, key: Key) -> None:
    assert key
    db.execute("select chronicle.add_trusted_gateway('reader_a')")
    for role, expected in (("reader_a", {"acme"}), ("reader_b", set[str]())):
        with acting_as(db, role):
            db.execute("select set_config('request.jwt.claims', '{\"sub\": \"ada\"}', true)")
            assert seen(db) == expected
            keep(db, '{"actor_id": "grace", "actor_type": "user"}')
            assert seen(db) == ({"globex"} if expected else set())
            keep(db, "")


# Who is somebody else.


@pytest.mark.parametrize(
    ("actor_type", "actor_id"),
    [
        *(("customer", "ada"), ("employee", "ada"), ("admin", "ada"), ("service", "ada")),
        *(("ai", "ada"), ("system", "ada"), ("anonymous", "ada"), ("user", "ADA")),
        *(("user", "ada "), ("user", " ada"), ("user", ":ada"), ("user", "user:ada")),
        *(
            ("user", "a%"),
            ("user", "ada\u200b"),
            ("user", "\u0430da"),
            ("user", "ada' or 'a' = 'a"),
        ),
        *(("user", "acme"), ("user", "*"), ("user", "ada,grace"), ("system", "reader_a")),
    ],
)
def test_who_is_named_almost_alike_is_somebody_else(
    db: Connection, key: Key, actor_type: str, actor_id: str
) -> None:
    db.execute("select chronicle.add_administrator('reader_a', 'acme')")
    with acting_as(db, "reader_a"):
        verify(db, key, actor_type=actor_type, actor_id=actor_id)
        assert value(db, "select chronicle.principal()") == f"{actor_type}:{actor_id}"
        assert seen(db) == set()


@pytest.mark.parametrize("name", ["ada", "user:ada", "role:user:ada", "USER:ADA", "user", "acme"])
def test_a_database_role_named_like_an_actor_is_not_that_actor(
    db: Connection, key: Key, name: str
) -> None:
    assert key
    with as_superuser(db):
        run(db, f'create role "{name}" login in role chronicle_reader')
    with acting_as(db, name):
        assert value(db, "select chronicle.principal()") not in ADMINISTRATORS
        assert seen(db) == set()


def test_an_actor_named_like_a_database_role_is_not_that_role(db: Connection, key: Key) -> None:
    with as_superuser(db):
        db.execute('create role "user:eve" login in role chronicle_reader')
    for principal in ("reader_b", "role:user:eve"):
        db.execute("select chronicle.add_administrator(%s, 'acme')", (principal,))
    with acting_as(db, "reader_a"):
        for actor_type, actor_id in (
            *(("user", "reader_b"), ("system", "reader_b"), ("user", "eve")),
            ("user", "role:user:eve"),
        ):
            verify(db, key, actor_type=actor_type, actor_id=actor_id)
            assert seen(db) == set()
        db.execute("select chronicle.clear_context()")
    for role in ("reader_b", "user:eve"):
        with acting_as(db, role):
            assert seen(db) == {"acme"}


# What opens no door.


ASSERTED = [
    '{"actor_id": "ada", "actor_type": "user"}',
    '{"actor_id": "ada", "actor_type": "user", "context_state": "verified"}',
    '{"actor_id": "user:ada"}',
    '{"actor_id": "ada", "actor_type": "user", "organization_id": "acme"}',
    '{"verified": {"actor_id": "ada", "actor_type": "user"}}',
    '{"verified": {"actor_id": "ada", "actor_type": "user"}, "seal": null}',
    '{"verified": {"actor_id": "ada", "actor_type": "user"}, "seal": "' + "0" * 64 + '"}',
    '{"principal": "user:ada"}',
    "user:ada",
]


@pytest.mark.parametrize("text", ASSERTED)
@pytest.mark.parametrize("setting", ["chronicle.context", "request.jwt.claims"])
def test_what_is_asserted_opens_no_door(db: Connection, key: Key, setting: str, text: str) -> None:
    assert key
    claims = text.replace('"actor_id"', '"sub"') if "claims" in setting else text
    with acting_as(db, "reader_a"):
        db.execute("select set_config(%s, %s, true)", (setting, claims))
        assert value(db, "select chronicle.principal()") == "reader_a"
        assert seen(db) == set()
        assert rows(db, "select * from chronicle.administrators") == []
        assert sqlstate(db, "select * from chronicle.record_history('public.orders', '1')") == (
            "42501"
        )


def test_set_context_opens_no_door(db: Connection, key: Key) -> None:
    with acting_as(db, "reader_a"):
        verify(db, key)
        assert seen(db) == {"acme"}
        db.execute("select chronicle.set_context(_actor_id => 'ada', _actor_type => 'user')")
        assert seen(db) == set()


def test_no_refused_token_opens_a_door(db: Connection, key: Key) -> None:
    with acting_as(db, "reader_a"):
        claims = ada(db)
        for token in (
            Key("first", bytes(32)).token(claims),
            Key("another", key.secret).token(claims),
            key.token(claims | {"nonce": "another"}),
            key.token(claims | {"iat": claims["iat"] - 100, "exp": claims["iat"] - 50}),
            key.token(claims | {"actor_id": ""}),
            key.token({name: one for name, one in claims.items() if name != "actor_type"}),
            key.token(claims)[:-1],
        ):
            verify(db, key)
            assert present(db, token) != "verified"
            assert seen(db) == set()


def test_a_verified_nobody_is_the_database_role(db: Connection, key: Key) -> None:
    """Over a gateway, claims without a subject, or a context that says only why."""
    assert key
    db.execute("select chronicle.add_trusted_gateway('reader_a')")
    db.execute("select chronicle.add_administrator('anonymous:', 'acme')")
    with acting_as(db, "reader_a"):
        for claims, text in (
            *(('{"role": "anon"}', ""), ('{"sub": ""}', ""), ("{}", '{"reason": "Because"}')),
            *(("", '{"actor_id": "", "actor_type": "user"}'), ("", '{"actor_type": "user"}')),
        ):
            db.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
            keep(db, text)
            assert value(db, "select chronicle.principal()") == "reader_a"
            assert seen(db) == set()


def test_an_actor_of_no_type_is_nobody(db: Connection, key: Key) -> None:
    """Over a gateway a context may leave the type out; an administrator is of some type."""
    assert key
    db.execute("select chronicle.add_trusted_gateway('reader_a')")
    with acting_as(db, "reader_a"):
        keep(db, '{"actor_id": "ada"}')
        assert seen(db) == set()
        keep(db, '{"actor_id": "user:ada"}')
        assert seen(db) == set()


# Over time, and side by side.


def test_two_tenants_take_turns_on_one_connection(database: Database, tenants: Key) -> None:
    """As behind a pool, with statements that were prepared for the other, in plans that are good
    for all."""
    reader = database.connect("reader_a", prepare_threshold=0)
    reader.execute("set plan_cache_mode = force_generic_plan")
    reader.commit()
    query = "select organization_id from chronicle.events"
    for actor in ("ada", "grace", "eve", "root", None, "ada", None, "grace"):
        if actor:
            verify(reader, tenants, actor_id=actor)
        expected = SEEN[actor or "eve"]
        for _ in range(2):
            assert set(values(reader, query)) == expected
            assert set(values(reader, "select organization_id from chronicle.row_changes")) == (
                expected - {None}
            )
        if actor == "grace":
            reader.rollback()
        else:
            reader.commit()
    reader.commit()
    assert seen(reader) == set()


def test_two_tenants_read_at_once(database: Database, tenants: Key) -> None:
    first, second, third = (database.connect("reader_a") for _ in range(3))
    verify(first, tenants, actor_id="ada")
    verify(second, tenants, actor_id="grace")
    for _ in range(3):
        assert (seen(first), seen(second), seen(third)) == ({"acme"}, {"globex"}, set())


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_who_may_only_read_may_be_verified(
    database: Database, tenants: Key, isolation: str
) -> None:
    reader = database.connect("reader_a")
    run(reader, f"begin isolation level {isolation}, read only")
    verify(reader, tenants)
    assert seen(reader) == {"acme"}
    assert values(reader, "select new_values ->> 'note' from chronicle.row_changes") == ["a"]
    assert value(reader, "select pg_current_xact_id_if_assigned()") is None


def test_a_cursor_goes_on_with_what_its_statement_might_see(
    database: Database, tenants: Key
) -> None:
    """One that is opened by a verified actor ends with the transaction, unless it is held: then it
    has been read to its end by that actor. Reading it does not read for another."""
    reader = database.connect("reader_a")
    verify(reader, tenants)
    with reader.cursor("theirs", withhold=False) as theirs:
        theirs.execute("select organization_id from chronicle.events")
        first = theirs.fetchmany(1)
        verify(reader, tenants, actor_id="grace")
        assert {one for (one,) in [*first, *theirs.fetchall()]} <= {"acme"}
        reader.commit()
        with pytest.raises(psycopg.errors.InvalidCursorName):
            reader.execute("fetch all from theirs")
    reader.rollback()


def test_listening_functions_hear_only_what_the_verified_actor_may_see(
    db: Connection, key: Key
) -> None:
    heard: list[str] = []
    with acting_as(db, "reader_a"):
        db.execute(
            "create function pg_temp.tell(_seen text) returns boolean language plpgsql immutable "
            "cost 0.0000001 as $$ begin raise notice '%', _seen; return true; end $$"
        )
        db.add_notice_handler(lambda diagnostic: heard.append(str(diagnostic.message_primary)))
        verify(db, key)
        db.execute("select from chronicle.events where pg_temp.tell(organization_id)")
        db.execute("select from chronicle.row_changes where pg_temp.tell(new_values ->> 'note')")
    assert set(heard) == {"acme", "a"}


# The stream.


@pytest.fixture(scope="module")
def quiet() -> Iterator[Cluster]:
    """A server of the module's own: what is settled depends on every transaction of a server."""
    with quiet_cluster() as cluster:
        yield cluster


@pytest.fixture
def streaming(quiet: Cluster) -> Iterator[Database]:
    """A database on it."""
    yield from migrated_database(quiet, "principals")


def test_the_stream_goes_by_the_verified_actor(streaming: Database) -> None:
    with streaming.connect() as owner:
        settle(owner)
        key = tokens.add_key(owner)
    reader = streaming.connect("reader_a")
    stream = "select organization_id from chronicle.events_since()"
    for actor, organizations in (*SEEN.items(), *SEEN.items()):
        verify(reader, key, actor_id=actor)
        assert set(values(reader, stream)) == organizations
        told = Chronicle(reader).events_since()
        assert {one.organization_id for one in told} == organizations
        reader.commit()
        assert values(reader, stream) == []
        keep(reader, '{"actor_id": "ada", "actor_type": "user"}')
        assert values(reader, stream) == []
        reader.commit()


def test_a_cursor_of_the_stream_shows_another_actor_their_own_events(
    streaming: Database,
) -> None:
    """It is a place, and no right."""
    with streaming.connect() as owner:
        settle(owner)
        key = tokens.add_key(owner)
    reader = streaming.connect("reader_a")
    verify(reader, key)
    cursors = values(reader, "select chronicle.event_cursor(e) from chronicle.events_since() as e")
    assert len(cursors) == 2
    verify(reader, key, actor_id="grace")
    for cursor in cursors:
        assert set(
            values(reader, "select organization_id from chronicle.events_since(%s)", (cursor,))
        ) <= {"globex"}
