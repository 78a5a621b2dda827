"""The server is killed outright under load, several times: what was acknowledged is there once and
sealed once, and no checkpoint that was given out is contradicted by the log that comes back."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg
import pytest

from ask import run, sqlstate, values
from capturing import track
from faults.crashes import CrashingServer, crashing_server
from faults.load import Load, Told
from pgchronicle.errors import VerificationError
from sealing import Checkpoint, batches_of, check_consistent, checkpoint, seal, seal_all, sealed
from streaming import log
from support import INSTALLER, Database, make_template

ROUNDS = 4

CHECKPOINTS = 20
"""How many are given out in each round before the crash."""

_TEMPLATE = "chronicle_template"


@pytest.fixture
def server() -> Iterator[CrashingServer]:
    """A server of the test's own, with a database in which every name of public.item is an
    event."""
    with tempfile.TemporaryDirectory(prefix="pgchronicle_crash-") as directory:
        # The account that runs the server for root must get through.
        Path(directory).chmod(0o711)
        with crashing_server(Path(directory) / "cluster") as server:
            make_template(server.cluster, _TEMPLATE)
            server.cluster.execute(
                "create database {} owner {} template {}", "shop", INSTALLER, _TEMPLATE
            )
            with closing(shop(server)) as database:
                owner = database.connect(autocommit=True)
                owner.execute("create table public.item (name text primary key)")
                owner.execute("create table public.weak (is_there boolean)")
                owner.execute("grant all on public.item to app")
                owner.execute("grant all on public.weak to admin")
                track(owner)
            yield server


def shop(server: CrashingServer) -> Database:
    """The database, of the server as it runs now."""
    return Database(server.cluster, "shop")


def check(database: Database, told: Told) -> set[str]:
    """Catches up with sealing, and holds the log against what the sessions were told; gives the
    names of the events that are there."""
    auditor = database.connect("auditor", autocommit=True)
    seal_all(database.connect("admin", autocommit=True))

    logged = values(
        auditor, "select resource_id from chronicle.events where resource_type = 'page'"
    )
    present = set(logged)
    assert sorted(logged) == sorted(present)
    assert present <= {*told.acknowledged, *told.in_doubt}
    items = values(database.connect(), "select name from public.item")
    captured = values(
        auditor,
        "select resource_id from chronicle.events "
        "where resource_type = 'item' and action_type = 'create'",
    )
    assert sorted(items) == sorted(captured)
    assert set(items) <= present

    held = batches_of(auditor)
    assert Counter(len(each) for each in held.values()) == {1: len(held)}
    assert sum(map(len, sealed(auditor))) == len(held)
    for published in told.published:
        assert checkpoint(auditor, published.size) == published
        check_consistent(auditor, published)
    return present


def test_what_was_acknowledged_is_there_once_and_sealed_once_after_every_crash(
    server: CrashingServer,
) -> None:
    told = Told()
    for number in range(ROUNDS):
        database = shop(server)
        load = Load(database, number, told)
        load.run_until(partial(crash_with_prepared, server, load, database, number), CHECKPOINTS)
        with closing(shop(server)) as database:
            app = database.connect("app", autocommit=True)
            run(app, f"commit prepared 'p{number}'")
            told.acknowledged.append(f"prepared {number}")
            assert {*told.acknowledged} <= check(database, told)
    assert len(told.published) >= ROUNDS * CHECKPOINTS


def crash_with_prepared(
    server: CrashingServer, load: Load, database: Database, number: int
) -> None:
    """Leaves a transaction prepared, and crashes a while after."""
    with psycopg.connect(database.dsn("app")) as session:
        log(session, f"prepared {number}")
        run(session, f"prepare transaction 'p{number}'")
    load.let_commit(10)
    server.crash()


def test_where_all_commit_asynchronously_no_checkpoint_that_was_given_out_is_lost(
    server: CrashingServer,
) -> None:
    """What the writers were told may be lost, so far as it was not sealed."""
    for role in ("app", "admin", "auditor"):
        server.cluster.execute("alter role {} set synchronous_commit = off", role)
    told = Told()
    for number in range(ROUNDS):
        database = shop(server)
        load = Load(database, number, told)
        weak: list[Checkpoint] = []
        load.run_until(partial(crash_after_weak_seal, server, load, database, weak), CHECKPOINTS)
        with closing(shop(server)) as database:
            admin = database.connect("admin", autocommit=True)
            # What was not forced to the disk is gone, or the test would show nothing.
            (lost,) = weak
            assert values(admin, "select true from public.weak") == []
            assert sqlstate(admin, "select chronicle.checkpoint(%s)", (lost.size,)) == "22023"
            present = check(database, told)
            assert not {*told.acknowledged} <= present
            grow_beyond(database, told, lost.size)
            with pytest.raises(VerificationError):
                check_consistent(admin, lost)


def crash_after_weak_seal(
    server: CrashingServer, load: Load, database: Database, weak: list[Checkpoint]
) -> None:
    """Publishes what ``seal_events`` would give if it left the session's setting as it is, writes a
    row as weakly, and crashes."""
    with psycopg.connect(database.dsn("admin"), autocommit=True) as session:
        sealed = 0
        while not sealed:
            # Whoever is slow to commit holds back all that the others have committed.
            load.let_commit(10)
            with session.transaction():
                sealed = seal(session)
                session.execute("set local synchronous_commit = off")
        weak.append(checkpoint(session))
        session.execute("insert into public.weak values (true)")
        server.crash()


def grow_beyond(database: Database, told: Told, size: int) -> None:
    """Logs and seals until the log has more batches than that."""
    app = database.connect("app", autocommit=True)
    admin = database.connect("admin", autocommit=True)
    while checkpoint(admin).size <= size:
        name = f"after {len(told.acknowledged)}"
        log(app, name)
        told.acknowledged.append(name)
        assert seal(admin)
