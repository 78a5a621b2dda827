"""Copies of a sealed log: restored into a newer version, copied table by table, or taken from the
disk. Each goes on as the same log once that is declared, and what can not is told."""

import io
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

import server_matrix
from ask import rows, run, sqlstate, value, values
from pgchronicle import Chronicle, embedded
from pgchronicle.embedded import binaries
from pgchronicle.embedded.account import server_account
from pgchronicle.embedded.homes import DATA, give
from pgchronicle.errors import InconsistentLogError
from pgchronicle.seals.files import verify_file, write_sealed_month
from pgchronicle.seals.notes import SigningKey
from pgchronicle.seals.signer import CheckpointSigner
from seals.copying import dump, next_transaction_id, pass_transaction_ids, restore
from seals.sealed_log import details, live, log_pages, seal, unsealed
from streaming import SETTINGS, log, migrated_database, quiet_cluster
from support import INSTALLER, Cluster, Connection, Database, make_template

KEY = SigningKey("acme.example/log", bytes(range(32)))

MOVED = "select chronicle.begin_epoch('moved to another server')"

DUMPER = "seals_dumper"
"""Whom row-level security lets through, and who may read everything; no superuser."""

_TEMPLATE = "chronicle_template"


@pytest.fixture(scope="module")
def alone() -> Iterator[Cluster]:
    """A server of this module's."""
    with quiet_cluster() as cluster:
        cluster.make_role(DUMPER, "login bypassrls in role pg_read_all_data")
        yield cluster


@pytest.fixture
def lived(alone: Cluster, database_names: Iterator[str]) -> Iterator[Database]:
    """A sealed log, and some events that are not sealed yet."""
    for database in migrated_database(alone, next(database_names)):
        owner = live(database)
        log_pages(owner, 41, 43)
        yield database


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Cluster]:
    """Another server."""
    with quiet_cluster() as cluster:
        yield cluster


@pytest.fixture
def copy(elsewhere: Cluster, database_names: Iterator[str]) -> Iterator[Database]:
    """An empty database there."""
    yield from empty_database_on(elsewhere, next(database_names))


def empty_database_on(cluster: Cluster, name: str) -> Iterator[Database]:
    cluster.execute("create database {} owner {}", name, INSTALLER)
    database = Database(cluster, name)
    yield database
    database.close()
    cluster.execute("drop database {} with (force)", name)


def chronicle(database: Database) -> Chronicle:
    """The log as an auditor sees it."""
    return Chronicle(database.connect("auditor", autocommit=True))


@pytest.fixture
def signer(tmp_path: Path) -> CheckpointSigner:
    """One that has signed nothing yet."""
    return CheckpointSigner(KEY, tmp_path / "state")


def check_it_goes_on(copy: Database, signer: CheckpointSigner, events: int) -> None:
    """What is written there is sealed with all that came along, once the move is declared; and the
    log is the one that was signed."""
    app = copy.connect("app", autocommit=True)
    owner = copy.connect(autocommit=True)
    before = log(app, "before it is declared")
    assert details(owner) == []
    assert sqlstate(owner, "select chronicle.seal_events()") == "55000"
    assert value(owner, MOVED) == 2
    after = log(app, "after it was declared")
    assert len(unsealed(owner)) == seal(owner, 7)
    assert details(owner) == []
    assert unsealed(owner) == []
    # The event that tells of the epoch, too.
    assert value(owner, "select count(*) from chronicle.events") == events + 3
    signer.sign(chronicle(copy))
    for event_id in (before, after):
        assert value(owner, "select chronicle.inclusion_proof(%s) is not null", (event_id,))


def sizes(database: Database) -> tuple[int, int]:
    """How many events a log has, and how many batches."""
    with closing(database.connect(autocommit=True)) as owner:
        return (
            value(owner, "select count(*) from chronicle.events"),
            value(owner, "select count(*) from chronicle.seal_batches"),
        )


def exported(database: Database, month: str) -> bytes:
    """The file of a sealed month."""
    out = io.BytesIO()
    with closing(database.connect("auditor", autocommit=True)) as auditor:
        write_sealed_month(auditor, month, out)
    return out.getvalue()


# Dump and restore.


def older_bindir(major: int) -> Path:
    """The programs of an earlier version, where they are at hand."""
    if major not in server_matrix.IN_WHEEL:
        place = server_matrix.ROOT / ".pg" / server_matrix.THROUGH_NPM[major]
        if not (place / "done").exists():
            pytest.skip(f"PostgreSQL {major} is not at hand: make test-{major} fetches it")
    return server_matrix.bindir(major)


