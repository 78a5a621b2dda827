"""Many clients over few sessions of the server, through the real PgBouncer in transaction mode:
what one client says of who acts never reaches the transaction of another."""

import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

import tokens
from ask import rows, run, value, values
from pgchronicle import Chronicle
from pgchronicle.embedded.account import server_account
from pgchronicle.signing import ContextSigner
from support import Connection, Database
from tokens import Key, keep, kept, present, verify

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no pgbouncer here")

SESSIONS = 3
"""How many sessions of the server the clients of one role share."""

CLIENTS = 16

ROUNDS = 40

CONFIGURATION = """
[databases]
{name} = host={host} port={port} dbname={name}
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = {directory}
auth_type = trust
auth_file = {directory}/users
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 100
"""


@dataclass(frozen=True, slots=True)
class Pooler:
    """A running PgBouncer before a database."""

    directory: Path
    database: Database

    def connect(self, user: str = "app") -> Connection:
        """A client. It prepares nothing: what it prepared would stay in another's session."""
        return psycopg.connect(
            host=str(self.directory),
            port=6432,
            dbname=self.database.name,
            user=user,
            prepare_threshold=None,
        )


@pytest.fixture
def pooler(database: Database) -> Iterator[Pooler]:
    """PgBouncer, under the account of the server: it refuses to run as root."""
    cluster = database.cluster
    account = server_account()
    with tempfile.TemporaryDirectory(prefix="pgchronicle-pooler-", dir="/tmp") as name:
        directory = Path(name)
        configuration, users = directory / "pgbouncer.ini", directory / "users"
        configuration.write_text(
            CONFIGURATION.format(
                name=database.name,
                host=cluster.host,
                port=cluster.port,
                directory=directory,
                sessions=SESSIONS,
            )
        )
        users.write_text(
            "".join(f'"{user}" "{cluster.password or ""}"\n' for user in ("app", "reader_a"))
        )
        if account is not None:
            for path in (directory, configuration, users):
                os.chown(path, account.uid, account.gid)
        process = subprocess.Popen(
            [str(PROGRAM), "--quiet", str(configuration)],
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
            stderr=subprocess.PIPE,
        )
        try:
            pooler = Pooler(directory, database)
            await_first_client(pooler, process)
            yield pooler
        finally:
            process.terminate()
            process.communicate()


def await_first_client(pooler: Pooler, process: subprocess.Popen[bytes]) -> None:
    """Returns when clients are served."""
    deadline = time.monotonic() + 30
    while True:
        try:
            pooler.connect().close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                _, said = process.communicate()
                pytest.fail(f"pgbouncer does not serve: {said.decode()}", pytrace=False)
        else:
            return


@pytest.fixture
def key(database: Database) -> Key:
    """A key, and a table that is tracked: what a row expects its event to say, which client wrote
    it, and in which session of the server."""
    with database.connect() as owner:
        owner.execute(
            "create table public.item (id text primary key, expected text, client integer, "
            "pid integer default pg_backend_pid())"
        )
        owner.execute("select chronicle.enable_tracking('public.item')")
        owner.execute("grant insert on public.item to app")
        return tokens.add_key(owner)


