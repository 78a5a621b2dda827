"""Migrations: what they build, that they can be undone, and that nothing is ever left half done."""

import difflib
import gc
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from yoyo.scripts.main import main as yoyo_main

from pgchronicle import migrate as migrate_module
from pgchronicle.embedded import Server
from pgchronicle.migrate import (
    MigrationError,
    MigrationLockedError,
    MigrationsLostError,
    migrate,
    migrations_dir,
    pending,
)
from support import INSTALLER, NAMELESS, ROOT, Cluster, Database, in_a_child, root_only

FORWARD = sorted(
    path.stem for path in migrations_dir().glob("*.sql") if not path.match("*.rollback.sql")
)


def yoyo(
    database: Database,
    *arguments: str,
    user: str = INSTALLER,
    source: Path = ROOT / "migrations",
) -> subprocess.CompletedProcess[str]:
    """Runs a plain yoyo with the repository's own yoyo.ini, which makes it ask nothing."""
    return subprocess.run(
        [sys.executable, "-m", "yoyo", *arguments, str(source)],
        cwd=ROOT,
        env=database.environment(user),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def succeeded(result: subprocess.CompletedProcess[str]) -> None:
    assert result.returncode == 0, result.stderr


def dump(database: Database) -> list[str]:
    """Everything in the database but yoyo's tables: objects, owners, comments, grants and rows."""
    result = subprocess.run(
        [
            database.cluster.program("pg_dump"),
            *("--create", "--restrict-key=same", "--exclude-table=*.*yoyo*"),
        ],
        env=database.environment(database.cluster.superuser),
        capture_output=True,
        text=True,
        check=True,
    )
    # Each installation has a beginning and a name of its own.
    text = re.sub(r"^1\t[^\t]+\tinstalled\t", "1\tthen\tinstalled\t", result.stdout, flags=re.M)
    text = re.sub(r"^t\t[-0-9a-f]{36}\t0$", "t\tlog\t0", text, flags=re.M)
    return text.replace(database.name, "name").splitlines()


def same(one: list[str], other: list[str]) -> None:
    difference = "\n".join(difflib.unified_diff(one, other, lineterm="", n=5))
    assert not difference, difference


def rows(database: Database, query: str, user: str = INSTALLER) -> list[tuple[object, ...]]:
    with closing(psycopg.connect(database.dsn(user))) as connection:
        return connection.execute(query.encode()).fetchall()


def marked(database: Database, schema: str = "public") -> list[object]:
    """The migrations that yoyo holds for applied, in the order in which they were."""
    query = f"select migration_id from {schema}._yoyo_migration order by applied_at_utc"
    return [migration for (migration,) in rows(database, query)]


def log_an_event(database: Database) -> None:
    with psycopg.connect(database.dsn("app")) as connection:
        connection.execute(
            "select chronicle.log_audit_event(_actor_type => 'user', _action_type => 'create',"
            " _resource_type => 'order')"
        )


def install(database: Database, user: str = INSTALLER) -> None:
    """Builds a database from sql/, as install.sql says to."""
    result = subprocess.run(
        [
            database.cluster.program("psql"),
            *("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"),
            *("--file", str(ROOT / "sql" / "install.sql")),
        ],
        env=database.environment(user),
        capture_output=True,
        text=True,
        check=False,
    )
    succeeded(result)


@pytest.fixture
def second_database(
    cluster: Cluster, database_names: Iterator[str], empty_database: Database
) -> Iterator[Database]:
    """Another empty database of the same owner's."""
    name = next(database_names)
    cluster.execute("create database {} owner {}", name, INSTALLER)
    yield Database(empty_database.cluster, name)
    cluster.execute("drop database {} with (force)", name)


@pytest.fixture
def private_cluster() -> Iterator[Cluster]:
    """A server on which no role of ours has been made yet, and to which any user id may connect."""
    with Server(settings={"unix_socket_permissions": "0777"}) as server:
        Path(server.host).chmod(0o711)
        cluster = Cluster(server.host, server.port, "postgres", None)
        cluster.make_role(INSTALLER, "login createrole")
        yield cluster


# What they build


def test_migrated_database_equals_the_one_built_from_sql(
    empty_database: Database, second_database: Database
) -> None:
    assert migrate(empty_database.dsn()) == FORWARD
    install(second_database)
    same(dump(second_database), dump(empty_database))


def test_roles_and_memberships_are_the_same_by_either_way(private_cluster: Cluster) -> None:
    roles = """
        select r.rolname, m.rolname, g.rolname, to_jsonb(a) ->> 'admin_option',
            to_jsonb(a) ->> 'inherit_option', to_jsonb(a) ->> 'set_option'
        from pg_auth_members as a
        inner join pg_roles as r on r.oid = a.roleid
        inner join pg_roles as m on m.oid = a.member
        inner join pg_roles as g on g.oid = a.grantor
        where r.rolname like 'chronicle\\_%'
        union all
        select to_jsonb(r) - 'oid' || jsonb_build_object('rolname', r.rolname), '', '', '', '', ''
        from pg_roles as r
        where r.rolname like 'chronicle\\_%'
        order by 1, 2, 3
    """.replace("select r.rolname, m.rolname", "select to_jsonb(r.rolname), m.rolname")

    def made_by(way: str) -> list[tuple[object, ...]]:
        private_cluster.execute("create database {} owner {}", way, INSTALLER)
        database = Database(private_cluster, way)
        if way == "migrate":
            migrate(database.dsn())
        else:
            install(database)
        made = rows(database, roles)
        private_cluster.execute("drop database {}", way)
        for (name,) in rows(
            Database(private_cluster, "postgres"),
            "select rolname from pg_roles where rolname like 'chronicle\\_%'",
        ):
            private_cluster.execute("drop role {}", str(name))
        return made

    migrated = made_by("migrate")
    assert migrated
    assert made_by("install") == migrated


def test_plain_yoyo_builds_the_same(empty_database: Database, second_database: Database) -> None:
    succeeded(yoyo(empty_database, "apply"))
    migrate(second_database.dsn())
    assert marked(empty_database) == marked(second_database) == FORWARD
    same(dump(second_database), dump(empty_database))


def test_every_migration_has_a_reason_a_rollback_and_one_predecessor() -> None:
    previous: str | None = None
    for name in FORWARD:
        lines = (migrations_dir() / f"{name}.sql").read_text().splitlines()
        assert re.fullmatch(r"pgchronicle_\d{4}_[a-z0-9_]+", name)
        assert re.match(r"-- \w", lines[0]), f"{name} does not begin with a reason"
        depends = [line for line in lines if line.startswith("-- depends:")]
        assert depends == ([f"-- depends: {previous}"] if previous else [])
        assert (migrations_dir() / f"{name}.rollback.sql").exists()
        previous = name
    assert len(list(migrations_dir().glob("*.sql"))) == 2 * len(FORWARD)


# That they can be undone


def test_undone_and_applied_again_they_leave_no_trace(empty_database: Database) -> None:
    before = dump(empty_database)
    succeeded(yoyo(empty_database, "apply"))
    applied = dump(empty_database)
    succeeded(yoyo(empty_database, "rollback", "--all"))
    assert marked(empty_database) == []
    same(before, dump(empty_database))
    succeeded(yoyo(empty_database, "apply"))
    same(applied, dump(empty_database))


def test_each_can_be_undone_by_itself(empty_database: Database) -> None:
    succeeded(yoyo(empty_database, "apply"))
    for left in range(len(FORWARD) - 1, -1, -1):
        succeeded(yoyo(empty_database, "rollback"))
        assert marked(empty_database) == FORWARD[:left]


def test_roles_stay_while_another_database_uses_them_and_go_with_the_last(
    private_cluster: Cluster,
) -> None:
    one, other = (Database(private_cluster, name) for name in ("one", "other"))
    for database in (one, other):
        private_cluster.execute("create database {} owner {}", database.name, INSTALLER)
        migrate(database.dsn())
    ours = """
        select r.rolname::text, m.rolname::text
        from pg_roles as r
        left join pg_auth_members as a on a.roleid = r.oid
        left join pg_roles as m on m.oid = a.member
        where r.rolname like 'chronicle\\_%'
        order by 1, 2
    """
    before = rows(other, ours)
    succeeded(yoyo(one, "rollback", "--all"))
    assert rows(other, ours) == before
    succeeded(yoyo(other, "rollback", "--all"))
    assert rows(other, ours) == []


@pytest.mark.parametrize("how_far", [["--all"], []], ids=["all", "newest"])
def test_undoing_is_refused_while_events_would_be_lost(
    database: Database, how_far: list[str]
) -> None:
    log_an_event(database)
    before = dump(database)
    with database.connect() as connection:
        connection.execute("set role chronicle_owner")
        hidden = connection.execute("select from chronicle.events").fetchall()
        assert hidden == [], "row-level security is meant to hide them from the owner"
    refused = yoyo(database, "rollback", *how_far)
    assert refused.returncode == 1
    assert "the log holds events" in refused.stderr
    assert "HINT:" in refused.stderr
    assert marked(database) == FORWARD
    same(before, dump(database))


# One at a time, and all or nothing


def test_two_plain_yoyos_at_once_apply_each_migration_once(empty_database: Database) -> None:
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(yoyo, empty_database, "apply") for _ in range(2)]
    for result in running:
        succeeded(result.result())
    logged = rows(empty_database, "select migration_id from _yoyo_log order by created_at_utc")
    assert [migration for (migration,) in logged] == FORWARD


