"""What a person may have erased goes for good, and every seal holds as it did before."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import dict_row

from ask import Refusal, refusal, row, rows, run, sqlstate, value, values, wait_until_blocked
from pgchronicle import Chronicle
from pgchronicle.formats import FORMATS
from seals.intrusion import PAYLOAD, alterations, altering, attack, disarm
from seals.sealed_log import BARE, FULL, ODD, details, findings, live, seal, unsealed
from streaming import Consumer, log, migrated_database, quiet_cluster
from support import INSTALLER, Cluster, Connection, Database, lent

LAW = "GDPR 17(1), request 4711"

ERASE = "select chronicle.erase_payload(%s, %s)"


@pytest.fixture(scope="module")
def alone() -> Iterator[Cluster]:
    """A server of this module's."""
    with quiet_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def template(alone: Cluster, database_names: Iterator[str]) -> Iterator[Database]:
    """A sealed log in which payloads may be erased, to be cloned."""
    for database in migrated_database(alone, next(database_names)):
        owner = live(database)
        owner.execute("select chronicle.enable_erasure()")
        seal(owner)
        database.close()
        yield database


@pytest.fixture
def database(
    alone: Cluster, template: Database, database_names: Iterator[str]
) -> Iterator[Database]:
    """A log of the test's own in which payloads may be erased."""
    name = next(database_names)
    alone.execute("create database {} owner {} template {}", name, INSTALLER, template.name)
    yield from lent(Database(alone, name))


@pytest.fixture
def owner(database: Database) -> Connection:
    """The installer's session."""
    return database.connect(autocommit=True)


@pytest.fixture
def admin(database: Database) -> Connection:
    """A session of an administrator of the log, who may read nothing of it."""
    return database.connect("admin", autocommit=True)


def event(session: Connection, event_id: UUID) -> dict[str, Any]:
    """All columns of an event."""
    with session.cursor(row_factory=dict_row) as cursor:
        cursor.execute("select * from chronicle.events where event_id = %s", (event_id,))
        (found,) = cursor.fetchall()
    return found


def change(session: Connection, action: str, record_id: str) -> UUID:
    """The first event that tells of a change of the table item."""
    event_id: UUID = value(
        session,
        """
        select event_id from chronicle.events
        where origin = 'captured' and action = %s and resource_id = %s order by seq limit 1
        """,
        (action, record_id),
    )
    return event_id


def erased(before: dict[str, Any]) -> dict[str, Any]:
    """What has to be left of an event."""
    return before | dict.fromkeys(PAYLOAD) | {"payload_error": "erased", "payload_salt": None}


# Before anybody allowed it.


def test_nothing_can_be_erased_until_it_is_allowed(
    alone: Cluster, database_names: Iterator[str]
) -> None:
    for database in migrated_database(alone, next(database_names)):
        owner = database.connect(autocommit=True)
        event_id = log(owner, "a")
        for call in (
            f"erase_payload('{event_id}', '{LAW}')",
            f"erase_subject('{LAW}', _resource_type => 'page', _resource_id => 'a')",
        ):
            refused = refusal(owner, f"select chronicle.{call}")
            assert refused.sqlstate == "55000"
            assert "chronicle.enable_erasure()" in (refused.hint or "")
        assert updaters(owner) == []
        assert rows(owner, "select * from chronicle.erasures") == []


def updaters(session: Connection) -> list[Any]:
    """Who has been granted to update events, and which columns; owners aside."""
    return rows(
        session,
        """
        select pg_get_userbyid(a.grantee)::text, t.attname::text
        from pg_attribute as t
        inner join pg_class as c on c.oid = t.attrelid
        cross join lateral aclexplode(t.attacl) as a
        where c.relnamespace = 'chronicle'::regnamespace and c.relname ~ '^events'
            and a.privilege_type = 'UPDATE'
        union
        select pg_get_userbyid(a.grantee)::text, null
        from pg_class as c cross join lateral aclexplode(c.relacl) as a
        where c.relnamespace = 'chronicle'::regnamespace and c.relname ~ '^events'
            and c.relkind in ('r', 'p')
            and a.privilege_type in ('UPDATE', 'DELETE', 'TRUNCATE') and a.grantee <> c.relowner
        order by 1, 2
        """,
    )


@pytest.mark.parametrize("user", ["app", "reader_a", "auditor", "admin", "stranger"])
def test_only_the_installer_allows_it(database: Database, user: str) -> None:
    session = database.connect(user, autocommit=True)
    assert sqlstate(session, "select chronicle.enable_erasure()") == "42501"


def test_a_role_that_strangers_have_is_not_taken(database: Database, owner: Connection) -> None:
    """Who made it beforehand, for themselves, would read the log with it."""
    cases: list[tuple[LiteralString, LiteralString, str]] = [
        ("grant chronicle_eraser to app", "revoke chronicle_eraser from app", "app"),
        (
            "alter role chronicle_eraser login",
            "alter role chronicle_eraser nologin",
            "chronicle_eraser",
        ),
    ]
    for given, taken, named in cases:
        database.cluster.execute(given)
        try:
            assert refusal(owner, "select chronicle.enable_erasure()") == Refusal(
                "0P000",
                f"the role chronicle_eraser is somebody else's: {named}",
                "It can log in, or has members who are not members of chronicle_owner.",
                "Find out who made it. Then revoke it from them, or drop it, and call this again.",
            )
        finally:
            database.cluster.execute(taken)


