"""pgbench's own workload through the log: nothing is missing, nothing is made up, nothing is
mixed up."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ask import rows, run, value
from pgchronicle import Chronicle
from support import Connection, Database

BALANCES = {
    "pgbench_accounts": ("aid", "abalance"),
    "pgbench_tellers": ("tid", "tbalance"),
    "pgbench_branches": ("bid", "bbalance"),
}

CHANGES = """
    select
        transaction_id,
        table_name,
        action,
        coalesce(record_id, '') as record_id,
        old_values,
        new_values,
        changed_columns
    from chronicle.row_changes
    order by seq
    """

# Half of these are rolled back, and each is inside a savepoint as well.
ROLLED_BACK = r"""
\set aid random(1, 1000)
\set keep random(0, 1)
begin;
update pgbench_accounts set abalance = abalance + 1 where aid = :aid;
savepoint s;
update pgbench_tellers set tbalance = tbalance + 1 where tid = 1;
rollback to s;
insert into pgbench_history (tid, bid, aid, delta, mtime)
values (1, 1, :aid, pg_current_xact_id()::text::bigint, now());
\if :keep
commit;
\else
rollback;
\endif
"""


@pytest.fixture
def bank(database: Database) -> Iterator[Connection]:
    """The installer's session in a database with pgbench's four tables, all tracked."""
    pgbench(database, "--initialize", "--quiet", "--scale=1")
    with database.connect(autocommit=True) as connection:
        for table in (*BALANCES, "pgbench_history"):
            Chronicle(connection).enable_tracking(table, organization_column="bid")
        # A role that has never heard of the log.
        run(connection, "grant all on all tables in schema public to stranger")
        yield connection


def pgbench(database: Database, *options: str, user: str = "installer") -> str:
    result = subprocess.run(
        [database.cluster.program("pgbench"), *options],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        env=database.environment(user),
    )
    return result.stdout


def balances(bank: Connection, table: str) -> dict[str, int]:
    """The balances of a table, by key."""
    key, balance = BALANCES[table]
    return dict(rows(bank, f"select {key}::text, {balance} from {table}"))


def test_log_of_tpc_b_is_the_history_that_pgbench_keeps(
    database: Database, bank: Connection
) -> None:
    before = {table: balances(bank, table) for table in BALANCES}
    # -n, because otherwise pgbench empties its history first.
    pgbench(database, "-n", "--client=4", "--jobs=2", "--transactions=100", user="stranger")
    changes = rows(bank, CHANGES)

    # Each history row is one event, and each transaction that wrote one changed three balances by
    # the same amount; an update by 0 changes nothing, and so is no change.
    history = Counter(rows(bank, "select tid, bid, aid, delta from pgbench_history"))
    assert history.total() == 400
    transactions: dict[int, list[Any]] = {}
    for transaction_id, *change in changes:
        transactions.setdefault(transaction_id, []).append(change)
    assert len(transactions) == 400
    recorded: Counter[tuple[int, int, int, int]] = Counter()
    for found in transactions.values():
        (inserted,) = (new for _, action, _, _, new, _ in found if action == "INSERT")
        keys = tuple(inserted[name] for name in ("tid", "bid", "aid", "delta"))
        recorded[keys] += 1
        tid, bid, aid, delta = keys
        updates = [
            (table, record_id, new[changed[0]] - old[changed[0]], changed)
            for table, action, record_id, old, new, changed in found
            if action == "UPDATE"
        ]
        expected = [
            ("pgbench_accounts", str(aid), delta, ["abalance"]),
            ("pgbench_tellers", str(tid), delta, ["tbalance"]),
            ("pgbench_branches", str(bid), delta, ["bbalance"]),
        ]
        assert updates == (expected if delta else [])
        assert len(found) == (4 if delta else 1)
    assert recorded == history

    # Followed from change to change, each record's events lead from its first balance to its last.
    for table, (_, balance) in BALANCES.items():
        rebuilt = before[table]
        for _, its_table, _, record_id, old, new, _ in changes:
            if its_table == table:
                assert old[balance] == rebuilt[record_id]
                rebuilt[record_id] = new[balance]
        assert rebuilt == balances(bank, table)


def test_transaction_that_is_rolled_back_leaves_no_event(
    database: Database, bank: Connection, tmp_path: Path
) -> None:
    script = tmp_path / "rolled_back.sql"
    script.write_text(ROLLED_BACK)
    pgbench(
        *(database, "-n", "--client=4", "--jobs=2", "--transactions=50"),
        *("--random-seed=7", f"--file={script}"),
        user="stranger",
    )
    committed = value(bank, "select count(*) from pgbench_history")
    assert 0 < committed < 200
    # The history says of each transaction that was committed which one it was.
    expected = {
        (transaction_id, table, action, record_id)
        for transaction_id, aid in rows(bank, "select delta, aid from pgbench_history")
        for table, action, record_id in (
            ("pgbench_accounts", "UPDATE", str(aid)),
            ("pgbench_history", "INSERT", ""),
        )
    }
    found = [change[:4] for change in rows(bank, CHANGES)]
    assert set(found) == expected
    assert len(found) == len(expected)


def test_changes_carry_the_branch_and_who_logged_in(database: Database, bank: Connection) -> None:
    pgbench(database, "-n", "--transactions=5", user="stranger")
    assert rows(
        bank,
        "select distinct organization_id, actor_type::text, actor_id, db_user, context_state "
        "from chronicle.row_changes",
    ) == [("1", "system", "stranger", "stranger", "absent")]