@contextmanager
def server_of(bindir: Path) -> Generator[Cluster]:
    """A quiet server of some version."""
    with embedded.Server(bindir, settings=SETTINGS) as server:
        cluster = Cluster(server.host, server.port, "postgres", None)
        make_template(cluster, _TEMPLATE)
        cluster.make_role(DUMPER, "login bypassrls in role pg_read_all_data")
        yield cluster


@pytest.mark.parametrize("major", [14, 16])
def test_a_log_goes_on_in_a_newer_version(
    major: int,
    server_version: int,
    copy: Database,
    signer: CheckpointSigner,
    database_names: Iterator[str],
) -> None:
    if server_version // 10000 <= major:
        pytest.skip(f"the server is no newer than {major}")
    with server_of(older_bindir(major)) as cluster:
        old = next(migrated_database(cluster, next(database_names)))
        owner = live(old)
        log_pages(owner, 41, 43)
        signer.sign(chronicle(old), first=True)
        events, _ = sizes(old)
        checkpoint = value(owner, "select chronicle.checkpoint()")
        months = {month: exported(old, month) for month in ("2019-05", "2026-07")}
        restore(copy, dump(old, user=DUMPER))
        old.close()
    restored = copy.connect(autocommit=True)
    assert value(restored, "select chronicle.checkpoint()") == checkpoint
    # Every byte that was hashed there is the same here.
    assert {month: exported(copy, month) for month in months} == months
    assert all(verify_file(io.BytesIO(each)).events for each in months.values())
    check_it_goes_on(copy, signer, events)


def upgrade(old: Path, new: Path, bindirs: tuple[Path, Path]) -> None:
    """Makes the data of a stopped server those of a newer version, with pg_upgrade."""
    account = server_account()
    for directory in (new, new / DATA, new / "work"):
        directory.mkdir(mode=0o711 if directory == new else 0o700)
        if directory != new:
            give(directory, account)
    commands: list[list[str | Path]] = [
        [
            *("initdb", "-D", new / DATA, "-U", "postgres", "--auth=trust", "--encoding=UTF8"),
            # As the older version does.
            *("--locale=C", "--no-sync", "--no-data-checksums"),
        ],
        [
            *("pg_upgrade", "-b", bindirs[0], "-B", bindirs[1], "-d", old / DATA, "-D", new / DATA),
            *("-U", "postgres", "-s", new / "work", "--no-sync"),
        ],
    ]
    for program, *arguments in commands:
        subprocess.run(
            [bindirs[1] / program, *arguments],
            cwd=new / "work",
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            check=True,
            capture_output=True,
        )
    shutil.rmtree(new / "work")


def test_a_log_goes_on_after_pg_upgrade(
    server_version: int,
    homes: tuple[Path, Path],
    signer: CheckpointSigner,
    database_names: Iterator[str],
) -> None:
    """It keeps the transaction ids, and makes the server another one."""
    if server_version < 180000 or not (embedded.find_bindir() / "pg_upgrade").exists():
        pytest.skip("the versions at hand with pg_upgrade are 16 and 18")
    name = next(database_names)
    account = server_account()
    bindirs = tuple(
        binaries.copy_installation(bindir, homes[0].parent / f"programs {number}")
        if binaries.needs_copy(bindir, account)
        else bindir
        for number, bindir in enumerate((embedded.find_bindir(16), embedded.find_bindir()))
    )
    with server_in(homes[0], bindirs[0]) as cluster:
        make_template(cluster, _TEMPLATE)
        cluster.execute("alter database {} allow_connections true", _TEMPLATE)
        old = next(migrated_database(cluster, name))
        owner = live(old)
        log_pages(owner, 41, 43)
        signer.sign(chronicle(old), first=True)
        events, _ = sizes(old)
        following = next_transaction_id(owner)
        old.close()
    upgrade(*homes, (bindirs[0], bindirs[1]))
    with (
        server_in(homes[1], bindirs[1]) as cluster,
        closing(Database(cluster, name)) as upgraded,
    ):
        with closing(upgraded.connect()) as session:
            assert next_transaction_id(session) >= following
        check_it_goes_on(upgraded, signer, events)