def test_the_eraser_may_empty_the_payload_and_nothing_else(owner: Connection) -> None:
    expected = [("chronicle_eraser", column) for column in sorted([*PAYLOAD, "payload_salt"])]
    assert updaters(owner) == expected
    # Once more changes nothing.
    owner.execute("select chronicle.enable_erasure()")
    assert updaters(owner) == expected
    assert rows(
        owner,
        "select rolcanlogin, rolsuper, rolbypassrls from pg_roles "
        "where rolname = 'chronicle_eraser'",
    ) == [(False, False, False)]
    assert (
        rows(
            owner,
            "select 1 from pg_auth_members where roleid = 'chronicle_eraser'::regrole "
            "and member <> 'chronicle_owner'::regrole "
            "and member <> (select oid from pg_roles where rolname = %s)",
            (INSTALLER,),
        )
        == []
    )


@pytest.mark.parametrize("user", ["app", "reader_a", "auditor", "stranger"])
def test_erasing_is_for_administrators_of_the_log(database: Database, user: str) -> None:
    owner = database.connect(autocommit=True)
    run(owner, "select chronicle.add_administrator('reader_a', 'acme')")
    session = database.connect(user, autocommit=True)
    for call in (
        f"erase_payload('{FULL}', '{LAW}')",
        f"erase_subject('{LAW}', _organization_id => 'acme', _actor_id => 'ada')",
    ):
        assert sqlstate(session, f"select chronicle.{call}") == "42501"


# What goes, and what stays.


@pytest.mark.parametrize("victim", [FULL, BARE, ODD, None], ids=["full", "bare", "odd", "captured"])
def test_the_payload_goes_and_all_else_stays(
    owner: Connection, admin: Connection, victim: UUID | None
) -> None:
    event_id = victim or change(owner, "item.update", "5")
    before = event(owner, event_id)
    others = rows(owner, OTHERS, (event_id,))
    assert value(admin, ERASE, (event_id, LAW)) is True
    assert event(owner, event_id) == erased(before)
    assert rows(owner, f"{OTHERS} limit %s", (event_id, len(others))) == others


OTHERS = "select e::text from chronicle.events as e where event_id <> %s order by seq"


def test_the_payload_is_what_the_seal_keeps_apart(owner: Connection, admin: Connection) -> None:
    """Or an erasure would leave a part behind, or empty what stays."""
    run(admin, ERASE, (FULL, LAW))
    assert value(
        owner,
        "select array_remove(chronicle.payload_fields(e), null) from chronicle.events as e "
        "where event_id = %s",
        (FULL,),
    ) == [b"erased"]
    assert (
        value(
            owner,
            "select count(*) from chronicle.events where event_id = %s and payload_salt is null",
            (FULL,),
        )
        == 1
    )


def test_no_digest_without_salt_stays_to_guess_from(
    database: Database, owner: Connection, admin: Connection
) -> None:
    """Of an event whose id the caller gave, one is kept, to know a retry by."""
    event_id = uuid4()
    app = database.connect("app", autocommit=True)
    logged = """
        select chronicle.log_audit_event(
            _event_id => %s, _actor_type => 'user', _action_type => 'read',
            _resource_type => 'page', _details_after => '{"salary": 4711}'
        )
    """
    assert value(app, logged, (event_id,)) == value(app, logged, (event_id,)) == event_id
    with database.connect(database.cluster.superuser, autocommit=True) as superuser:
        kept = "select content_digest from chronicle.event_keys where event_id = %s"
        before = value(superuser, kept, (event_id,))
        assert value(admin, ERASE, (event_id, LAW)) is True
        assert value(superuser, kept, (event_id,)) != before
    assert sqlstate(app, logged, (event_id,)) == "ZC001"
    assert event(owner, event_id)["details_after"] is None


def test_an_event_tells_of_an_erasure(owner: Connection) -> None:
    digest = value(
        owner,
        "select chronicle.payload_digest(e) from chronicle.events as e where event_id = %s",
        (FULL,),
    )
    with owner.transaction():
        run(owner, "select chronicle.set_context(_actor_id => 'dora', _actor_type => 'employee')")
        run(owner, ERASE, (FULL, LAW))
    (told,) = rows(
        owner,
        """
        select event_id, actor_type::text, actor_id, db_user, action_type::text, action_meta,
            occurred_at
        from chronicle.events where action = 'chronicle.payload.erase'
        """,
    )
    assert told[1:5] == ("employee", "dora", INSTALLER, "delete")
    assert told[5]["legal_basis"] == LAW
    assert rows(
        owner,
        "select event_id, payload_digest, legal_basis, recorded_by, occurred_at, erased_at "
        "from chronicle.erasures",
    ) == [(FULL, digest, LAW, told[0], event(owner, FULL)["occurred_at"], told[6])]
    assert "raised the price" not in str(event(owner, told[0]))


