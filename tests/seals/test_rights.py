"""Who gets at the seals: whoever seals through the functions made for it, and whoever may read."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from uuid import UUID

import pytest

from ask import rows, run, sqlstate, value, values
from seals.sealed_log import BARE, FULL, details, live, log_pages, seal, unsealed
from streaming import log, migrated_database, quiet_cluster
from support import INSTALLER, Cluster, Connection, Database

APPEND_ONLY = {
    "seal_batches": "root",
    "seal_leaves": "leaves",
    "seal_nodes": "hash",
    "epochs": "reason",
    "erasures": "legal_basis",
}
TABLES = {**APPEND_ONLY, "seal_state": "sealed_epochs"}
"""What a seal is made of, each table with a column of it."""

USERS = ("app", "reader_a", "auditor", "admin", "stranger")


@pytest.fixture(scope="module")
def alone() -> Iterator[Cluster]:
    """A server of this module's."""
    with quiet_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def sealed(alone: Cluster, database_names: Iterator[str]) -> Iterator[Database]:
    """A sealed log, of which an event of the organization acme and another one are erased; reader_a
    is an administrator of acme."""
    for database in migrated_database(alone, next(database_names)):
        owner = live(database)
        run(owner, "select chronicle.add_administrator('reader_a', 'acme')")
        run(owner, "select chronicle.enable_erasure()")
        for event_id in (FULL, BARE):
            run(owner, "select chronicle.erase_payload(%s, 'law')", (event_id,))
        seal(owner)
        yield database


@pytest.fixture
def owner(sealed: Database) -> Connection:
    """The installer's session."""
    return sealed.connect(autocommit=True)


STATEMENTS = {
    "insert": "insert into chronicle.{table} select * from chronicle.{table} limit 0",
    "update": "update chronicle.{table} set {column} = {column}",
    "delete": "delete from chronicle.{table}",
    "truncate": "truncate chronicle.{table}",
    "lock": "lock table chronicle.{table} in share mode",
    "lock rows": "select from chronicle.{table} for update",
    "lock keys": "select from chronicle.{table} for key share",
    "disable": "alter table chronicle.{table} disable trigger all",
    "drop": "drop table chronicle.{table}",
}


def refusals(session: Connection, kind: str, tables: Mapping[str, str]) -> dict[str, str]:
    """With which SQLSTATE a statement of this kind is refused, by table."""
    return {
        table: sqlstate(session, STATEMENTS[kind].format(table=table, column=column))
        for table, column in tables.items()
    }


@pytest.fixture
def connect(sealed: Database) -> Iterator[Callable[[str], Connection]]:
    """Opens sessions that end with the test."""
    with ExitStack() as sessions:
        yield lambda user: sessions.enter_context(closing(sealed.connect(user)))


@pytest.mark.parametrize("kind", STATEMENTS)
@pytest.mark.parametrize("user", [*USERS, INSTALLER])
def test_nobody_writes_to_the_seals(
    sealed: Database, server_version: int, user: str, kind: str
) -> None:
    if user == INSTALLER and server_version < 160000:
        pytest.skip("before version 16 the installer is the owner at every statement")
    with closing(sealed.connect(user)) as session, session.transaction(force_rollback=True):
        assert refusals(session, kind, TABLES) == dict.fromkeys(TABLES, "42501")


@pytest.mark.parametrize("kind", ["update", "delete", "truncate"])
def test_the_owner_of_the_log_is_refused_as_well(sealed: Database, kind: str) -> None:
    """Until the guards are dropped: then the seals tell of it."""
    with closing(sealed.connect()) as session:
        run(session, "set role chronicle_owner")
        assert refusals(session, kind, APPEND_ONLY) == dict.fromkeys(APPEND_ONLY, "ZC003")


@pytest.mark.parametrize("kind", ["update", "delete", "truncate"])
def test_a_superuser_is_refused_in_replica_mode_too(sealed: Database, kind: str) -> None:
    with closing(sealed.connect(sealed.cluster.superuser)) as session:
        run(session, "set session_replication_role = replica")
        assert refusals(session, kind, APPEND_ONLY) == dict.fromkeys(APPEND_ONLY, "ZC003")