def test_two_of_ours_at_once_apply_each_migration_once(empty_database: Database) -> None:
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(migrate, empty_database.dsn()) for _ in range(2)]
    assert sorted(result.result() for result in running) == [[], FORWARD]


def test_two_databases_of_a_cluster_can_be_migrated_at_once(private_cluster: Cluster) -> None:
    def make(name: str) -> list[str]:
        private_cluster.execute("create database {} owner {}", name, INSTALLER)
        return migrate(private_cluster.dsn(name, INSTALLER))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(make, ["one", "two"])) == [FORWARD, FORWARD]


def test_ours_and_plain_yoyo_see_each_others_work(
    empty_database: Database, second_database: Database
) -> None:
    assert pending(empty_database.dsn()) == FORWARD
    succeeded(yoyo(empty_database, "apply", "--revision", FORWARD[1]))
    assert pending(empty_database.dsn()) == FORWARD[2:]
    assert migrate(empty_database.dsn()) == FORWARD[2:]
    assert pending(empty_database.dsn()) == []
    assert migrate(empty_database.dsn()) == []
    migrate(second_database.dsn())
    log = "select count(*) from _yoyo_log"
    before = rows(second_database, log)
    succeeded(yoyo(second_database, "apply"))
    assert rows(second_database, log) == before