def test_who_erases_needs_a_legal_basis(owner: Connection, admin: Connection) -> None:
    before = event(owner, FULL)
    for basis in (None, "", "  "):
        assert sqlstate(admin, ERASE, (FULL, basis)) in {"22004", "22023"}
        assert sqlstate(
            admin, "select chronicle.erase_subject(%s, _actor_id => 'ada')", (basis,)
        ) in {"22004", "22023"}
    assert event(owner, FULL) == before


def test_what_is_not_there_can_not_be_erased(owner: Connection, admin: Connection) -> None:
    assert sqlstate(admin, ERASE, (uuid4(), LAW)) == "P0002"
    assert rows(owner, "select * from chronicle.erasures") == []


def test_a_second_erasure_does_nothing(owner: Connection, admin: Connection) -> None:
    assert value(admin, ERASE, (FULL, LAW)) is True
    before = rows(owner, "select e::text from chronicle.events as e order by seq")
    assert value(admin, ERASE, (FULL, "another one")) is False
    assert rows(owner, "select e::text from chronicle.events as e order by seq") == before
    assert values(owner, "select legal_basis from chronicle.erasures") == [LAW]


def test_of_two_erasures_at_once_one_erases(database: Database, owner: Connection) -> None:
    first, second = database.connect("admin"), database.connect("admin")
    assert value(first, ERASE, (FULL, LAW)) is True
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(value, second, ERASE, (FULL, "the second"))
        wait_until_blocked(owner, second, first)
        first.commit()
        assert answer.result(30) is False
    second.commit()
    assert values(owner, "select legal_basis from chronicle.erasures") == [LAW]
    seal(owner)
    assert details(owner) == []


def test_an_erasure_that_is_rolled_back_never_was(database: Database, owner: Connection) -> None:
    before = event(owner, FULL)
    with closing(database.connect("admin")) as session:
        assert value(session, ERASE, (FULL, LAW)) is True
        session.rollback()
    assert event(owner, FULL) == before
    assert rows(owner, "select * from chronicle.erasures") == []
    assert details(owner) == []


def test_what_tells_of_an_erasure_can_not_be_erased(owner: Connection, admin: Connection) -> None:
    run(admin, ERASE, (FULL, LAW))
    (told,) = values(owner, "select recorded_by from chronicle.erasures")
    before = event(owner, told)
    assert sqlstate(admin, ERASE, (told, LAW)) == "22023"
    run(admin, "select chronicle.erase_subject(%s, _actor_id => 'admin')", (LAW,))
    assert event(owner, told) == before


# A subject.


def subject(session: Connection, arguments: str) -> int:
    """Erases all of a subject."""
    erased: int = value(session, f"select chronicle.erase_subject('{LAW}', {arguments})")
    return erased


ABOUT_5 = "(resource_type, resource_id) = ('item', '5')"

SUBJECTS = {
    "_actor_id => 'ada'": "actor_id = 'ada'",
    "_actor_id => 'ada', _actor_type => 'user'": "actor_id = 'ada' and actor_type = 'user'",
    "_actor_id => 'ada', _actor_type => 'employee'": "false",
    "_actor_id => 'grace'": "actor_id = 'grace'",
    "_resource_type => 'item', _resource_id => '5'": ABOUT_5,
    "_resource_type => 'page', _resource_id => '7'": "resource_type = 'page' and resource_id = '7'",
    "_actor_id => 'grace', _resource_type => 'item', _resource_id => '5'": (
        f"actor_id = 'grace' or {ABOUT_5}"
    ),
    "_actor_id => 'ada', _organization_id => 'acme'": (
        "actor_id = 'ada' and organization_id = 'acme'"
    ),
    "_actor_id => 'ada', _organization_id => 'other'": "false",
    "_actor_id => 'nobody'": "false",
}
"""What is asked for, and which events that is."""


@pytest.mark.parametrize("asked", SUBJECTS)
def test_all_events_of_a_subject_are_erased_and_no_others(
    owner: Connection, admin: Connection, asked: str
) -> None:
    meant = values(
        owner,
        f"select event_id from chronicle.events where {SUBJECTS[asked]} order by event_id",
    )
    before = {each: event(owner, each) for each in meant}
    others = values(owner, SUBJECTLESS, (meant,))
    assert subject(admin, asked) == len(meant)
    assert {each: event(owner, each) for each in meant} == {
        each: erased(one) for each, one in before.items()
    }
    assert values(owner, f"{SUBJECTLESS} limit {len(others)}", (meant,)) == others
    assert values(owner, "select event_id from chronicle.erasures order by event_id") == meant
    told = rows(
        owner,
        "select action_meta from chronicle.events where action = 'chronicle.payload.erase'",
    )
    assert len(told) == (1 if meant else 0)
    assert details(owner) == []
    assert subject(admin, asked) == 0
    seal(owner)
    assert details(owner) == []


SUBJECTLESS = "select e::text from chronicle.events as e where event_id <> all(%s) order by seq"


@pytest.mark.parametrize(
    "asked",
    [
        "_actor_id => null",
        "_organization_id => 'acme'",
        "_actor_type => 'user'",
        "_resource_type => 'item'",
    ],
)
def test_who_is_meant_has_to_be_said(owner: Connection, admin: Connection, asked: str) -> None:
    """Half a subject would be everybody."""
    assert sqlstate(admin, f"select chronicle.erase_subject('{LAW}', {asked})") == "22023"
    assert rows(owner, "select * from chronicle.erasures") == []


