"""``revert``: it shows what it is going to do, asks, does it, and says where that is recorded."""

import json
import uuid
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from ask import row, rows, run, value, values
from command.running import done, on_terminal, pgchronicle
from pgchronicle import Chronicle
from pgchronicle.command import main
from support import Connection, Database

BEFORE = [(1, "Grace", 10), (2, "Edsger", 20), (3, "Barbara", 30)]
AFTER = [(1, "Grace", 11), (2, "Edsger", 20), (4, "Ada", 40)]


@pytest.fixture
def orders(auditor: Connection) -> Connection:
    """A session in whose database a transaction has changed, added and removed an order."""
    run(auditor, "create table orders (id integer primary key, customer text, total integer)")
    Chronicle(auditor).enable_tracking("orders")
    for order in BEFORE:
        run(auditor, "insert into orders values (%s, %s, %s)", order)
    with auditor.transaction():
        run(auditor, "update orders set total = 11 where id = 1")
        run(auditor, "delete from orders where id = 3")
        run(auditor, "insert into orders values (4, 'Ada', 40)")
    assert now(auditor) == AFTER
    return auditor


def now(connection: Connection) -> list[Any]:
    return rows(connection, "select id, customer, total from orders order by id")


def change_of(connection: Connection, record_id: int) -> str:
    """The event of the last change of an order."""
    return str(
        value(
            connection,
            "select event_id from chronicle.row_changes where record_id = %s::text "
            "order by seq desc limit 1",
            (record_id,),
        )
    )


def transaction_of(connection: Connection, record_id: int) -> int:
    found: int = value(
        connection,
        "select transaction_id from chronicle.row_changes where record_id = %s::text "
        "order by seq desc limit 1",
        (record_id,),
    )
    return found


def answering(answer: str, *arguments: object) -> Result:
    """Runs the command with somebody who answers."""
    return CliRunner().invoke(main, [str(each) for each in arguments], input=f"{answer}\n")


def test_change_is_undone_when_one_says_yes(dsn: str, orders: Connection) -> None:
    event_id = change_of(orders, 1)
    result = answering("y", "revert", event_id, "--dsn", dsn)
    assert result.exit_code == 0, result.stderr
    assert now(orders) == [(1, "Grace", 10), *AFTER[1:]]
    # The result alone is on standard output.
    revert = uuid.UUID(result.stdout.strip())
    found = "select action, parent_event_id::text from chronicle.events where event_id = %s"
    assert row(orders, found, (revert,)) == ("chronicle.revert", event_id)
    query = "select resource_id from chronicle.events where parent_event_id = %s"
    assert values(orders, query, (revert,)) == ["1"]
    assert "change back orders 1\n  - total: 11\n  + total: 10\n" in result.stderr
    assert "update" in result.stderr.lower()
    assert "Do it? [y/N]: " in result.stderr
    assert "Undone. The event that says so:\n" in result.stderr


def test_transaction_is_undone_whole_and_shown_last_change_first(
    dsn: str, orders: Connection
) -> None:
    transaction = transaction_of(orders, 4)
    epoch = value(orders, "select max(epoch) from chronicle.events")
    options = ("--transaction", transaction, "--epoch", epoch)
    result = answering("y", "revert", *options, "--dsn", dsn)
    assert result.exit_code == 0, result.stderr
    assert now(orders) == BEFORE
    shown = [line for line in result.stderr.splitlines() if " orders " in line][:3]
    assert shown == ["remove orders 4", "bring back orders 3", "change back orders 1"]


def test_transaction_of_that_number_in_another_epoch_is_not_meant(
    dsn: str, database: Database, orders: Connection
) -> None:
    transaction = transaction_of(orders, 4)
    with database.connect(database.cluster.superuser) as superuser:
        run(
            superuser,
            """
            create temporary table copy as select * from chronicle.events where transaction_id = %s;
            """.replace("%s", str(transaction)),
        )
        run(
            superuser,
            "update copy set epoch = epoch - 1, event_id = gen_random_uuid(), "
            "resource_id = '99', seq = -seq",
        )
        run(superuser, "insert into chronicle.events table copy")
    result = pgchronicle("revert", "--transaction", transaction, "--dry-run", "--dsn", dsn)
    assert result.exit_code == 0, result.stderr
    assert "orders 4" in result.stderr
    assert "orders 99" not in result.stderr


def test_nothing_is_changed_unless_one_says_yes(dsn: str, orders: Connection) -> None:
    events = value(orders, "select count(*) from chronicle.events")
    for answer in ("n", "", "maybe\nn"):
        result = answering(answer, "revert", change_of(orders, 1), "--dsn", dsn)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "nothing was changed" in result.stderr
    # Nobody is there to answer.
    result = CliRunner().invoke(main, ["revert", change_of(orders, 1), "--dsn", dsn], input="")
    assert (result.exit_code, result.stdout) == (1, "")
    assert now(orders) == AFTER
    assert value(orders, "select count(*) from chronicle.events") == events


def test_yes_does_it_at_once(dsn: str, orders: Connection) -> None:
    transaction = transaction_of(orders, 4)
    result = pgchronicle("revert", "--transaction", transaction, "--yes", "--dsn", dsn)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == "Undone. The event that says so:\n"
    assert now(orders) == BEFORE


def test_dry_run_prints_sql_that_would_do_it_and_does_nothing(dsn: str, orders: Connection) -> None:
    transaction = transaction_of(orders, 4)
    result = pgchronicle("revert", "--transaction", transaction, "--dry-run", "--dsn", dsn)
    assert result.exit_code == 0
    assert "bring back orders 3" in result.stderr
    assert now(orders) == AFTER
    said = json.loads(
        done("revert", "--transaction", transaction, "--dry-run", "--json", "--dsn", dsn)
    )
    assert said == {"event_id": None, "sql": result.stdout.removesuffix("\n")}
    assert now(orders) == AFTER
    run(orders, result.stdout)
    assert now(orders) == BEFORE