def test_asking_what_is_pending_changes_nothing(empty_database: Database) -> None:
    pending(empty_database.dsn())
    assert rows(empty_database, "select from pg_tables where tablename like '%yoyo%'") == []


@pytest.mark.parametrize("table", ["_yoyo_migration", "_yoyo_log"])
@pytest.mark.parametrize("moment", ["at once", "at commit"])
def test_without_its_mark_nothing_of_a_migration_is_there(
    empty_database: Database, second_database: Database, table: str, moment: str
) -> None:
    for database in (empty_database, second_database):
        succeeded(yoyo(database, "apply", "--revision", FORWARD[1]))
    with psycopg.connect(empty_database.dsn()) as connection:
        connection.execute(
            "create function public.fail() returns trigger language plpgsql as"
            " $$ begin raise exception 'no mark today'; end $$"
        )
        connection.execute(
            sql.SQL(
                "create constraint trigger fail after insert on public.{} deferrable initially {}"
                " for each row execute function public.fail()"
            ).format(
                sql.Identifier(table),
                sql.SQL("deferred" if moment == "at commit" else "immediate"),
            )
        )
    with pytest.raises(MigrationError, match="no mark today"):
        migrate(empty_database.dsn())
    assert marked(empty_database) == FORWARD[:2]
    with psycopg.connect(empty_database.dsn()) as connection:
        connection.execute("drop function public.fail() cascade")
    same(dump(second_database), dump(empty_database))
    assert migrate(empty_database.dsn()) == FORWARD[2:]


