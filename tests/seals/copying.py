"""Logs that are moved to another server, and transaction ids that pass."""

import re
import subprocess

from ask import run, value
from support import Connection, Database


def dump(database: Database, *options: str, user: str | None = None) -> str:
    """What pg_dump writes, without what only its own version understands; by default as the
    superuser."""
    text = subprocess.run(
        [database.cluster.program("pg_dump"), *options],
        env=database.environment(user or database.cluster.superuser),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return re.sub(r"^(\\(un)?restrict .*|SET transaction_timeout = .*)\n", "", text, flags=re.M)


def restore(database: Database, text: str) -> None:
    """Runs a dump in one transaction, as the superuser."""
    subprocess.run(
        [database.cluster.program("psql"), "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1"],
        input=text,
        env=database.environment(database.cluster.superuser),
        capture_output=True,
        text=True,
        check=True,
    )


def next_transaction_id(session: Connection) -> int:
    """The number that the next transaction of the server will get."""
    number: int = value(session, "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    return number


def pass_transaction_ids(session: Connection, until: int) -> None:
    """Uses up transaction ids until the next one is at least so great."""
    run(
        session,
        f"""
        do $$
        begin
            for _ in 1 .. {max(until - next_transaction_id(session), 0)} loop
                perform pg_current_xact_id();
                commit;
            end loop;
        end
        $$
        """,
    )
