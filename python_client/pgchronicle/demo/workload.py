"""pgbench's TPC-B, and an application beside it that says who acts and logs events of its own."""

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

import psycopg

from pgchronicle.client import Chronicle
from pgchronicle.demo.bank import ACCOUNTS_A_BRANCH, APPLICATION, TELLERS, Bank, run_pgbench

ACCOUNT = 4711
"""The account at branch 1 that the application changes most."""

_PAUSE_S = 0.05
_OVERDRAFT = -50


@dataclass(frozen=True, slots=True)
class Workload:
    """What was done, by pgbench's own count."""

    transactions: int
    seconds: float


class OverdrawnError(Exception):
    """The application refuses a withdrawal."""


def run_workload(bank: Bank, *, seconds: int, clients: int) -> Workload:
    """Runs pgbench, and the three actors of the application until it has ended."""
    done = threading.Event()
    actors = (_person, _assistant, _service)
    with ThreadPoolExecutor(len(actors)) as threads:
        running = [threads.submit(_act, bank, actor, done) for actor in actors]
        began = time.monotonic()
        try:
            # -n, because otherwise pgbench empties its history first.
            output = run_pgbench(
                *(bank.server, TELLERS, "-n", "--protocol=prepared"),
                *(f"--client={clients}", "--jobs=2", f"--time={seconds}"),
            )
        finally:
            done.set()
        elapsed = time.monotonic() - began
        for actor in running:
            actor.result()
    found = re.search(r"transactions actually processed: (\d+)", output)
    return Workload(int(found[1]) if found else 0, elapsed)


def _act(
    bank: Bank, actor: Callable[[psycopg.Connection, Chronicle, int], None], done: threading.Event
) -> None:
    # Two connections: what fails is rolled back on the first one, and recorded over the second.
    with (
        bank.connect(APPLICATION) as connection,
        bank.connect(APPLICATION, autocommit=True) as failures,
    ):
        for turn in count():
            actor(connection, Chronicle(failures), turn)
            if done.wait(_PAUSE_S):
                return


def _person(connection: psycopg.Connection, failures: Chronicle, turn: int) -> None:
    """Ada pays out cash at branch 1, unless the account has too little."""
    log = Chronicle(connection)
    try:
        with log.context(
            actor_type="user",
            actor_id="ada",
            actor_role="teller",
            organization_id=1,
            request_id=f"request-{turn}",
            ip_address="192.0.2.7",
            reason="cash at the counter",
        ):
            _pay(connection, ACCOUNT, 25 if turn % 3 else -40)
            log.log_audit_event(
                action_type="execute",
                action="cash.pay_out",
                resource_type="account",
                resource_id=ACCOUNT,
                action_meta={"counter": 3},
            )
        connection.commit()
    except OverdrawnError as error:
        connection.rollback()
        failures.log_audit_event(
            actor_type="user",
            actor_id="ada",
            organization_id=1,
            action_type="execute",
            action="cash.pay_out",
            resource_type="account",
            resource_id=ACCOUNT,
            request_id=f"request-{turn}",
            status="failure",
            severity="warning",
            error_code="overdrawn",
            error_message=str(error),
        )


def _assistant(connection: psycopg.Connection, _: Chronicle, turn: int) -> None:
    """An AI pays back what was charged twice at branch 2, on behalf of nobody."""
    log = Chronicle(connection)
    account = ACCOUNTS_A_BRANCH + 1 + turn % 10
    with log.context(
        actor_type="ai",
        actor_id="refund-assistant",
        organization_id=2,
        operation_id=f"refunds-{turn // 10}",
        reason="charged twice",
    ):
        _pay(connection, account, -12)
        log.log_audit_event(
            action_type="execute",
            action="refund.grant",
            resource_type="account",
            resource_id=account,
            ai_metadata={"model": "demo-1", "confidence": 0.93},
        )
    connection.commit()


def _service(connection: psycopg.Connection, _: Chronicle, turn: int) -> None:
    """A service looks at the balance sheet, which belongs to no branch."""
    Chronicle(connection).log_audit_event(
        actor_type="service",
        actor_id="balance-sheet",
        action_type="read",
        resource_type="balance_sheet",
        action_meta={"turn": turn},
    )
    connection.commit()


def _pay(connection: psycopg.Connection, account: int, amount: int) -> None:
    row = connection.execute(
        "update pgbench_accounts set abalance = abalance - %s where aid = %s returning abalance",
        (amount, account),
    ).fetchone()
    if row is not None and row[0] < _OVERDRAFT and amount > 0:
        raise OverdrawnError(f"account {account} would stand at {row[0]}")