def test_migration_that_fails_is_explained_and_leaves_nothing(
    empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one.sql").write_text("create table public.one ();")
    (tmp_path / "two.sql").write_text(
        "-- depends: one\n"
        "create table public.two ();\n"
        "do $$ begin raise exception 'no' using errcode = 'ZC999',"
        " detail = 'Because.', hint = 'Do that.'; end $$;"
    )
    monkeypatch.setattr(migrate_module, "migrations_dir", lambda: tmp_path)
    with pytest.raises(MigrationError) as refusal:
        migrate(empty_database.dsn())
    error = refusal.value
    assert (error.message, error.sqlstate) == ("migration two failed: no", "ZC999")
    assert (error.detail, error.hint) == ("Because.", "Do that.")
    assert str(error) == "migration two failed: no\nDETAIL: Because.\nHINT: Do that."
    assert isinstance(error.__cause__, psycopg.Error)
    assert marked(empty_database) == ["one"]
    tables = "select tablename::text from pg_tables where tablename in ('one', 'two')"
    assert rows(empty_database, tables) == [("one",)]


def test_migrations_may_change_role_and_search_path_and_say_nothing(
    empty_database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "one.sql").write_text(
        "set local search_path = pg_catalog;\nset local role pg_monitor;\nselect 'loud';"
    )
    empty_database.cluster.execute("grant pg_monitor to {}", INSTALLER)
    monkeypatch.setattr(migrate_module, "migrations_dir", lambda: tmp_path)
    assert migrate(empty_database.dsn()) == ["one"]
    assert marked(empty_database) == ["one"]
    assert capfd.readouterr() == ("", "")


def test_migration_outside_of_a_transaction_is_applied(
    empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one.sql").write_text("create table public.one (n integer);")
    (tmp_path / "two.sql").write_text(
        "-- depends: one\n-- transactional: false\n"
        "create index concurrently one_n_idx on public.one (n);"
    )
    monkeypatch.setattr(migrate_module, "migrations_dir", lambda: tmp_path)
    assert migrate(empty_database.dsn()) == ["one", "two"]
    assert marked(empty_database) == ["one", "two"]


def test_other_migration_in_progress_is_waited_for_and_then_named(
    empty_database: Database,
) -> None:
    with psycopg.connect(empty_database.dsn()) as other:
        other.execute("select pg_advisory_xact_lock(%s)", (migrate_module.ADVISORY_LOCK,))
        with pytest.raises(MigrationLockedError, match="another process is migrating"):
            migrate(empty_database.dsn(), wait_s=0.1)
    assert migrate(empty_database.dsn(), wait_s=0.1) == FORWARD


def test_lock_left_by_a_killed_yoyo_is_explained(empty_database: Database) -> None:
    succeeded(yoyo(empty_database, "list"))
    with psycopg.connect(empty_database.dsn()) as killed:
        killed.execute("insert into yoyo_lock (locked, ctime, pid) values (1, now(), 4711)")
    with pytest.raises(MigrationLockedError) as refusal:
        migrate(empty_database.dsn(), wait_s=0.1)
    assert "4711" in (refusal.value.detail or "")
    assert "yoyo break-lock" in (refusal.value.hint or "")
    succeeded(yoyo(empty_database, "break-lock"))
    assert migrate(empty_database.dsn(), wait_s=0.1) == FORWARD


def test_ours_keeps_plain_yoyo_out_and_leaves_no_lock(
    empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The step itself looks, from another session, whether the lock can be had.
    (tmp_path / "look.py").write_text(
        "import psycopg\n"
        "from yoyo import step\n"
        "def look(connection):\n"
        f"    with psycopg.connect({empty_database.dsn()!r}) as other:\n"
        "        other.execute(\"set lock_timeout = '10ms'\")\n"
        "        try:\n"
        '            other.execute("insert into yoyo_lock values (1, now(), 1)")\n'
        "        except psycopg.errors.LockNotAvailable:\n"
        '            connection.execute("create table public.kept_out ()")\n'
        "step(look)\n"
    )
    monkeypatch.setattr(migrate_module, "migrations_dir", lambda: tmp_path)
    migrate(empty_database.dsn())
    assert rows(empty_database, "select 1 from pg_tables where tablename = 'kept_out'") == [(1,)]
    assert rows(empty_database, "select from yoyo_lock") == []


# From anywhere


@pytest.mark.parametrize("form", ["uri", "keywords", "service", "several hosts", "environment"])
def test_any_connection_string_will_do(
    empty_database: Database, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, dbname = empty_database.cluster, empty_database.name
    dsn = empty_database.dsn()
    if form == "uri":
        password = f":{quote(cluster.password)}" if cluster.password else ""
        host = quote(cluster.host, safe="")
        dsn = f"postgresql://{INSTALLER}{password}@{host}:{cluster.port}/{dbname}"
    elif form == "service":
        service = tmp_path / "pg_service.conf"
        lines = [f"{name}={value}" for name, value in conninfo_to_dict(dsn).items()]
        service.write_text("\n".join(["[audit]", *lines, ""]))
        monkeypatch.setenv("PGSERVICEFILE", str(service))
        dsn = "service=audit"
    elif form == "several hosts":
        hosts, ports = f"/nonexistent,{cluster.host}", f"{cluster.port},{cluster.port}"
        dsn = make_conninfo(dsn, host=hosts, port=ports, target_session_attrs="read-write")
    elif form == "environment":
        for variable, value in empty_database.environment().items():
            monkeypatch.setenv(variable, value)
        dsn = ""
    assert migrate(dsn) == FORWARD
    assert pending(dsn) == []


def test_package_carries_the_migrations_of_the_repository() -> None:
    assert migrations_dir() == ROOT / "migrations"


@root_only
def test_user_id_without_a_name_can_migrate(
    private_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, ours, warm = (Database(private_cluster, name) for name in ("plain", "ours", "warm"))
    for database in (plain, ours, warm):
        private_cluster.execute("create database {} owner {}", database.name, INSTALLER)

    def run_plain(database: Database) -> None:
        for variable, value in database.environment().items():
            monkeypatch.setenv(variable, value)
        monkeypatch.setenv("USER", "somebody")
        yoyo_main(["apply", "--batch", "-d", "postgresql+psycopg://", str(migrations_dir())])

    def run_ours() -> None:
        for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
            monkeypatch.delenv(variable, raising=False)
        assert migrate(ours.dsn()) == FORWARD

    # What is imported late is imported here, where it can be read. yoyo leaves its connection open.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        run_plain(warm)
        gc.collect()
    in_a_child(lambda: run_plain(plain), uid=NAMELESS)
    in_a_child(run_ours, uid=NAMELESS)
    for database, user in ((ours, f"uid{NAMELESS}"), (plain, "somebody")):
        assert marked(database) == FORWARD
        assert rows(database, "select distinct username from _yoyo_log") == [(user,)]


# Beside others


def test_database_with_migrations_of_its_own_keeps_them(
    empty_database: Database, tmp_path: Path
) -> None:
    (tmp_path / "0001.initial.sql").write_text("create table public.theirs ();")
    (tmp_path / "0001.initial.rollback.sql").write_text("drop table public.theirs;")
    succeeded(yoyo(empty_database, "apply", source=tmp_path))
    theirs = dump(empty_database)
    succeeded(yoyo(empty_database, "apply"))
    assert marked(empty_database) == ["0001.initial", *FORWARD]
    succeeded(yoyo(empty_database, "rollback", "--all"))
    assert migrate(empty_database.dsn()) == FORWARD
    assert marked(empty_database) == ["0001.initial", *FORWARD]
    succeeded(yoyo(empty_database, "rollback", "--all"))
    assert marked(empty_database) == ["0001.initial"]
    same(theirs, dump(empty_database))


@pytest.mark.parametrize("schema", ["chronicle", "chronicle_capture"])
def test_schema_of_somebody_elses_is_refused_and_left_alone(
    empty_database: Database, schema: str
) -> None:
    empty_database.cluster.execute("create schema {}", schema, dbname=empty_database.name)
    before = dump(empty_database)
    with pytest.raises(MigrationError) as refusal:
        migrate(empty_database.dsn())
    assert refusal.value.sqlstate == psycopg.errors.DuplicateSchema.sqlstate
    assert refusal.value.hint
    refused = yoyo(empty_database, "apply")
    assert refused.returncode == 1
    assert "HINT:" in refused.stderr
    assert marked(empty_database) == []
    same(before, dump(empty_database))


def test_same_owner_installs_twice_in_one_cluster(
    database: Database, empty_database: Database
) -> None:
    with database.connect() as connection:
        role = connection.execute(
            "select rolsuper, rolcreaterole from pg_roles where rolname = current_user"
        ).fetchone()
    assert role == (False, True)
    assert migrate(empty_database.dsn()) == FORWARD
    log_an_event(empty_database)


def test_second_owner_without_rights_on_the_roles_is_told_so(
    cluster: Cluster, database: Database, database_names: Iterator[str], server_version: int
) -> None:
    name = next(database_names)
    second = f"owner_of_{name}"
    cluster.make_role(second, "login createrole")
    cluster.execute("create database {} owner {}", name, second)
    theirs = Database(cluster, name)
    try:
        if server_version >= 160000:
            with pytest.raises(MigrationError) as refusal:
                migrate(theirs.dsn(second))
            assert refusal.value.sqlstate == psycopg.errors.InsufficientPrivilege.sqlstate
            assert "grant chronicle_owner to" in (refusal.value.hint or "").lower()
            ours = "select from pg_namespace where nspname ~ '^chronicle'"
            assert rows(theirs, ours, second) == []
            with psycopg.connect(database.dsn()) as first:
                first.execute(sql.SQL("grant chronicle_owner to {}").format(sql.Identifier(second)))
        assert migrate(theirs.dsn(second)) == FORWARD
        log_an_event(theirs)
    finally:
        cluster.execute("drop database {} with (force)", name)
        cluster.execute("drop role {}", second)


# Where the record is kept


def test_record_can_be_kept_in_a_schema_of_its_own(empty_database: Database) -> None:
    applied = migrate(empty_database.dsn(), bookkeeping_schema="Migration log")
    assert applied == FORWARD
    assert marked(empty_database, '"Migration log"') == FORWARD
    assert rows(empty_database, "select from pg_tables where schemaname = 'public'") == []
    # And it is found again by whoever does not know of it.
    assert pending(empty_database.dsn()) == []
    assert migrate(empty_database.dsn()) == []
    assert rows(empty_database, "select from pg_tables where schemaname = 'public'") == []


def test_second_record_in_another_schema_is_refused(empty_database: Database) -> None:
    migrate(empty_database.dsn())
    with pytest.raises(MigrationError, match="already recorded in schema public"):
        migrate(empty_database.dsn(), bookkeeping_schema="elsewhere")
    with pytest.raises(MigrationError, match="already recorded in schema public"):
        pending(empty_database.dsn(), bookkeeping_schema="elsewhere")
    assert rows(empty_database, "select from pg_namespace where nspname = 'elsewhere'") == []


def test_two_records_are_not_chosen_from(empty_database: Database) -> None:
    copy = "create table {0}._yoyo_migration as select * from public._yoyo_migration"
    migrate(empty_database.dsn())
    with psycopg.connect(empty_database.dsn()) as connection:
        for schema in ("one", "two"):
            connection.execute(f"create schema {schema}".encode())
            connection.execute(copy.format(schema).encode())
        connection.execute("drop table public._yoyo_migration")
    with pytest.raises(MigrationError, match="more than one schema") as refusal:
        migrate(empty_database.dsn())
    assert refusal.value.detail == "They are in one and two."
    assert pending(empty_database.dsn(), bookkeeping_schema="two") == []


def test_missing_right_to_keep_a_record_is_explained(empty_database: Database) -> None:
    name = empty_database.name
    empty_database.cluster.execute("drop schema public", dbname=name)
    with pytest.raises(MigrationError, match="no schema to record") as refusal:
        migrate(empty_database.dsn())
    assert "bookkeeping schema" in (refusal.value.hint or "")
    empty_database.cluster.execute("create schema public", dbname=name)
    empty_database.cluster.execute("grant usage on schema public to public", dbname=name)
    with pytest.raises(MigrationError, match="may not create tables in schema public") as refusal:
        migrate(empty_database.dsn())
    assert refusal.value.sqlstate == psycopg.errors.InsufficientPrivilege.sqlstate
    assert migrate(empty_database.dsn(), bookkeeping_schema="bookkeeping") == FORWARD


# When the record outlives what it records


def uninstall(database: Database) -> None:
    """As the hint says that goes with the refusal to roll back while there are events."""
    with psycopg.connect(database.dsn()) as connection:
        connection.execute("set role chronicle_owner")
        connection.execute("drop schema chronicle_capture, chronicle cascade")


@pytest.mark.parametrize("tool", ["ours", "plain yoyo"])
def test_marks_without_the_schema_are_refused_and_kept(empty_database: Database, tool: str) -> None:
    if tool == "ours":
        migrate(empty_database.dsn())
    else:
        succeeded(yoyo(empty_database, "apply"))
    log_an_event(empty_database)
    uninstall(empty_database)
    for attempt in (migrate, pending):
        with pytest.raises(MigrationsLostError) as refusal:
            attempt(empty_database.dsn())
        error = refusal.value
        assert error.message == (
            "the migrations are marked as applied, but there is no schema chronicle"
        )
        assert "marked in schema public." in (error.detail or "")
        assert error.mend == (
            r"""delete from "public"."_yoyo_migration" where migration_id like 'pgchronicle\_%';"""
        )
        assert (error.hint or "").endswith(f"install again: {error.mend}")
    assert marked(empty_database) == FORWARD


def test_after_the_advice_it_is_installed_again_and_other_marks_are_kept(
    empty_database: Database, second_database: Database, tmp_path: Path
) -> None:
    for name in ("0001.initial", "pgchronicles_of_theirs"):
        (tmp_path / f"{name}.sql").write_text("select 1;")
    succeeded(yoyo(empty_database, "apply", source=tmp_path))
    theirs = marked(empty_database)
    migrate(empty_database.dsn())
    uninstall(empty_database)
    with pytest.raises(MigrationsLostError) as refusal:
        migrate(empty_database.dsn())
    with psycopg.connect(empty_database.dsn()) as connection:
        connection.execute(refusal.value.mend.encode())
    assert marked(empty_database) == theirs
    assert migrate(empty_database.dsn()) == FORWARD
    assert marked(empty_database) == [*theirs, *FORWARD]
    migrate(second_database.dsn())
    same(dump(second_database), dump(empty_database))


@pytest.mark.parametrize("named", [None, "Migration log", "elsewhere"])
def test_marks_without_the_schema_are_found_wherever_they_are(
    empty_database: Database, named: str | None
) -> None:
    migrate(empty_database.dsn(), bookkeeping_schema="Migration log")
    uninstall(empty_database)
    with pytest.raises(MigrationsLostError) as refusal:
        migrate(empty_database.dsn(), bookkeeping_schema=named)
    with pytest.raises(MigrationsLostError):
        pending(empty_database.dsn(), bookkeeping_schema=named)
    assert refusal.value.mend.startswith('delete from "Migration log"."_yoyo_migration" where')
    with psycopg.connect(empty_database.dsn()) as connection:
        connection.execute(refusal.value.mend.encode())
    assert migrate(empty_database.dsn(), bookkeeping_schema=named) == FORWARD


def test_marks_in_two_places_are_forgotten_by_one_advice(empty_database: Database) -> None:
    migrate(empty_database.dsn())
    with psycopg.connect(empty_database.dsn()) as connection:
        connection.execute("create schema one")
        connection.execute("create table one._yoyo_migration as table public._yoyo_migration")
    uninstall(empty_database)
    with pytest.raises(MigrationsLostError, match="in schema one and public") as refusal:
        migrate(empty_database.dsn())
    with psycopg.connect(empty_database.dsn()) as connection:
        connection.execute(refusal.value.mend.encode())
    assert migrate(empty_database.dsn()) == FORWARD