def test_history_names_the_event_that_says_that_it_was_undone(dsn: str, orders: Connection) -> None:
    revert = done("revert", change_of(orders, 1), "--yes", "--dsn", dsn).strip()
    lines = done("history", "orders", 1, "--dsn", dsn).splitlines()
    (line,) = (line for line in lines if "caused by" in line)
    assert f"  UPDATE  system installer  caused by {revert}  " in line
    assert lines.index(line) == len(lines) - 3


def test_undo_can_itself_be_undone(dsn: str, orders: Connection) -> None:
    done("revert", "--transaction", transaction_of(orders, 4), "--yes", "--dsn", dsn)
    done("revert", "--transaction", transaction_of(orders, 4), "--yes", "--dsn", dsn)
    assert now(orders) == AFTER


def test_result_as_json_names_the_event_and_the_sql(dsn: str, orders: Connection) -> None:
    event_id = change_of(orders, 1)
    said = json.loads(done("revert", event_id, "--yes", "--json", "--dsn", dsn))
    found = "select parent_event_id::text from chronicle.events where event_id = %s"
    assert value(orders, found, (said["event_id"],)) == event_id
    assert "update" in said["sql"].lower()


def test_transaction_that_changed_nothing_in_the_end_needs_no_undo(
    dsn: str, orders: Connection
) -> None:
    with orders.transaction():
        run(orders, "insert into orders values (9, 'Alan', 1)")
        run(orders, "delete from orders where id = 9")
    transaction = transaction_of(orders, 9)
    events = value(orders, "select count(*) from chronicle.events")
    for more in ((), ("--yes",), ("--dry-run",)):
        result = pgchronicle("revert", "--transaction", transaction, *more, "--dsn", dsn)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "There is nothing to undo.\n"
    said = done("revert", "--transaction", transaction, "--yes", "--json", "--dsn", dsn)
    assert json.loads(said) == {"event_id": None, "sql": None}
    assert value(orders, "select count(*) from chronicle.events") == events


def test_row_that_was_changed_since_is_refused_in_the_words_of_the_log(
    dsn: str, orders: Connection
) -> None:
    event_id = change_of(orders, 1)
    run(orders, "update orders set total = 12 where id = 1")
    for more in ((), ("--yes",), ("--dry-run",)):
        result = pgchronicle("revert", event_id, *more, "--dsn", dsn)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("error: ")
        assert "hint: " in result.stderr
    assert now(orders)[0] == (1, "Grace", 12)


def test_event_that_is_not_there_is_refused(dsn: str, orders: Connection) -> None:
    for command in (("revert", uuid.UUID(int=7)), ("revert", "--transaction", 1)):
        result = pgchronicle(*command, "--dry-run", "--dsn", dsn)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("error: ")
    assert now(orders) == AFTER


def test_what_would_be_done_may_not_change_while_one_is_asked(
    dsn: str, orders: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with orders.transaction():
        run(orders, "update orders set total = 21 where id = 2")
    event_id = change_of(orders, 2)

    def meanwhile(*_: object, **__: object) -> bool:
        run(orders, "alter table orders rename total to amount")
        return True

    monkeypatch.setattr(click, "confirm", meanwhile)
    result = pgchronicle("revert", event_id, "--dsn", dsn)
    assert (result.exit_code, result.stdout) == (1, "")
    assert values(orders, "select amount from orders where id = 2") == [21]


def test_log_is_told_who_undoes_it_and_why(dsn: str, orders: Connection) -> None:
    who = ("--actor-id", "ada", "--reason", "wrong button")
    first = done("revert", change_of(orders, 1), "--yes", *who, "--dsn", dsn)
    said = "select actor_type::text, actor_id, reason from chronicle.events where event_id = %s"
    captured = said.replace("event_id =", "parent_event_id =")
    assert row(orders, said, (first.strip(),)) == ("user", "ada", "wrong button")
    assert row(orders, captured, (first.strip(),)) == ("user", "ada", "wrong button")
    second = done("revert", change_of(orders, 4), "--yes", "--reason", "test", "--dsn", dsn)
    assert row(orders, said, (second.strip(),)) == ("system", "installer", "test")


def test_caller_without_rights_on_the_table_is_refused(
    database: Database, orders: Connection
) -> None:
    result = pgchronicle("revert", change_of(orders, 1), "--yes", "--dsn", database.dsn("auditor"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert now(orders) == AFTER


def test_terminal_shows_old_and_new_in_colour(dsn: str, orders: Connection) -> None:
    transaction = transaction_of(orders, 4)
    said = on_terminal("revert", "--transaction", transaction, "--dry-run", "--dsn", dsn)
    assert "\x1b[31m11\x1b[0m → \x1b[32m10\x1b[0m" in said
    said = on_terminal(
        "revert", "--transaction", transaction, "--dry-run", "--dsn", dsn, NO_COLOR="1"
    )
    assert "\x1b" not in said


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        (str(uuid.UUID(int=7)), "--transaction", "7"),
        (str(uuid.UUID(int=7)), "--epoch", "1"),
        ("--transaction", "7", "--dry-run", "--yes"),
        ("7",),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(dsn: str, wrong: tuple[str, ...]) -> None:
    assert pgchronicle("revert", *wrong, "--dsn", dsn).exit_code == 2