def test_the_subject_of_another_organization_is_left_alone(
    database: Database, owner: Connection, admin: Connection
) -> None:
    app = database.connect("app", autocommit=True)
    for organization in ("acme", "other", None):
        run(
            app,
            """
            select chronicle.log_audit_event(
                _organization_id => %s, _actor_type => 'user', _actor_id => 'ben',
                _action_type => 'read', _resource_type => 'page', _reason => 'why'
            )
            """,
            (organization,),
        )
    assert subject(admin, "_actor_id => 'ben', _organization_id => 'other'") == 1
    assert rows(
        owner,
        "select organization_id, reason from chronicle.events where actor_id = 'ben' order by seq",
    ) == [("acme", "why"), ("other", None), (None, "why")]
    assert subject(admin, "_actor_id => 'ben'") == 2


# The seals hold.


def test_every_proof_still_holds(owner: Connection, admin: Connection) -> None:
    """The place and the path are the same; in place of the payload stands its digest."""
    victim = change(owner, "item.update", "5")
    checkpoint = value(owner, "select chronicle.checkpoint()")
    size = value(owner, "select count(*) from chronicle.seal_batches")
    proof = "select chronicle.inclusion_proof(%s, %s)"
    before = {each: value(owner, proof, (each, size)) for each in (victim, FULL, BARE)}
    digest = value(
        owner,
        "select chronicle.payload_digest(e) from chronicle.events as e where event_id = %s",
        (victim,),
    )
    run(admin, ERASE, (victim, LAW))
    after = {each: value(owner, proof, (each, size)) for each in (victim, FULL, BARE)}
    assert after == before | {victim: before[victim] | {"payload": {"digest": digest.hex()}}}
    assert value(owner, "select chronicle.checkpoint()") == checkpoint
    assert details(owner) == []
    assert seal(owner) == 1
    assert details(owner) == []
    assert unsealed(owner) == []
    assert value(owner, "select chronicle.checkpoint(%s)", (size,)) == checkpoint
    assert {each: value(owner, proof, (each, size)) for each in after} == after


def test_what_is_erased_before_it_was_sealed_is_sealed_like_the_rest(
    database: Database, owner: Connection, admin: Connection
) -> None:
    app = database.connect("app", autocommit=True)
    event_id = log(app, "erased at once")
    digest = value(
        owner,
        "select chronicle.payload_digest(e) from chronicle.events as e where event_id = %s",
        (event_id,),
    )
    assert value(admin, ERASE, (event_id, LAW)) is True
    assert details(owner) == []
    assert seal(owner) == 2
    assert details(owner) == []
    assert unsealed(owner) == []
    proof = value(owner, "select chronicle.inclusion_proof(%s)", (event_id,))
    assert proof["payload"] == {"digest": digest.hex()}


def test_what_is_erased_while_it_is_being_sealed_stays_in_order(
    database: Database, owner: Connection
) -> None:
    app = database.connect("app", autocommit=True)
    erasing, sealing = database.connect("admin"), database.connect("admin")
    for order in ("erased first", "sealed first"):
        event_id = log(app, order)
        if order == "erased first":
            run(erasing, ERASE, (event_id, LAW))
            run(sealing, "select chronicle.seal_events()")
            erasing.commit()
            sealing.commit()
        else:
            run(sealing, "select chronicle.seal_events()")
            run(erasing, ERASE, (event_id, LAW))
            sealing.commit()
            erasing.commit()
        assert details(owner) == []
    seal(owner)
    assert unsealed(owner) == []
    assert details(owner) == []


# What reads the log.


@pytest.mark.parametrize(
    "lived",
    [
        ["update public.item set price = 9 where id = 5", "update public.item set name = 'n'"],
        ["update public.item set id = 105 where id = 5", "delete from public.item where id = 105"],
        ["delete from public.item", "insert into public.item values (5, 'new', 1, 'e')"],
        [
            "update public.item set id = 105 where id = 5",
            "insert into public.item values (5, 'new', 1, 'e')",
        ],
        ["update public.item set price = 5 where id = 5", "truncate public.item"],
    ],
    ids=[
        "updated",
        "under another key",
        "deleted and made anew",
        "moved and made anew",
        "truncated",
    ],
)
def test_history_never_invents_what_was_erased(
    database: Database, owner: Connection, lived: list[str]
) -> None:
    """Whichever of a record's events are erased, each line and each state of it, and of the whole
    table, is what it was, or is said to be unknown."""
    for statement in lived:
        run(owner, statement)
    events = rows(
        owner,
        """
        select event_id, occurred_at from chronicle.events
        where table_id = (
            select table_id from chronicle.tracked_tables where table_name = 'item'
        )
            and (resource_id in ('5', '105') or resource_id is null)
        order by seq
        """,
    )
    ids, moments = [event_id for event_id, _ in events], [moment for _, moment in events]
    truth = known_past(owner, moments)
    assert all(is_complete for line in truth.lines for is_complete in line[-1:])
    told_less = 0
    with closing(database.connect()) as session:
        for chosen in (ids, *zip(ids), *pairwise(ids)):
            for event_id in chosen:
                run(session, ERASE, (event_id, LAW))
            said = known_past(session, moments)
            assert [line for line in said.lines if not is_true_or_open(line, truth.lines)] == []
            invented = {
                asked: state
                for asked, state in said.states.items()
                if state not in (truth.states[asked], "ZC007")
            }
            assert invented == {}, f"without {[ids.index(each) for each in chosen]}"
            told_less += said != truth
            session.rollback()
    assert told_less, "nothing that was erased had been known"


