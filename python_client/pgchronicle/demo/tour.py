"""The demo from end to end: prepare, work, and show what the log holds."""

import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import psycopg
from psycopg import errors, sql

from pgchronicle import _output, _words
from pgchronicle.client import Chronicle
from pgchronicle.demo import cluster
from pgchronicle.demo.bank import (
    ACCOUNTS_A_BRANCH,
    ADMINISTRATOR,
    APPLICATION,
    BRANCHES,
    Bank,
    open_bank,
)
from pgchronicle.demo.workload import ACCOUNT, Workload, run_workload
from pgchronicle.models import RowChange
from pgchronicle.seals.checkpoints import Checkpoint
from pgchronicle.seals.notes import SigningKey
from pgchronicle.seals.proofs import make_proof, verify_proof
from pgchronicle.seals.signer import CheckpointSigner
from pgchronicle.signing import ContextSigner

_QUERIES = (
    "select occurred_at, actor_id, action, resource_id from events order by seq desc limit 10;",
    "select action, old_values, new_values, actor_id from row_changes\n"
    "  where table_name = 'pgbench_accounts' and record_id = '4711' order by seq;",
    "select transaction_id, array_agg(action order by seq) from events\n"
    "  group by transaction_id order by transaction_id desc limit 5;",
)

_EDIT = "update chronicle.events set actor_id = 'nobody' where actor_id = 'ada'"

_TAMPER = """\
alter table chronicle.events disable trigger user;
update chronicle.events set details_after = details_after || '{{"delta": 1}}'
where event_id = {event_id};
alter table chronicle.events
    enable always trigger events_reject_change, enable always trigger events_reject_row_change,
    enable always trigger events_reject_update, enable always trigger events_check_erasure;"""


def run(*, seconds: int, clients: int) -> None:
    """Runs the demo and prints it; the server goes on.

    Args:
        seconds: how long pgbench works.
        clients: from how many sessions.
    """
    began = time.monotonic()
    _say("An audit log at work", heading=True)
    server = cluster.server().start()
    version = f"{server.version // 10000}.{server.version % 10000}"
    _say(f"PostgreSQL {version} runs in {cluster.datadir()}")
    bank = open_bank(server)
    _say(f"{bank.migrations} migrations applied by {cluster.OWNER}, who is no superuser")
    accounts = BRANCHES * ACCOUNTS_A_BRANCH
    _say(f"{accounts:,} accounts at {BRANCHES} branches, made by pgbench; its 4 tables are tracked")
    _say(f"pgbench works from {clients} sessions for {seconds} s, an application beside it ...")
    work = run_workload(bank, seconds=seconds, clients=clients)

    with bank.connect(cluster.OWNER, autocommit=True) as auditor:
        _show_who(auditor)
        _show_account(auditor)
        _show_access(bank, auditor)
        _show_proof(bank, auditor)
        _show_refusal(bank)
        _show_tampering(bank, auditor)
        _show_rate(auditor, work)
    _show_what_next()
    _say(f"\nThe demo took {time.monotonic() - began:.0f} s.")


def _show_who(auditor: psycopg.Connection) -> None:
    _say("What was recorded, and by whom", heading=True)
    rows = auditor.execute(
        """
        select
            e.origin::text,
            e.action || case e.status when 'failure' then ' (failed)' else '' end,
            concat_ws(' ', e.actor_type, e.actor_id),
            coalesce(string_agg(distinct e.organization_id, ', '), '(the system)'),
            to_char(count(*), 'FM999,999,999')
        from chronicle.events as e
        where e.resource_type not like 'chronicle.%'
        group by e.origin, e.action, e.status, e.actor_type, e.actor_id
        order by count(*) desc
        """
    ).fetchall()
    _table(("origin", "action", "actor", "branches", "events"), rows)
    _say(
        "pgbench says nothing about who acts, so its changes carry the role that logged in. The\n"
        "application says it once a transaction, and the changes that it makes carry it as well.\n"
        "A transfer of 0 changes no balance, and what changes nothing is no event."
    )


