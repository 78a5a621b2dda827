"""Keys and notes as tests make them with the command, and a log that somebody writes anew."""

from dataclasses import dataclass
from pathlib import Path

import sealing
from ask import run
from command.running import done
from seals.intrusion import attack, disarm, tamper
from streaming import log
from support import Connection, Database

NAME = "acme.example/log"

ELSEWHERE = {"PGHOST": "/nowhere", "PGCHRONICLE_DSN": ""}
"""An environment in which no database can be reached."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Whoever signs the checkpoints of a log, in a directory of their own."""

    directory: Path
    dsn: str

    @property
    def secret(self) -> Path:
        return self.directory / "log.key"

    @property
    def key(self) -> Path:
        """What verifies."""
        return self.directory / "log.pub"

    @property
    def state(self) -> Path:
        return self.directory / "log.state"

    def make_key(self) -> None:
        self.key.write_text(done("checkpoint", "--new-key", self.secret, "--name", NAME))

    def sign(self, name: str) -> Path:
        """A file with a note of how the log is now."""
        first = () if self.state.exists() else ("--first",)
        command = ("checkpoint", "--sign", self.secret, "--state", self.state, *first)
        path = self.directory / name
        path.write_text(done(*command, "--dsn", self.dsn))
        return path


def log_and_seal(database: Database, *names: str) -> None:
    """Logs the reading of some pages, and seals them as one batch."""
    with database.connect("app", autocommit=True) as writer:
        for name in names:
            log(writer, name)
    with database.connect("admin", autocommit=True) as admin:
        assert sealing.seal_all(admin) == len(names)


def superuser(database: Database) -> Connection:
    """A session whom no trigger keeps from anything."""
    session = database.connect(database.cluster.superuser, autocommit=True)
    disarm(session)
    return session


def rename(database: Database, name: str) -> None:
    """Changes an event by hand."""
    tamper(
        superuser(database),
        "update chronicle.events set actor_id = 'nobody' where resource_id = %s",
        name,
    )


def rewrite(database: Database, name: str) -> None:
    """Changes an event, and computes every hash of the log anew."""
    session = superuser(database)
    with attack(session):
        run(
            session,
            "update chronicle.events set actor_id = 'nobody' where resource_id = %s",
            (name,),
        )
        run(session, "truncate chronicle.seal_batches, chronicle.seal_leaves, chronicle.seal_nodes")
        while sealing.seal(session):
            pass


def cut_off(database: Database, name: str) -> None:
    """Removes the last batch of the log, whose first event that is, and the events of it."""
    session = superuser(database)
    with attack(session):
        for statement in (
            "delete from chronicle.events where seq >= (select seq from chronicle.events "
            "where resource_id = %(name)s)",
            "delete from chronicle.seal_leaves where batch_number = "
            "(select max(batch_number) from chronicle.seal_batches)",
            "delete from chronicle.seal_nodes where (node_index + 1) * (1 << level) > "
            "(select max(batch_number) from chronicle.seal_batches)",
            "delete from chronicle.seal_batches where batch_number = "
            "(select max(batch_number) from chronicle.seal_batches)",
        ):
            run(session, statement, {"name": name})