@dataclass(frozen=True, slots=True)
class Known:
    """What the log says of a record under two keys, and of its table, at several moments."""

    lines: list[Any]
    states: dict[str, Any]


def known_past(session: Connection, moments: list[datetime]) -> Known:
    states: dict[str, Any] = {}
    for number, moment in enumerate(moments):
        states[f"the table at {number}"] = table_as_of(session, moment)
        for record in IDS:
            states[f"{record} at {number}"] = record_as_of(session, record, moment)
    return Known([line for record in IDS for line in past(session, record)], states)


IDS = ("5", "105")


def test_a_record_of_which_all_is_erased_has_no_known_past(
    owner: Connection, admin: Connection
) -> None:
    run(owner, "update public.item set name = 'other' where id = 5")
    moments = values(
        owner,
        "select occurred_at from chronicle.events "
        "where resource_type = 'item' and resource_id = '5' order by seq",
    )
    present = record_as_of(owner, "5", moments[-1])
    assert subject(admin, "_resource_type => 'item', _resource_id => '5'") == len(moments) == 3
    assert [is_complete for *_, is_complete in past(owner, "5")] == [False] * 3
    assert [record_as_of(owner, "5", moment) for moment in moments] == ["ZC007", "ZC007", present]
    assert "other" not in str(past(owner, "5")[:2])


def test_where_a_row_of_before_tracking_went_is_not_invented(
    owner: Connection, admin: Connection
) -> None:
    run(owner, "create table public.older (id integer primary key, note text)")
    run(owner, "insert into public.older values (1, 'a'), (3, 'c')")
    run(owner, "select chronicle.enable_tracking('public.older')")
    moment = value(owner, "select clock_timestamp()")
    run(owner, "update public.older set note = 'd' where id = 3")
    run(owner, "update public.older set id = 2 where id = 1")
    event_id = change(owner, "older.update", "2")
    assert value(admin, ERASE, (event_id, LAW)) is True
    state = "select chronicle.record_as_of('public.older', %s, %s)"
    assert sqlstate(owner, state, ("1", moment)) == "ZC007"
    run(owner, "insert into public.older values (1, 'new')")
    assert sqlstate(owner, state, ("1", moment)) == "ZC007"
    assert value(owner, state, ("3", moment)) == {"id": 3, "note": "c"}


def past(session: Connection, record: str) -> list[Any]:
    """What record_history says; nothing where it refuses."""
    try:
        with session.transaction():
            return rows(
                session,
                "select event_id, action, old_values, new_values, is_complete "
                "from chronicle.record_history('item', %s)",
                (record,),
            )
    except psycopg.Error as error:
        assert error.sqlstate == "ZC007"  # noqa: PT017
        return []


def is_true_or_open(said: Any, truth: list[Any]) -> bool:
    """Whether a line of a history is one that was there, or says that it lacks something."""
    event_id, action, old, new, is_complete = said
    return any(
        said == known
        if is_complete
        else (event_id, action) == known[:2]
        and all(
            image is None or image.items() <= (whole or {}).items()
            for image, whole in ((old, known[2]), (new, known[3]))
        )
        for known in truth
    )


def record_as_of(session: Connection, record: str, moment: Any) -> str:
    """What the record was, as text, or the SQLSTATE."""
    try:
        with session.transaction():
            return str(
                value(session, "select chronicle.record_as_of('item', %s, %s)", (record, moment))
            )
    except psycopg.Error as error:
        return error.sqlstate or ""


def table_as_of(session: Connection, moment: Any) -> Any:
    """The rows of the table, or the SQLSTATE."""
    try:
        with session.transaction():
            return rows(
                session,
                "select r::text from chronicle.rows_as_of(null::public.item, %s) as r order by 1",
                (moment,),
            )
    except psycopg.Error as error:
        return error.sqlstate


@pytest.mark.parametrize("erased_action", ["item.create", "item.update", "item.delete"])
def test_what_was_erased_can_not_be_taken_back(
    owner: Connection, admin: Connection, erased_action: str
) -> None:
    record = "18" if erased_action == "item.delete" else "20"
    if erased_action == "item.delete":
        run(owner, "delete from public.item where id = 18")
    victim = value(
        owner,
        "select event_id from chronicle.events where origin = 'captured' and action = %s "
        "and resource_id = %s order by seq desc limit 1",
        (erased_action, record),
    )
    number = value(
        owner, "select transaction_id from chronicle.events where event_id = %s", (victim,)
    )
    run(admin, ERASE, (victim, LAW))
    before = rows(owner, "select * from public.item order by id")
    assert sqlstate(owner, f"select chronicle.revert_event('{victim}')") == "55000"
    assert sqlstate(owner, f"select chronicle.revert_transaction({number})") == "55000"
    assert rows(owner, "select * from public.item order by id") == before