def test_a_dump_needs_to_see_every_event(lived: Database) -> None:
    """Whoever is subject to row-level security is refused, the owner of the log too."""
    lived.cluster.make_role("seals_reader", "login in role pg_read_all_data")
    for user, options in (
        ("seals_reader", ()),
        (INSTALLER, ("--role=chronicle_owner", "--schema=chronicle")),
    ):
        with pytest.raises(subprocess.CalledProcessError) as refused:
            dump(lived, *options, user=user)
        assert "affected by row-level security" in refused.value.stderr
    assert "COPY chronicle.seal_batches" in dump(lived, user=DUMPER)


def test_a_dump_that_left_events_out_is_found_where_it_is_restored(
    lived: Database, copy: Database
) -> None:
    """As with pg_dump --enable-row-security, by an account that sees none of them."""
    lived.cluster.make_role("seals_reader", "login in role pg_read_all_data")
    _, batches = sizes(lived)
    restore(copy, dump(lived, "--enable-row-security", user="seals_reader"))
    restored = copy.connect(autocommit=True)
    assert value(restored, "select count(*) from chronicle.events") == 0
    assert rows(restored, "select kind, batch_number from chronicle.verify_log()") == [
        ("events_missing", number) for number in range(batches)
    ]


def test_a_log_that_is_restored_on_its_own_server_needs_no_new_epoch(
    lived: Database, signer: CheckpointSigner, database_names: Iterator[str]
) -> None:
    """Its numbers go on there. But it is a second log of the same name: whoever signed the one
    finds the other out as soon as both have gone on."""
    signer.sign(chronicle(lived), first=True)
    for copy in empty_database_on(lived.cluster, next(database_names)):
        restore(copy, dump(lived, user=DUMPER))
        for database, page in ((lived, 50), (copy, 60)):
            owner = database.connect(autocommit=True)
            log_pages(owner, page, page)
            seal(owner)
            assert details(owner) == []
            assert unsealed(owner) == []
        signer.sign(chronicle(lived))
        with pytest.raises(InconsistentLogError):
            signer.sign(chronicle(copy))


# Copied table by table, as by logical replication.


def tables(session: Connection) -> list[str]:
    """The tables of the log, partitions within the whole."""
    return values(
        session,
        """
        select c.oid::regclass::text from pg_class as c
        where c.relnamespace = 'chronicle'::regnamespace and c.relkind in ('r', 'p')
            and not c.relispartition
        order by 1
        """,
    )


def copy_tables(source: Database, target: Database) -> None:
    """The schema through a dump, and then every row: nothing of sequences. Triggers are passed by,
    as by a subscription."""
    restore(target, dump(source, "--schema-only"))
    with (
        closing(source.connect(source.cluster.superuser)) as reader,
        closing(target.connect(target.cluster.superuser)) as writer,
    ):
        run(writer, "set session_replication_role = replica")
        for table in tables(reader):
            with (
                reader.cursor() as out_of,
                writer.cursor() as into,
                out_of.copy(f"copy (select * from {table}) to stdout".encode()) as data,
                into.copy(f"copy {table} from stdin".encode()) as lines,
            ):
                for line in data:
                    lines.write(line)
        writer.commit()


def put_in_the_midst(copy: Database) -> None:
    """Lets the next transactions of the server have numbers that are sealed already."""
    with closing(copy.connect(copy.cluster.superuser, autocommit=True)) as superuser:
        first = value(superuser, "select min(from_transaction_id) from chronicle.seal_batches")
        pass_transaction_ids(superuser, first + 1)


@pytest.mark.parametrize("is_sequence_set", [True, False])
def test_a_log_that_was_copied_table_by_table_goes_on(
    lived: Database, copy: Database, signer: CheckpointSigner, is_sequence_set: bool
) -> None:
    """When nobody wrote to it before: then an epoch sets the sequence forward where nobody did."""
    signer.sign(chronicle(lived), first=True)
    events, _ = sizes(lived)
    copy_tables(lived, copy)
    owner = copy.connect(autocommit=True)
    if is_sequence_set:
        with closing(copy.connect(copy.cluster.superuser, autocommit=True)) as superuser:
            run(
                superuser,
                "select setval('chronicle.events_seq', (select max(seq) from chronicle.events))",
            )
        check_it_goes_on(copy, signer, events)
    else:
        assert sqlstate(owner, "select chronicle.seal_events()") == "55000"
        assert value(owner, MOVED) == 2
        log_pages(owner, 50, 51)
        assert len(unsealed(owner)) == seal(owner, 7)
        assert details(owner) == []
        assert unsealed(owner) == []
        assert value(owner, "select count(*) = count(distinct seq) from chronicle.events")
        signer.sign(chronicle(copy))


