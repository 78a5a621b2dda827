"""Running pgbench's TPC-B, and what it says."""

import re
import subprocess
from dataclasses import dataclass

from psycopg import sql

from .setting import APPLICATION, DATABASE, INSTALLER, Connection, Setting

TABLES = ("pgbench_accounts", "pgbench_branches", "pgbench_tellers", "pgbench_history")

_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
_TRANSACTIONS = re.compile(r"^number of transactions actually processed: ([0-9]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Load:
    """How many clients there are, and whether their commits wait for the disk: on or off."""

    clients: int
    synchronous_commit: str


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run came to."""

    tps: float
    transactions: float


def fill_tables(setting: Setting, database: str = DATABASE) -> None:
    """Makes the four tables, which the application may write to."""
    _pgbench(setting, database, INSTALLER, "-i", "-q", "-s", str(setting.sizes.pgbench_scale))
    with setting.connect(INSTALLER, database) as owner:
        owner.execute(
            sql.SQL("grant select, insert, update on {} to {}").format(
                sql.SQL(", ").join(map(sql.Identifier, TABLES)), sql.Identifier(APPLICATION)
            )
        )


def run(setting: Setting, load: Load, database: str = DATABASE) -> Ran:
    """Runs it once, prepared, as the application."""
    said = _pgbench(
        setting,
        database,
        APPLICATION,
        *("-n", "-M", "prepared", "-c", str(load.clients), "-j", "1"),
        *setting.sizes.pgbench_length,
        options=f"-c synchronous_commit={load.synchronous_commit}",
    )
    return Ran(_found(_TPS, said), _found(_TRANSACTIONS, said))


def vacuum(owner: Connection) -> None:
    """Tidies the tables up after a round."""
    owner.execute(sql.SQL("vacuum {}").format(sql.SQL(", ").join(map(sql.Identifier, TABLES))))


def _found(pattern: re.Pattern[str], said: str) -> float:
    figure = pattern.search(said)
    if figure is None:
        raise RuntimeError(f"pgbench does not give a figure: {said}")
    return float(figure[1])


def _pgbench(setting: Setting, database: str, user: str, *arguments: str, options: str = "") -> str:
    result = subprocess.run(
        [setting.server.program("pgbench"), *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=setting.environment(user, database) | {"PGOPTIONS": options},
    )
    if result.returncode != 0:
        raise RuntimeError(f"pgbench failed: {result.stderr.strip()}")
    return result.stdout