def test_auditors_read_the_seals_and_others_do_not(owner: Connection) -> None:
    """Of erasures, whoever reads the log sees those of the events that they see."""
    readable = rows(
        owner,
        """
        select r.name, array(
            select t.name from unnest(%s::text[]) as t (name)
            where has_table_privilege(r.name, 'chronicle.' || t.name, 'select')
            order by t.name
        )
        from unnest(%s::text[]) as r (name)
        """,
        (["erasures", "seal_batches", "seal_leaves", "seal_nodes"], list(USERS)),
    )
    assert dict(readable) == {
        "app": [],
        "reader_a": ["erasures"],
        "auditor": ["erasures", "seal_batches", "seal_leaves", "seal_nodes"],
        "admin": [],
        "stranger": [],
    }


@pytest.mark.parametrize(
    ("user", "seen"), [("reader_a", [FULL]), ("reader_b", []), ("auditor", [FULL, BARE])]
)
def test_an_erasure_is_seen_by_who_sees_the_event(
    sealed: Database, user: str, seen: list[UUID]
) -> None:
    with closing(sealed.connect(user, autocommit=True)) as session:
        assert values(session, "select event_id from chronicle.erasures order by event_id") == seen


def test_nothing_of_the_seals_is_open_to_public(owner: Connection) -> None:
    assert (
        rows(
            owner,
            """
            select c.oid::regclass::text, a.privilege_type
            from pg_class as c
            cross join lateral aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) as a
            where c.relnamespace = 'chronicle'::regnamespace and a.grantee = 0
            """,
        )
        == []
    )
    assert (
        values(
            owner,
            """
            select p.oid::regprocedure::text from pg_proc as p
            cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
            where p.pronamespace = 'chronicle'::regnamespace and a.grantee = 0
            """,
        )
        == []
    )


CALLS = {
    "seal_events()": {"admin"},
    "begin_epoch('x')": {"admin"},
    "verify_log()": {"auditor"},
    "checkpoint()": {"reader_a", "auditor", "admin"},
    "consistency_proof(1)": {"reader_a", "auditor", "admin"},
    "inclusion_proof('01900000-0000-4000-8000-000000000001')": {"reader_a", "auditor"},
    "merkle_root('')": {"auditor"},
}
"""The functions that are meant to be called, and by whom."""


@pytest.mark.parametrize("call", CALLS)
def test_each_function_is_for_those_who_need_it(sealed: Database, call: str) -> None:
    allowed: set[str] = set()
    for user in USERS:
        with closing(sealed.connect(user)) as session:
            try:
                run(session, f"select * from chronicle.{call} limit 1")
                allowed.add(user)
            except Exception as error:
                assert getattr(error, "sqlstate", None) == "42501", error  # noqa: PT017
    assert allowed == CALLS[call]


def test_no_other_function_of_the_seals_can_be_called(owner: Connection) -> None:
    """Those that write are for the sealer alone, whoever else may seal through seal_events."""
    callable_ = rows(
        owner,
        """
        select r.rolname::text, p.proname::text
        from pg_proc as p cross join pg_roles as r
        where p.pronamespace = 'chronicle'::regnamespace
            and (p.proowner = 'chronicle_sealer'::regrole or p.proname ~ '^(seal|append)_')
            and r.rolname = any(%s) and p.provolatile = 'v'
            and has_function_privilege(r.oid, p.oid, 'execute')
        order by 1, 2
        """,
        (list(USERS),),
    )
    assert callable_ == [("admin", "seal_events")]


# Who would stop the sealing.


def test_locks_of_others_do_not_keep_settled_events_from_being_sealed(
    connect: Callable[[str], Connection], owner: Connection
) -> None:
    """Neither advisory locks, nor locks of the tables and rows that they may read, nor open
    transactions that only read."""
    log_pages(owner, 31, 33)
    sessions = [connect(user) for user in ("app", "reader_a", "auditor")]
    for session in sessions:
        for key in range(200):
            run(session, f"select pg_advisory_xact_lock_shared({key})")
    app, _, auditor = sessions
    for key in range(200):
        run(app, f"select pg_try_advisory_lock({key})")
    for table in (*TABLES, "events"):
        run(auditor, f"select count(*) from chronicle.{table}")
    auditor.execute("lock table chronicle.events in access share mode")
    run(owner, "set lock_timeout = '5s'")
    assert value(owner, "select chronicle.seal_events()") == 3
    for session in sessions:
        session.rollback()