def test_changes_and_the_stream_still_give_the_event(
    database: Database, owner: Connection, admin: Connection
) -> None:
    victim = change(owner, "item.update", "5")
    changes = "select * from chronicle.row_changes where event_id <> %s order by seq"
    before = rows(owner, changes, (victim,))
    auditor = database.connect("auditor", autocommit=True)
    order = [each.event_id for each in Consumer(auditor, limit=50).drain()]
    run(admin, ERASE, (victim, LAW))
    assert rows(owner, changes, (victim,)) == before
    assert row(
        owner,
        """
        select action, record_id, old_values, new_values, changed_columns
        from chronicle.row_changes where event_id = %s
        """,
        (victim,),
    ) == ("UPDATE", "5", None, None, ["price"])
    streamed = Consumer(auditor, limit=50).drain()
    assert [each.event_id for each in streamed][: len(order)] == order
    (given,) = [each for each in streamed if each.event_id == victim]
    assert given._asdict() | {"cursor": None} == event(owner, victim) | {"cursor": None}


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_gives_the_event_and_nothing_of_what_was_erased(
    database: Database, admin: Connection, name: str
) -> None:
    auditor = database.connect("auditor", autocommit=True)

    def exported() -> str:
        (found,) = [each for each in Chronicle(auditor).events_since() if each.event_id == FULL]
        return FORMATS[name].to_text(found, "log")

    secrets = ("curl/8", "ticket 7", "raised the price", "10.0.0.1", "linux")
    before = exported()
    assert any(secret in before for secret in secrets)
    run(admin, ERASE, (FULL, LAW))
    after = exported()
    assert [secret for secret in secrets if secret in after] == []
    for kept in ("acme", "ada", "page.raise", str(FULL)):
        assert (kept in before) == (kept in after)


# Whoever would do more than erase.


@pytest.fixture
def eraser(database: Database) -> Iterator[Connection]:
    """A session with the rights of the eraser, in a transaction."""
    with closing(database.connect(database.cluster.superuser)) as session:
        run(session, "set role chronicle_eraser")
        yield session


@pytest.mark.parametrize(
    "tried",
    [
        "update chronicle.events set actor_id = 'x'",
        "update chronicle.events set organization_id = null",
        "update chronicle.events set event_id = gen_random_uuid()",
        "update chronicle.events set changed_columns = null",
        "delete from chronicle.events",
        "truncate chronicle.events",
        "insert into chronicle.events select * from chronicle.events limit 0",
        "update chronicle.erasures set legal_basis = 'x'",
        "delete from chronicle.erasures",
        "update chronicle.seal_batches set event_count = 0",
        "insert into chronicle.seal_batches select * from chronicle.seal_batches limit 0",
        "select chronicle.seal_events()",
        "select chronicle.begin_epoch('x')",
        "alter table chronicle.events disable trigger all",
        "create table chronicle.mine (a integer)",
    ],
)
def test_the_eraser_can_do_nothing_else(eraser: Connection, tried: str) -> None:
    assert sqlstate(eraser, tried) == "42501"


WIPE = ", ".join(
    [
        *(f"{column} = null" for column in PAYLOAD if column != "payload_error"),
        "payload_error = 'erased'",
        "payload_salt = null",
    ]
)

HALF_MEASURES = {
    "without a record": WIPE,
    "a column": "reason = null",
    "the salt alone": "payload_salt = null",
    "another text": "reason = 'something else'",
    "all but the salt": WIPE.replace(", payload_salt = null", ""),
    "all but one": WIPE.replace("reason = null, ", ""),
    "forged": WIPE.replace("reason = null", "reason = 'forged'"),
    "nothing": "reason = reason",
    "without the mark": WIPE.replace("'erased'", "null"),
    "under another mark": WIPE.replace("'erased'", "'lost'"),
    "with the mark elsewhere": (
        WIPE.replace("'erased'", "null").replace("reason = null", "reason = 'erased'")
    ),
    "another column with it": f"{WIPE}, actor_id = 'x'",
}


@pytest.mark.parametrize("how", HALF_MEASURES)
def test_an_erasure_is_whole_and_recorded(eraser: Connection, how: str) -> None:
    assert sqlstate(
        eraser, f"update chronicle.events set {HALF_MEASURES[how]} where event_id = '{FULL}'"
    ) in {"ZC003", "42501"}


def record_erasure(eraser: Connection, digest: str) -> None:
    """What comes before an erasure."""
    run(
        eraser,
        f"""
        insert into chronicle.erasures
        select event_id, occurred_at, {digest}, clock_timestamp(), 'law', event_id
        from chronicle.events as e where event_id = '{FULL}'
        """,
    )


@pytest.mark.parametrize("how", HALF_MEASURES)
def test_a_record_lets_the_whole_erasure_through_and_nothing_less(
    eraser: Connection, how: str
) -> None:
    measure = f"update chronicle.events set {HALF_MEASURES[how]} where event_id = '{FULL}'"
    record_erasure(eraser, "chronicle.payload_digest(e)")
    for mode in ("origin", "replica"):
        run(eraser, "reset role")
        run(eraser, f"set session_replication_role = {mode}")
        run(eraser, "set role chronicle_eraser")
        if how != "without a record":
            assert sqlstate(eraser, measure) in {"ZC003", "42501"}
        elif mode == "replica":
            assert run(eraser, measure).rowcount == 1


