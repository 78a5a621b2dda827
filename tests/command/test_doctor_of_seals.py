"""What ``doctor`` says of sealing: how far it is, and why no further."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ask import run, value
from command.anchoring import Signer, log_and_seal, superuser
from command.running import done, pgchronicle
from faults.standby import standby_of, wait_for_replay
from pgchronicle import Chronicle
from pgchronicle.command import _checks
from streaming import log
from support import Connection, Database


@pytest.fixture
def owner(quiet: Database) -> Connection:
    return quiet.connect(autocommit=True)


@pytest.fixture
def writer(quiet: Database) -> Connection:
    return quiet.connect("app", autocommit=True)


def said(session: Connection) -> list[tuple[Any, ...]]:
    """State, finding and fix of each finding."""
    found = _checks._seals(session)  # pyright: ignore[reportPrivateUsage]
    return [(each.state, each.finding, each.fix) for each in found]


def fine(events: int) -> list[tuple[Any, ...]]:
    return [("ok", f"{events} events sealed, and none waits for more than 10 minutes", None)]


def without_age(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The findings but for how long something has lasted, which they end with."""
    return [(state, finding.rpartition(" ")[0], fix) for state, finding, fix in found]


def test_sealing_that_keeps_up_is_fine(
    quiet: Database, owner: Connection, writer: Connection
) -> None:
    assert said(owner) == fine(0)
    log_and_seal(quiet, "a", "b")
    assert said(owner) == fine(2)
    # It takes ten minutes to be late.
    log(writer, "c")
    assert said(owner) == fine(2)
    assert said(quiet.connect("admin")) == fine(2)


def test_log_that_nobody_seals_is_a_warning_and_mended(
    quiet: Database, owner: Connection, writer: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_checks, "_PATIENCE", timedelta(0))
    seal = "pgchronicle seal --every 10"
    log(writer, "a")
    assert said(owner) == [
        ("warning", "the log was never sealed: who changes it is not found", seal)
    ]
    done("seal", "--dsn", quiet.dsn("admin"))
    log(writer, "b")
    assert without_age(said(owner)) == [("warning", "nobody seals: events wait for it since", seal)]
    done("seal", "--dsn", quiet.dsn("admin"))
    assert [state for state, *_ in said(owner)] == ["ok"]


@pytest.mark.parametrize("is_prepared", [False, True], ids=["open", "prepared"])
def test_who_holds_sealing_back_is_named_and_how_to_end_it(
    quiet: Database,
    owner: Connection,
    writer: Connection,
    monkeypatch: pytest.MonkeyPatch,
    is_prepared: bool,
) -> None:
    log_and_seal(quiet, "a")
    slow = quiet.connect("app")
    log(slow, "slow")
    if is_prepared:
        run(slow, """prepare transaction 'a "b" %'""")
        holder, fix = (
            'prepared transaction "a "b" %"',
            f"""commit prepared 'a "b" %';  -- or rollback, in {quiet.name}""",
        )
    else:
        pid = slow.info.backend_pid
        holder, fix = f"pid {pid}", f"select pg_terminate_backend({pid});"
    log(writer, "b")
    monkeypatch.setattr(_checks, "_PATIENCE", timedelta(0))
    assert without_age(said(owner)) == [
        ("warning", f"{holder} holds back what is to be sealed, for", fix)
    ]


def test_log_of_another_server_is_critical_and_mended(quiet: Database, owner: Connection) -> None:
    log_and_seal(quiet, "a")
    run(superuser(quiet), "update chronicle.epochs set system_identifier = 1")
    (found,) = said(owner)
    assert found[:2] == ("critical", "nothing is sealed: the log comes from another server")
    run(owner, found[2])
    assert [state for state, *_ in said(owner)] == ["ok"]


def test_sequence_that_a_copy_was_left_without_is_critical_and_mended(
    quiet: Database, owner: Connection
) -> None:
    log_and_seal(quiet, "a", "b", "c")
    greatest = value(owner, "select max(max_seq) from chronicle.seal_batches")
    session = superuser(quiet)
    run(session, "select setval('chronicle.events_seq', 1)")
    (found, fine_else) = said(session)
    assert found[:2] == (
        "critical",
        f"chronicle.events_seq stands at 1, behind the sealed {greatest}",
    )
    assert fine_else == fine(3)[0]
    run(owner, found[2])
    run(owner, "reset role")
    assert said(session) == fine(3)


def test_erasure_where_it_is_enabled_is_no_side_door(quiet: Database, owner: Connection) -> None:
    Chronicle(owner).enable_erasure()
    found = _checks._guards(owner)  # pyright: ignore[reportPrivateUsage]
    assert [each.state for each in found] == ["ok"]
    run(superuser(quiet), "grant update on chronicle.events to chronicle_eraser")
    found = _checks._guards(owner)  # pyright: ignore[reportPrivateUsage]
    assert "chronicle_eraser has UPDATE on chronicle.events" in {each.finding for each in found}


def test_standby_is_verified_and_sealed_by_its_primary(
    quiet: Database, owner: Connection, tmp_path: Path
) -> None:
    log_and_seal(quiet, "a", "b")
    signer = Signer(tmp_path, quiet.dsn("reader_a"))
    signer.make_key()
    note = signer.sign("kept.note")
    with standby_of(quiet.cluster) as cluster:
        standby = Database(cluster, quiet.name)
        session = standby.connect(autocommit=True)
        wait_for_replay(owner, session)
        assert said(session) == [("ok", "the primary seals, not this standby", None)]
        result = pgchronicle(
            *("verify", "--note", note, "--key", signer.key, "--dsn", standby.dsn("auditor"))
        )
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr.startswith("2 events in 1 batch, ")
        result = pgchronicle("seal", "--dsn", standby.dsn("admin"))
        assert (result.exit_code, result.stderr) == (
            1,
            "error: nothing is sealed: the server is a standby\nhint: Seal on the primary.\n",
        )
        standby.close()