def _show_account(auditor: psycopg.Connection) -> None:
    _say(f"Account {ACCOUNT}, its last changes", heading=True)
    page = Chronicle(auditor).row_changes(table="pgbench_accounts", record_id=ACCOUNT, limit=3)
    for change in page.row_changes:
        _print_change(change)


def _print_change(change: RowChange) -> None:
    time_of_day = change.occurred_at.time().isoformat("milliseconds")
    reason = f'"{change.reason}"' if change.reason else ""
    line = f"{time_of_day}  {_words.actor(change)}  {change.action}  {reason}".rstrip()
    if not _output.is_terminal():
        _say(line)
        for sign, text in _words.diff(change.old_values, change.new_values):
            _say(f"  {sign} {text}")
        return
    from rich.text import Text

    out = _output.console()
    out.print(Text(line))
    for difference in _words.changes(change.old_values, change.new_values):
        out.print(difference, soft_wrap=True)


def _show_access(bank: Bank, auditor: psycopg.Connection) -> None:
    _say("Who sees how much of it", heading=True)
    query = """
        select organization_id, count(*) from chronicle.events
        group by organization_id order by organization_id
        """
    everything = auditor.execute(query).fetchall()
    with bank.connect(ADMINISTRATOR) as session:
        their_own: dict[str | None, int] = dict(session.execute(query).fetchall())
    _table(
        ("branch", "an auditor", "the administrator of branch 1"),
        [
            (organization or "(the system)", f"{n:,}", f"{their_own.get(organization, 0):,}")
            for organization, n in everything
        ],
    )
    _say("The same query in both columns; row-level security answers it.")


def _show_proof(bank: Bank, auditor: psycopg.Connection) -> None:
    _say("Three sessions say that they are ada", heading=True)
    log = Chronicle(auditor)
    signer = ContextSigner("demo", log.add_context_key("demo"))
    with (
        bank.connect(APPLICATION) as session,
        Chronicle(session, signer=signer).context(actor_type="user", actor_id="ada"),
    ):
        _change_an_account(session)
        copied = session.execute("select current_setting('chronicle.context')").fetchone()
    with bank.connect(APPLICATION) as session:
        session.execute("select chronicle.set_context('ada', 'user')")
        _change_an_account(session)
    with bank.connect(APPLICATION) as session:
        session.execute("select set_config('chronicle.context', %s, true)", copied)
        _change_an_account(session)

    how = (
        "a token, signed for that transaction",
        "set_context, which any session can call",
        "what the first session had, copied",
    )
    page = log.row_changes(table="pgbench_accounts", record_id=ACCOUNT, limit=len(how))
    _table(
        ("how", "the log says", "which is"),
        [
            (way, _words.actor(change), change.context_state)
            for way, change in zip(how, reversed(page.row_changes), strict=True)
        ],
    )
    _say("Row-level security goes by actors that are verified, and by database roles.")


def _change_an_account(session: psycopg.Connection) -> None:
    session.execute(
        "update pgbench_accounts set abalance = abalance + 1 where aid = %s", (ACCOUNT,)
    )


def _show_refusal(bank: Bank) -> None:
    _say("The owner of the log tries to edit it", heading=True)
    _code(f"set role chronicle_owner;\n{_EDIT};")
    with bank.connect(cluster.OWNER) as owner:
        owner.execute("set role chronicle_owner")
        try:
            owner.execute(_EDIT.encode())
        except errors.DatabaseError as error:
            _error("ERROR", error.diag.message_primary)
            _error("DETAIL", error.diag.message_detail)
            _error("HINT", error.diag.message_hint)
        else:
            raise AssertionError("the log has let itself be edited")