def test_what_a_copy_writes_under_numbers_that_are_taken_is_told_of(
    lived: Database, copy: Database, signer: CheckpointSigner
) -> None:
    """Nobody set the sequence, and somebody wrote before the move was declared: such events can
    not be told from forged ones. They are named, each of them, and all others are sealed."""
    signer.sign(chronicle(lived), first=True)
    copy_tables(lived, copy)
    put_in_the_midst(copy)
    app = copy.connect("app", autocommit=True)
    doubtful = {log(app, name) for name in ("a", "b", "c")}
    owner = copy.connect(autocommit=True)
    assert value(owner, MOVED) == 2
    log_pages(owner, 50, 51)
    seal(owner)
    named = set(
        values(
            owner,
            "select event_id from chronicle.verify_log() "
            "where kind in ('event_unsealed', 'event_differs')",
        )
    )
    assert named == doubtful
    assert set(unsealed(owner)) <= doubtful
    # What was sealed before is as it was.
    signer.sign(chronicle(copy))


# Taken from the disk.


@contextmanager
def server_in(home: Path, bindir: Path | None = None) -> Generator[Cluster]:
    """A server whose data stay when it is stopped."""
    settings = {**SETTINGS, "fsync": False}
    with embedded.Server(bindir, datadir=home, settings=settings) as server:
        yield Cluster(server.host, server.port, "postgres", None)


@pytest.fixture
def homes() -> Iterator[tuple[Path, Path]]:
    """Directories for a server, and for one that is made from its backup."""
    with tempfile.TemporaryDirectory(prefix="pgchronicle_copies-") as directory:
        # The account that runs the server for root must get through.
        Path(directory).chmod(0o711)
        yield Path(directory) / "server", Path(directory) / "backup"


def back_up(home: Path, target: Path) -> None:
    """Copies the data of a server that is stopped."""
    target.mkdir(mode=0o711)
    shutil.copytree(home / DATA, target / DATA, symlinks=True)
    for path in (target / DATA, *(target / DATA).rglob("*")):
        give(path, server_account())


def grow(database: Database, page: int) -> None:
    """Lets a log go on: it is sealed, and in order."""
    owner = database.connect(autocommit=True)
    log_pages(owner, page, page + 2)
    seal(owner)
    assert details(owner) == []
    assert unsealed(owner) == []


def test_a_backup_that_goes_on_beside_the_log_is_a_fork_and_is_found(
    homes: tuple[Path, Path], tmp_path: Path, database_names: Iterator[str]
) -> None:
    """Both have the number of the server, and go on by themselves without a finding: that there
    are two, only what was signed tells."""
    name = next(database_names)
    home, backup = homes
    early = CheckpointSigner(KEY, tmp_path / "early")
    signer = CheckpointSigner(KEY, tmp_path / "state")
    with server_in(home) as cluster:
        make_template(cluster, _TEMPLATE)
        database = next(migrated_database(cluster, name))
        live(database)
        early.sign(chronicle(database), first=True)
        signer.sign(chronicle(database), first=True)
        database.close()
    back_up(home, backup)
    with ExitStack() as servers:
        log_itself, fork = (
            servers.enter_context(closing(Database(servers.enter_context(server_in(place)), name)))
            for place in (home, backup)
        )
        # The backup is the log as it was.
        early.sign(chronicle(fork))
        grow(log_itself, 50)
        signer.sign(chronicle(log_itself))
        # It has not got so far.
        with pytest.raises(InconsistentLogError, match="it has lost batches"):
            signer.sign(chronicle(fork))
        for page in (60, 70):
            grow(fork, page)
            with pytest.raises(InconsistentLogError):
                signer.sign(chronicle(fork))
        # Of its own line it is a continuation: never give the key to a copy.
        early.sign(chronicle(fork))
        # To declare it changes nothing of that.
        owner = fork.connect(autocommit=True)
        assert value(owner, "select chronicle.begin_epoch('restored the backup')") == 2
        grow(fork, 80)
        with pytest.raises(InconsistentLogError):
            signer.sign(chronicle(fork))
        grow(log_itself, 80)
        signer.sign(chronicle(log_itself))