def test_a_record_of_another_payload_lets_nothing_through(eraser: Connection) -> None:
    record_erasure(eraser, "sha256(chronicle.payload_digest(e))")
    wipe = f"update chronicle.events set {WIPE} where event_id = '{FULL}'"
    assert sqlstate(eraser, wipe) == "ZC003"


@pytest.mark.parametrize("how", [how for how in HALF_MEASURES if how != "without a record"])
def test_an_erased_payload_can_not_come_back(
    database: Database, admin: Connection, how: str
) -> None:
    """Not with the record that says it was erased, nor to a superuser in replica mode, nor through
    the partition."""
    run(admin, ERASE, (FULL, LAW))
    with closing(database.connect(database.cluster.superuser, autocommit=True)) as superuser:
        partition = value(
            superuser,
            "select tableoid::regclass::text from chronicle.events where event_id = %s",
            (FULL,),
        )
        run(superuser, "set session_replication_role = replica")
        for table in ("chronicle.events", partition):
            assert (
                sqlstate(
                    superuser, f"update {table} set {HALF_MEASURES[how]} where event_id = '{FULL}'"
                )
                == "ZC003"
            )


def test_every_partition_is_guarded_also_those_that_come_later(
    database: Database, owner: Connection
) -> None:
    run(owner, "select chronicle.ensure_partitions(9)")
    with closing(database.connect(database.cluster.superuser, autocommit=True)) as superuser:
        run(superuser, "set session_replication_role = replica")
        for table in values(
            superuser,
            "select inhrelid::regclass::text from pg_inherits "
            "where inhparent = 'chronicle.events'::regclass",
        ):
            assert sqlstate(superuser, f"delete from {table}") == "ZC003"
            assert sqlstate(superuser, f"truncate {table}") == "ZC003"
            for change_ in (WIPE, "actor_id = 'x'", "reason = 'x'"):
                with superuser.transaction(force_rollback=True):
                    is_empty = not value(superuser, f"select exists (select from {table})")
                    if is_empty:
                        # A row trigger needs a row.
                        run(
                            superuser,
                            f"insert into {table} select (jsonb_populate_record("
                            "e, jsonb_build_object('occurred_at', "
                            f"{bound_of(superuser, table)}))).* "
                            f"from chronicle.events as e where event_id = '{BARE}'",
                        )
                    assert sqlstate(superuser, f"update {table} set {change_}") == "ZC003"


def bound_of(superuser: Connection, table: str) -> str:
    """A time that lies in a partition, as SQL."""
    bound = value(
        superuser,
        "select pg_get_expr(relpartbound, oid) from pg_class where oid = %s::regclass",
        (table,),
    )
    return (
        "timestamptz '2999-01-01'"
        if bound == "DEFAULT"
        else (rf"substring($b${bound}$b$ from $r$FROM \('([^']+)'\)$r$)::timestamptz")
    )


# Whoever fakes one.


@pytest.fixture(scope="module")
def tampered(
    alone: Cluster, template: Database, database_names: Iterator[str]
) -> Iterator[Database]:
    """A log with erasures that are sealed, one of a single event, one of a subject; and nothing
    guards it any more."""
    name = next(database_names)
    alone.execute("create database {} owner {} template {}", name, INSTALLER, template.name)
    for database in lent(Database(alone, name)):
        with database.connect("admin", autocommit=True) as admin:
            run(admin, ERASE, (FULL, LAW))
            subject(admin, "_resource_type => 'item', _resource_id => '5'")
            seal(admin)
        with database.connect(alone.superuser, autocommit=True) as superuser:
            disarm(superuser)
        yield database


@pytest.fixture
def intruder(tampered: Database) -> Iterator[Connection]:
    """A superuser's session there, whose work is taken back."""
    with closing(tampered.connect(tampered.cluster.superuser, autocommit=True)) as session:
        session.execute("set session_replication_role = replica")
        with session.transaction(force_rollback=True):
            yield session


FORGED = "payload_error = 'erased', reason = 'forged'"