@dataclass(slots=True)
class Client:
    """Somebody who does one thing after another, and says of each row what its event must say."""

    pooler: Pooler
    number: int
    key: Key
    draw: random.Random
    connection: Connection
    committed: list[str] = field(default_factory=list[str])
    written: int = 0
    token: str = ""
    sealed: str = ""

    @property
    def actor(self) -> str:
        return f"client-{self.number}"

    def write(self, state: str, actor: str) -> str:
        """Writes a row whose event must say that; gives its id."""
        self.written += 1
        name = f"{self.number}.{self.written}"
        self.connection.execute(
            "insert into public.item values (%s, %s, %s)",
            (name, f"{state} {actor}", self.number),
        )
        return name

    def commit(self, *names: str) -> None:
        self.connection.commit()
        self.committed += names

    def assert_it(self) -> None:
        self.connection.execute(
            "select chronicle.set_context(_actor_id => %s, _actor_type => 'user', "
            "_organization_id => %s)",
            (self.actor, self.actor),
        )

    def prove_it(self) -> None:
        claims = tokens.ada(self.connection, actor_id=self.actor, organization_id=self.actor)
        self.token = self.key.token(claims)
        assert present(self.connection, self.token) == "verified"
        self.sealed = kept(self.connection)

    # What a client does in a transaction, or in several.

    def asserted(self) -> None:
        self.assert_it()
        self.commit(self.write("asserted", self.actor), self.write("asserted", self.actor))

    def verified(self) -> None:
        self.prove_it()
        self.commit(self.write("verified", self.actor), self.write("verified", self.actor))

    def through_the_client(self) -> None:
        log = Chronicle(self.connection, signer=ContextSigner(self.key.key_id, self.key.secret))
        with log.context(actor_id=self.actor, actor_type="user", organization_id=self.actor):
            first = self.write("verified", self.actor)
        self.commit(first, self.write("absent", "app"))

    def silent(self) -> None:
        self.commit(self.write("absent", "app"))

    def rolls_back(self) -> None:
        self.draw.choice([self.assert_it, self.prove_it])()
        self.write("never", "never")
        self.connection.rollback()
        self.commit(self.write("absent", "app"))

    def fails(self) -> None:
        self.draw.choice([self.assert_it, self.prove_it])()
        self.write("never", "never")
        with suppress(psycopg.errors.DivisionByZero):
            self.connection.execute("select 1 / 0")
        self.connection.rollback()

    def fails_in_a_savepoint(self) -> None:
        first = self.write("absent", "app")
        with suppress(psycopg.errors.DivisionByZero), self.connection.transaction():
            self.draw.choice([self.assert_it, self.prove_it])()
            self.connection.execute("select 1 / 0")
        self.commit(first, self.write("absent", "app"))

    def goes_away(self) -> None:
        self.draw.choice([self.assert_it, self.prove_it])()
        self.write("never", "never")
        with socket.socket(fileno=os.dup(self.connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
        self.connection.close()
        self.connection = self.pooler.connect()

    def speaks_outside_of_a_transaction(self) -> None:
        self.connection.autocommit = True
        self.assert_it()
        name = self.write("absent", "app")
        self.connection.autocommit = False
        self.commit(name)

    def presents_its_last_token_again(self) -> None:
        if self.token:
            assert present(self.connection, self.token) == "wrong_transaction"
            self.commit(self.write("malformed", "app"))

    def keeps_what_it_was_last(self) -> None:
        if self.sealed:
            keep(self.connection, self.sealed)
            self.commit(self.write("malformed", "app"))

    def presents_nonsense(self) -> None:
        present(self.connection, "nonsense")
        self.commit(self.write("malformed", "app"))

    def work(self) -> list[str]:
        """Does all of that in an order of its own; gives what was committed."""
        acts: list[Callable[[], None]] = [
            *(self.asserted, self.verified, self.through_the_client, self.silent),
            *(self.rolls_back, self.fails),
            *(self.fails_in_a_savepoint, self.speaks_outside_of_a_transaction),
            *(self.presents_its_last_token_again, self.keeps_what_it_was_last),
            self.presents_nonsense,
        ]
        try:
            for turn in range(ROUNDS):
                self.draw.choice(acts)()
                if turn % 10 == 5:
                    self.goes_away()
        finally:
            # Who fails must not keep a session that others wait for.
            self.connection.close()
        return self.committed


def test_no_event_says_what_another_client_said(pooler: Pooler, key: Key) -> None:
    clients = [
        Client(pooler, number, key, random.Random(number), pooler.connect())
        for number in range(CLIENTS)
    ]
    with ThreadPoolExecutor(CLIENTS) as threads:
        committed = [name for names in threads.map(Client.work, clients) for name in names]
    auditor = pooler.database.connect("auditor")
    told = rows(
        auditor,
        "select record_id, new_values ->> 'expected', concat(context_state, ' ', actor_id), "
        "organization_id from chronicle.row_changes",
    )
    assert [one for one in told if one[1] != one[2]] == []
    assert [one for one in told if one[3] not in (None, one[1].rpartition(" ")[2])] == []
    assert sorted(one[0] for one in told) == sorted(committed)
    assert {one[1].partition(" ")[0] for one in told} == {
        *("asserted", "verified", "absent", "malformed"),
    }

    # The test would be worth nothing if each client had had a session to itself.
    owner = pooler.database.connect()
    shared = values(
        owner,
        "select count(distinct client) from public.item group by pid having count(*) >= 20",
    )
    assert shared
    assert min(shared) > 1
    assert leaks_of_the_session(pooler) == ["asserted intruder"] * SESSIONS


def leaks_of_the_session(pooler: Pooler) -> list[str]:
    """What events of clients without a context say where others have set one for their session:
    what would happen to all, were a context not of the transaction."""
    careless = [pooler.connect() for _ in range(SESSIONS)]
    for client in careless:
        # All at once, each in a transaction: so each has another session of the server.
        keep(client, '{"actor_id": "intruder"}', is_local=False)
    for client in careless:
        client.commit()
        client.close()
    silent = [pooler.connect() for _ in range(SESSIONS)]
    for number, client in enumerate(silent):
        run(client, f"insert into public.item values ('leak {number}', 'leak', -1)")
    for client in silent:
        client.commit()
        client.close()
    return values(
        pooler.database.connect("auditor"),
        "select concat(context_state, ' ', actor_id) from chronicle.row_changes "
        "where new_values ->> 'expected' = 'leak'",
    )


def test_a_context_is_right_in_a_session_that_a_careless_client_has_spoilt(
    pooler: Pooler, key: Key
) -> None:
    """Whoever says who acts says it over what is left of others."""
    assert leaks_of_the_session(pooler) == ["asserted intruder"] * SESSIONS
    client = Client(pooler, 1, key, random.Random(1), pooler.connect())
    for _ in range(SESSIONS):
        client.asserted()
        client.verified()
        client.presents_nonsense()
    client.connection.close()
    told = rows(
        pooler.database.connect("auditor"),
        "select new_values ->> 'expected', concat(context_state, ' ', actor_id) "
        "from chronicle.row_changes where new_values ->> 'expected' <> 'leak'",
    )
    assert len(told) == 5 * SESSIONS
    assert [one for one in told if one[0] != one[1]] == []


def test_no_reader_sees_what_another_may(pooler: Pooler, key: Key) -> None:
    tenants = ["acme", "globex", "initech", "umbrella"]
    with pooler.database.connect() as owner:
        for tenant in tenants:
            owner.execute("select chronicle.add_administrator(%s, %s)", (f"user:{tenant}", tenant))
            owner.execute(
                "select chronicle.log_audit_event(_actor_type => 'user', _action_type => 'read', "
                "_resource_type => 'page', _organization_id => %s::text)",
                (tenant,),
            )

    def read(number: int) -> list[tuple[str, list[str]]]:
        draw = random.Random(number)
        seen: list[tuple[str, list[str]]] = []
        with pooler.connect("reader_a") as client:
            for _ in range(ROUNDS):
                tenant = draw.choice([*tenants, ""])
                if tenant:
                    verify(client, key, actor_id=tenant)
                seen.append(
                    (tenant, values(client, "select organization_id from chronicle.events"))
                )
                draw.choice([client.commit, client.rollback])()
        return seen

    with ThreadPoolExecutor(8) as threads:
        told = [one for seen in threads.map(read, range(8)) for one in seen]
    assert [one for one in told if one[1] != ([one[0]] if one[0] else [])] == []
    assert {one[0] for one in told} == {*tenants, ""}


def test_the_servers_sessions_are_few(pooler: Pooler) -> None:
    """What all of this is about: a client that comes later has the session of one before."""
    clients = [pooler.connect() for _ in range(CLIENTS)]
    pids: set[int] = set()
    for client in clients:
        pids.add(value(client, "select pg_backend_pid()"))
        client.commit()
    assert len(pids) <= SESSIONS
    for client in clients:
        client.close()