@pytest.mark.parametrize("user", ["app", "reader_a", "auditor"])
@pytest.mark.parametrize(
    "locked",
    [
        "lock table chronicle.events in share mode",
        "lock table chronicle.events in access exclusive mode",
        "lock table chronicle.seal_state in row exclusive mode",
        "select from chronicle.events for share",
        "select from chronicle.seal_state for key share",
        "select nextval('chronicle.events_seq')",
        "select setval('chronicle.events_seq', 1)",
    ],
)
def test_what_would_stop_the_sealing_is_refused(sealed: Database, user: str, locked: str) -> None:
    with closing(sealed.connect(user)) as session:
        assert sqlstate(session, locked) == "42501"


def test_an_open_writer_holds_back_only_what_came_after_it_and_is_told_of(
    connect: Callable[[str], Connection], owner: Connection
) -> None:
    """That can not be refused to a writer: whoever keeps watch sees who it is."""
    seal(owner)
    holder = connect("app")
    log(holder, "held open")
    log_pages(owner, 34, 35)
    admin = connect("admin")
    admin.autocommit = True
    assert value(admin, "select chronicle.seal_events()") == 0
    held_back_by, unsealed_since = rows(
        owner, "select held_back_by, unsealed_since from chronicle.seal_status"
    )[0]
    assert held_back_by == f"pid {holder.info.backend_pid}"
    assert unsealed_since is not None
    holder.rollback()
    assert value(admin, "select chronicle.seal_events()") == 2
    assert rows(owner, "select held_back_by, unsealed_since from chronicle.seal_status") == [
        (None, None)
    ]


@pytest.mark.parametrize("argument", ["0", "-1", "null", "1000001"])
def test_a_wrong_limit_is_refused(owner: Connection, argument: str) -> None:
    assert sqlstate(owner, f"select chronicle.seal_events({argument})") == "22023"


def test_nothing_that_a_writer_says_moves_what_is_sealed(
    connect: Callable[[str], Connection], owner: Connection
) -> None:
    """Neither times of long ago, nor ids, nor settings of the session."""
    app = connect("app")
    app.autocommit = True
    for setting, given in (
        ("timezone", "Pacific/Kiritimati"),
        ("datestyle", "sql, dmy"),
        ("intervalstyle", "sql_standard"),
        ("bytea_output", "escape"),
        ("extra_float_digits", "-15"),
        ("standard_conforming_strings", "on"),
        ("default_transaction_isolation", "serializable"),
        ("synchronous_commit", "off"),
        ("enable_indexscan", "off"),
        ("chronicle.context", '{"transaction_id": 7, "seq": 1, "epoch": 9}'),
        ("chronicle.epoch", "9"),
    ):
        run(app, "select set_config(%s, %s, false)", (setting, given))
    for moment in ("0001-01-01T00:00:00Z", "2026-10-31T23:59:59.999999Z", "2026-11-01T00:00:00Z"):
        run(
            app,
            """
            select chronicle.log_audit_event(
                _actor_type => 'user', _action_type => 'read', _resource_type => 'page',
                _occurred_at => %s
            )
            """,
            (moment,),
        )
    admin = connect("admin")
    admin.autocommit = True
    for setting in (
        "timezone = 'America/St_Johns'",
        "datestyle = 'german'",
        "extra_float_digits = 0",
    ):
        run(admin, f"set {setting}")
    assert value(admin, "select chronicle.seal_events()") == 3
    assert unsealed(owner) == []
    assert details(owner) == []
    auditor = connect("auditor")
    auditor.autocommit = True
    for setting in (
        "timezone = 'Asia/Kathmandu'",
        "bytea_output = escape",
        "intervalstyle = iso_8601",
    ):
        run(auditor, f"set {setting}")
    assert details(auditor) == []


def test_a_second_sealer_waits_for_the_first_and_goes_on_behind_it(
    connect: Callable[[str], Connection], owner: Connection
) -> None:
    log_pages(owner, 36, 40)
    first = connect("admin")
    second = connect("admin")
    assert value(first, "select chronicle.seal_events(3)") == 3
    run(second, "set lock_timeout = '50ms'")
    assert sqlstate(second, "select chronicle.seal_events()") == "55P03"
    first.commit()
    assert value(second, "select chronicle.seal_events()") == 2
    second.commit()
    assert unsealed(owner) == []
    assert details(owner) == []