def _show_tampering(bank: Bank, auditor: psycopg.Connection) -> None:
    _say("A superuser does edit it, past the triggers", heading=True)
    log = Chronicle(auditor)
    sealed = sum(iter(log.seal_events, 0))
    event_id, amount = _largest_transfer(auditor)
    with TemporaryDirectory() as directory:
        key = SigningKey.generate("demo.example/bank")
        note = CheckpointSigner(key, Path(directory) / "state").sign(log, first=True)
    size = Checkpoint.from_note(note, key.verifier).size
    proof = make_proof(log.inclusion_proof(event_id, size), note)
    _say(f"Before that, {sealed:,} events are sealed, and the seal is signed outside the database:")
    _code(note.replace("\n\n", "\n").rstrip())

    edit = sql.SQL(_TAMPER).format(event_id=sql.Literal(event_id)).as_string()
    _say(f"Then the largest transfer, of {amount:,}, is made a small one:")
    _code(edit)
    with psycopg.connect(bank.server.dsn(cluster.DATABASE), autocommit=True) as superuser:
        superuser.execute(edit.encode())

    _say("No trigger fired, and no event tells of it. What verify says now:")
    for finding in log.verify_log():
        _error(finding.kind, finding.detail)
    then = verify_proof(proof, key.verifier).payload
    if then is None:
        raise AssertionError("the proof holds no payload")
    _say("The proof of that event, from before, holds without any database, and says what it was:")
    _code(str(then["details_after"]))


def _largest_transfer(auditor: psycopg.Connection) -> tuple[str, int]:
    row = auditor.execute(
        """
        select e.event_id::text, (e.details_after ->> 'delta')::integer as delta
        from chronicle.events as e
        where e.resource_type = 'transfer'
            and e.origin = 'captured'
            -- A vacuum may hold back what comes last.
            and (e.transaction_id, e.seq) <= (
                select b.to_transaction_id, b.to_seq
                from chronicle.seal_batches as b
                order by b.to_transaction_id desc, b.to_seq desc limit 1
            )
        order by delta desc, e.event_id limit 1
        """
    ).fetchone()
    if row is None:
        raise AssertionError("pgbench has done nothing")
    return row[0], row[1]


def _show_rate(auditor: psycopg.Connection, work: Workload) -> None:
    _say("How fast", heading=True)
    row = auditor.execute(
        "select count(*) from chronicle.events where resource_type not like 'chronicle.%'"
    ).fetchone()
    events = row[0] if row else 0
    _say(
        f"{events / work.seconds:,.0f} events a second: {events:,} events, with "
        f"{work.transactions:,} transactions of pgbench in {work.seconds:.1f} s"
    )


def _show_what_next() -> None:
    _say("Look around", heading=True)
    command = "pgchronicle" if shutil.which("pgchronicle") else shlex.quote(sys.argv[0])
    _say("The server goes on running. To connect, and three things to ask:")
    _code(f"{command} psql")
    for query in _QUERIES:
        _code(query)
    _say("Or, without SQL:")
    _code(f"{command} events --actor-type ai --limit 5")
    _code(f"{command} history pgbench_accounts {ACCOUNT} --limit 3")
    _code(f"{command} as-of pgbench_branches --at 1s\n{command} doctor")
    _code(f"{command} tail -n 5\n{command} export --format ocsf | head -n 1")
    _code(f"{command} verify")
    _say("To stop the server and remove what it kept:")
    _code(f"{command} demo --stop")


# Printing


def _say(text: str, *, heading: bool = False) -> None:
    if heading:
        click.echo()
        click.secho(text, bold=True)
        click.echo("-" * len(text))
    else:
        click.echo(text)


def _code(text: str) -> None:
    click.secho("\n".join(f"    {line}" for line in text.splitlines()), fg="cyan")


def _error(label: str, text: str | None) -> None:
    if text:
        click.secho(f"    {label}: ", fg="red", nl=False)
        click.echo(_output.clean(text))


def _table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    if _output.is_terminal():
        _output.print_table(headings, rows)
        return
    # For a person too, who may be reading a file: columns rather than tabs.
    texts = [[_output.clean(value) for value in row] for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for line in texts:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