FAKES = {
    "a payload wiped without a record": (
        f"update chronicle.events set {WIPE} where event_id = '{BARE}'",
        "event_differs",
        BARE,
    ),
    "a payload forged behind the record": (
        f"update chronicle.events set reason = 'forged' where event_id = '{FULL}'",
        "erasure_differs",
        FULL,
    ),
    "a payload forged with a salt": (
        "update chronicle.events set reason = 'forged', payload_error = null, "
        f"payload_salt = gen_random_uuid() where event_id = '{FULL}'",
        "event_differs",
        FULL,
    ),
    "a mark of erasure that is gone": (
        f"update chronicle.events set payload_error = null where event_id = '{FULL}'",
        "erasure_differs",
        FULL,
    ),
    "another mark of erasure": (
        f"update chronicle.events set payload_error = 'lost' where event_id = '{FULL}'",
        "erasure_differs",
        FULL,
    ),
    "a record of an event that was not erased": (
        "insert into chronicle.erasures select event_id, occurred_at, "
        "chronicle.payload_digest(e), clock_timestamp(), 'x', event_id "
        f"from chronicle.events as e where event_id = '{BARE}'",
        "erasure_differs",
        BARE,
    ),
    "a record of an event that never was": (
        "insert into chronicle.erasures select gen_random_uuid(), occurred_at, payload_digest, "
        f"erased_at, legal_basis, recorded_by from chronicle.erasures where event_id = '{FULL}'",
        "erasure_differs",
        None,
    ),
    "a record that is gone": (
        f"delete from chronicle.erasures where event_id = '{FULL}'",
        "event_differs",
        FULL,
    ),
    "another digest": (
        "update chronicle.erasures set payload_digest = sha256(payload_digest) "
        f"where event_id = '{FULL}'",
        "event_differs",
        FULL,
    ),
    "another legal basis": (
        f"update chronicle.erasures set legal_basis = 'x' where event_id = '{FULL}'",
        "erasure_differs",
        FULL,
    ),
    "another time of erasure": (
        "update chronicle.erasures set erased_at = erased_at - interval '1 microsecond' "
        f"where event_id = '{FULL}'",
        "erasure_differs",
        FULL,
    ),
    "another time of the event": (
        "update chronicle.erasures set occurred_at = occurred_at - interval '1 microsecond' "
        f"where event_id = '{FULL}'",
        "erasure_differs",
        FULL,
    ),
    "another event that tells": (
        f"update chronicle.erasures set recorded_by = '{BARE}' where event_id = '{FULL}'",
        "erasure_differs",
        FULL,
    ),
    "the event that tells of it altered": (
        "update chronicle.events set action_meta = '{}' where event_id = "
        f"(select recorded_by from chronicle.erasures where event_id = '{FULL}')",
        "erasure_differs",
        FULL,
    ),
    "the event that tells of it gone": (
        "delete from chronicle.events where event_id = "
        f"(select recorded_by from chronicle.erasures where event_id = '{FULL}')",
        "erasure_differs",
        FULL,
    ),
    "an erased event gone": (
        f"delete from chronicle.events where event_id = '{FULL}'",
        "events_missing",
        None,
    ),
    "one event fewer than the event tells": (
        "delete from chronicle.erasures where event_id = (select min(event_id::text)::uuid "
        f"from chronicle.erasures where event_id <> '{FULL}')",
        "erasure_differs",
        None,
    ),
}
"""What is done, the kind of what is found, and the event it names; null: whichever."""


def test_erasures_that_nobody_touched_are_no_finding(intruder: Connection) -> None:
    assert findings(intruder) == []
    assert value(intruder, "select count(*) from chronicle.erasures") > 2
    assert unsealed(intruder) == []


@pytest.mark.parametrize("fake", FAKES)
def test_a_faked_erasure_is_found(intruder: Connection, fake: str) -> None:
    statement, kind, named = FAKES[fake]
    with attack(intruder):
        run(intruder, statement)
    found = [(kind, event_id) for kind, _, event_id in findings(intruder)]
    if named is None:
        assert kind in {each for each, _ in found}
    else:
        assert (kind, named) in found


def test_a_payload_that_is_forged_behind_an_altered_record_is_found(intruder: Connection) -> None:
    with attack(intruder):
        run(
            intruder,
            "update chronicle.erasures set occurred_at = occurred_at + interval '1 second' "
            f"where event_id = '{FULL}'",
        )
        run(intruder, f"update chronicle.events set {FORGED} where event_id = '{FULL}'")
    assert FULL in {event_id for _, _, event_id in findings(intruder)}


def test_a_payload_that_is_forged_behind_a_faked_record_is_found(intruder: Connection) -> None:
    """With the right digest, and an event that tells of it."""
    for moment in ("occurred_at", "occurred_at + interval '1 day'"):
        with intruder.transaction(force_rollback=True):
            with attack(intruder):
                run(
                    intruder,
                    f"""
                    insert into chronicle.events (
                        event_id, occurred_at, actor_type, context_state, origin, action_type,
                        action, resource_type, action_meta
                    ) values (
                        '{ODD.hex[:-1]}f', '2026-11-20', 'system', 'absent', 'logged', 'delete',
                        'chronicle.payload.erase', 'event', '{{"legal_basis": "x", "events": 1}}'
                    )
                    """,
                )
                run(
                    intruder,
                    f"""
                    insert into chronicle.erasures
                    select event_id, {moment}, chronicle.payload_digest(e), '2026-11-20', 'x',
                        '{ODD.hex[:-1]}f'
                    from chronicle.events as e where event_id = '{BARE}'
                    """,
                )
                run(
                    intruder,
                    "update chronicle.events set payload_salt = null, reason = 'forged', "
                    f"payload_error = 'erased' where event_id = '{BARE}'",
                )
            assert BARE in {event_id for _, _, event_id in findings(intruder)}


def test_nothing_of_an_erasure_can_be_altered_unseen(intruder: Connection) -> None:
    unseen: list[str] = []
    for column, altered in alterations(intruder, "erasures"):
        statement = altering("erasures", column, altered, f"event_id = '{FULL}'")
        with intruder.transaction(force_rollback=True):
            if run(intruder, statement).rowcount and not findings(intruder):
                unseen.append(statement)
    assert unseen == []
