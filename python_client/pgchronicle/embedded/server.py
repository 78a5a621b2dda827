"""Starting, finding and stopping a server."""

import atexit
import ctypes
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg.conninfo import make_conninfo

from pgchronicle.embedded import binaries, homes
from pgchronicle.embedded.account import Account, server_account
from pgchronicle.embedded.errors import EmbeddedError

Setting = str | int | float | bool

_PORT = 5432
_SUPERUSER = "postgres"
_START_S = 60.0

# The shortest limit on a socket's path among the systems that we run on (macOS).
_SOCKET_PATH_BYTES = 103

_SETTINGS: Mapping[str, Setting] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "logging_collector": False,
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_THROW_AWAY_SETTINGS: Mapping[str, Setting] = {"fsync": False, "full_page_writes": False}

_PR_SET_PDEATHSIG = 1


class Server:
    """A PostgreSQL server reached over a socket that only its owner can open.

    Without ``datadir`` the cluster is thrown away by ``stop()`` and lives in memory where there is
    room. It goes down with the process that started it, even when that one is killed; on Linux,
    with the *thread* that started it.

    With ``datadir`` the cluster stays and can be started again. If it is ``detached`` as well, the
    server goes on in the background after the process has ended, the end of a ``with`` block leaves
    it running, ``start()`` finds one that is already there, and ``stop()`` stops it.

    Args:
        bindir: the directory of the server's programs; None takes ``find_bindir()``.
        datadir: a directory of its own for the cluster, its socket and its log; made when missing.
        detached: see above.
        settings: server settings beside or instead of ours.
    """

    def __init__(
        self,
        bindir: Path | None = None,
        *,
        datadir: Path | None = None,
        detached: bool = False,
        settings: Mapping[str, Setting] | None = None,
    ) -> None:
        if detached and datadir is None:
            raise ValueError("a detached server needs a datadir")
        self._bindir = bindir
        self._datadir = datadir.absolute() if datadir else None
        self._detached = detached
        self._settings = dict(settings or {})
        self._account: Account | None = None
        self._home: Path | None = None
        self._socket: Path | None = None
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._version = 0
        self._starter = 0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._detached:
            self.stop()

    @property
    def host(self) -> str:
        """The directory of the server's socket, which libpq takes for a host."""
        if self._socket is None:
            raise EmbeddedError("the server is not running", hint="Call start() first.")
        return str(self._socket)

    @property
    def port(self) -> int:
        """The number in the name of the socket; nothing listens on the network."""
        return _PORT

    @property
    def version(self) -> int:
        """The server's version as libpq gives it: 180004 is 18.4."""
        if not self._version:
            raise EmbeddedError("the server is not running", hint="Call start() first.")
        return self._version

    def dsn(self, dbname: str = "postgres", user: str = _SUPERUSER) -> str:
        """A connection string that no PGOPTIONS or PGHOSTADDR of the caller's changes."""
        return make_conninfo(
            host=self.host, port=self.port, dbname=dbname, user=user, options="", hostaddr=""
        )

    def environment(self, dbname: str = "postgres", user: str = _SUPERUSER) -> dict[str, str]:
        """The environment for a client program such as psql or pgbench: ours instead of the
        caller's."""
        return _clean_environment() | {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGDATABASE": dbname,
            "PGUSER": user,
            "PGCLIENTENCODING": "UTF8",
        }

    def program(self, name: str) -> Path:
        """The path of a client program: psql, pgbench, pg_dump and their like."""
        return binaries.find_program(name, self._bindir)

    def start(self) -> Self:
        """Starts the server and returns when it takes connections.

        Raises:
            EmbeddedError: it cannot be started; the detail is the end of its log.
        """
        if not hasattr(os, "fork"):
            raise EmbeddedError(
                "the embedded server runs on Linux and macOS only",
                hint="Connect to a PostgreSQL of your own.",
            )
        if self._socket is not None:
            raise EmbeddedError("the server is already running")
        bindir = self._bindir or binaries.find_bindir()
        self._account = server_account()
        self._starter = os.getpid()
        try:
            self._open_home(copied=binaries.needs_copy(bindir, self._account))
            if not self._find_running():
                self._start_new(bindir)
        except BaseException:
            self._abandon()
            raise
        if self._detached:
            self._release()
        else:
            atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """Stops the server and removes a cluster that was not to stay. Twice does no harm."""
        if self._socket is None or os.getpid() != self._starter:
            return
        atexit.unregister(self.stop)
        if self._process is None:
            self._stop_found(signal.SIGINT)
        self._abandon()

    @property
    def _uid(self) -> int | None:
        return self._account.uid if self._account else None

    @property
    def _gid(self) -> int | None:
        return self._account.gid if self._account else None

    # Directories

    @property
    def _data(self) -> Path:
        assert self._home is not None  # noqa: S101  set before anything asks
        return self._home / homes.DATA

    def _open_home(self, *, copied: bool) -> None:
        """Makes the directory, fit for a copy of the programs, and gets hold of it."""
        if self._datadir is None:
            self._sweep()
            self._home = homes.make_throw_away_home(self._account, runs_programs=copied)
        else:
            homes.make_durable_home(self._datadir, self._account)
            self._home = self._datadir
        self._lock = homes.hold(self._home, wait_s=_START_S if self._detached else 0)
        if self._lock is None:
            raise EmbeddedError(
                f"{self._home} is in use",
                detail="Another process has started a server there, or is about to.",
                hint="Wait until it ends, or choose another directory.",
            )

    def _make_socket_directory(self) -> Path:
        assert self._home is not None  # noqa: S101  set by _open_home
        directory = self._home / homes.SOCKET
        if len(os.fsencode(directory / f".s.PGSQL.{_PORT}")) > _SOCKET_PATH_BYTES:
            directory = Path(tempfile.mkdtemp(prefix="pgchronicle_socket-", dir="/tmp"))
        directory.mkdir(mode=0o700, exist_ok=True)
        homes.give(directory, self._account)
        return directory

    def _sweep(self) -> None:
        for home in homes.leftovers():
            self._home = home
            if self._answers():
                self._stop_found(signal.SIGQUIT)
            homes.remove(home)
        self._home = self._socket = None

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _abandon(self) -> None:
        """Ends and forgets the server; what was not to stay is removed."""
        if self._process is not None:
            self._stop_child(self._process)
        self._process = None
        if self._home is not None and self._datadir is None:
            homes.remove(self._home)
        if self._socket is not None and self._socket.parent != self._home:
            homes.remove(self._socket)
        self._release()
        self._home = self._socket = None
        self._version = 0

    # The server

    def _find_running(self) -> bool:
        """Whether a server already runs on the cluster; if so it is ours from now on."""
        if self._answers() and not self._detached:
            self._socket = None
            raise EmbeddedError(
                f"a server is already running in {self._home}",
                hint="Use detached=True to find it, or stop it first.",
            )
        return self._socket is not None

    def _answers(self) -> bool:
        """Whether the server answers that the cluster's own file tells of."""
        lines = self._pid_file()
        if len(lines) <= 4:
            return False
        self._socket = Path(lines[4])
        try:
            self._version = self._ask_version()
        except EmbeddedError:
            # The file is what is left of a server that was killed.
            self._socket = None
            return False
        return True

    def _stop_found(self, last_signal: signal.Signals) -> None:
        """Stops a server that is nobody's child, and returns when it has ended."""
        pid = int(self._pid_file()[0])
        # Sent by the server's account, because it is in that account's hands what the file says.
        self._call(["/bin/sh", "-c", f"kill -{int(last_signal)} {pid}"])
        deadline = time.monotonic() + _START_S
        while self._pid_file():
            if time.monotonic() > deadline:
                raise EmbeddedError(f"the server does not stop: process {pid}")
            time.sleep(0.02)

    def _start_new(self, bindir: Path) -> None:
        assert self._home is not None  # noqa: S101  set by _open_home
        if binaries.needs_copy(bindir, self._account):
            bindir = binaries.copy_installation(bindir, self._home / homes.PROGRAMS)
        self._programs = bindir
        if not (self._data / "PG_VERSION").exists():
            self._make_cluster()
        self._socket = self._make_socket_directory()
        log = self._home / homes.LOG
        log.touch(mode=0o600)
        homes.give(log, self._account)
        if self._detached:
            options = shlex.join(self._server_options())
            self._run(
                *("pg_ctl", "-D", str(self._data), "-l", str(log), "-o", options),
                *("-w", "-t", str(int(_START_S)), "start"),
                log=log,
            )
            self._version = self._ask_version()
        else:
            self._start_child(log)

    def _make_cluster(self) -> None:
        """Made under another name first, so that half a cluster is never taken for a whole one."""
        assert self._home is not None  # noqa: S101  set by _open_home
        new = self._home / homes.NEW_DATA
        homes.remove(new)
        new.mkdir(mode=0o700)
        homes.give(new, self._account)
        # The locale is given because initdb would obey a bad LC_ALL.
        self._run(
            *("initdb", "-D", str(new), "-U", _SUPERUSER, "--auth=trust"),
            *("--encoding=UTF8", "--locale=C"),
            *(() if self._datadir else ("--no-sync",)),
        )
        new.rename(self._data)

    def _server_options(self) -> list[str]:
        settings = {
            **_SETTINGS,
            **({} if self._datadir else _THROW_AWAY_SETTINGS),
            **self._settings,
            "unix_socket_directories": self.host,
            "port": _PORT,
        }
        return [part for name in settings for part in ("-c", f"{name}={_text(settings[name])}")]

    def _start_child(self, log: Path) -> None:
        last_signal = signal.SIGQUIT if self._datadir is None else signal.SIGINT
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", str(self._data), *self._server_options()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._home,
                env=_clean_environment(),
                umask=0o077,
                # A session of its own, or the Ctrl-C meant for the caller would reach the server
                # first.
                start_new_session=True,
                preexec_fn=_dying_with_parent(last_signal),
                user=self._uid,
                group=self._gid,
                extra_groups=None if self._account is None else [],
            )
        deadline = time.monotonic() + _START_S
        while not self._is_ready(self._process.pid):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise EmbeddedError("the server does not start", detail=_tail(log))
            time.sleep(0.02)
        self._version = self._ask_version()

    def _is_ready(self, pid: int) -> bool:
        """Whether the server says so itself: attempts to connect fail for other reasons too."""
        lines = self._pid_file()
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _pid_file(self) -> list[str]:
        try:
            return (self._data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _stop_child(self, process: subprocess.Popen[bytes]) -> None:
        # Nothing of a throw-away cluster is worth a checkpoint. To kill it outright would leave its
        # shared memory behind.
        process.send_signal(signal.SIGQUIT if self._datadir is None else signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait(30)

    def _ask_version(self) -> int:
        try:
            with psycopg.connect(self.dsn(), connect_timeout=10) as connection:
                return connection.info.server_version
        except psycopg.OperationalError as error:
            raise EmbeddedError("cannot connect to the server", detail=str(error)) from error

    def _run(self, program: str, *arguments: str, log: Path | None = None) -> None:
        """Runs a program of the server's, which says on failure why: itself, or in a log."""
        result = self._call([self._programs / program, *arguments])
        if result.returncode != 0:
            said = _tail(log) if log else result.stdout.strip()
            raise EmbeddedError(f"{program} failed", detail=said)

    def _call(self, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        """Runs a command as the server's account and waits for its end."""
        return subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=self._home,
            env=_clean_environment(),
            umask=0o077,
            user=self._uid,
            group=self._gid,
            extra_groups=None if self._account is None else [],
        )


def _clean_environment() -> dict[str, str]:
    """The caller's environment without what PostgreSQL would obey."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "LC_")) and name not in ("LANG", "LANGUAGE", "TZ")
    }


def _dying_with_parent(last_signal: signal.Signals) -> Callable[[], None] | None:
    """What a child does before it becomes the server, so that it gets the signal when its parent is
    gone."""
    if sys.platform != "linux":
        return None
    # Looked up here: between fork and exec nothing may be imported or allocated that another thread
    # could hold.
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, int(last_signal))
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def _text(value: Setting) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
