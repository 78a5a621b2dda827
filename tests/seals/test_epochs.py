"""A log that has come to another server is sealed there without a gap, once that is declared."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from ask import refusal, row, rows, run, sqlstate, value, values
from capturing import track
from pgchronicle.seals.proofs import make_proof, verify_proof
from seals.copying import dump, next_transaction_id, pass_transaction_ids, restore
from seals.intrusion import alterations, altering, disarm
from seals.sealed_log import details, findings, log_pages, seal, unsealed
from streaming import Consumer, log, migrated_database, quiet_cluster, take_id
from support import INSTALLER, Cluster, Connection, Database, lent

MOVED = "select chronicle.begin_epoch('restored from the dump of the old server')"

WIDE = 3000
"""How many transaction ids of the old server lie between the beginning of its log and its end."""


@pytest.fixture(scope="module")
def old(database_names: Iterator[str]) -> Iterator[Database]:
    """A log on a server that is about to be given up."""
    with quiet_cluster() as cluster:
        yield from migrated_database(cluster, next(database_names))


@pytest.fixture(scope="module")
def new() -> Iterator[Cluster]:
    """The server that comes after it."""
    with quiet_cluster() as cluster:
        yield cluster


@dataclass(frozen=True, slots=True)
class Moved:
    """A log that was dumped on one server, and is on another one now."""

    cluster: Cluster
    template: str
    with_low_numbers: str
    """Another log, whose transaction ids are below those that the new server gives."""
    with_high_numbers: str
    """And one whose transaction ids are above those."""
    checkpoints: tuple[str, ...]
    """Of each size that the log had on the old server; of the last, what was given out."""
    cursors: tuple[str | None, ...]
    """Where consumers of the stream stood: at the beginning, amid, and at the end."""
    given: tuple[frozenset[UUID], ...]
    """What each of them had got."""
    from_id: int
    to_id: int
    """The first and the last transaction id that is sealed."""


@pytest.fixture(scope="module")
def moved(old: Database, new: Cluster, database_names: Iterator[str]) -> Moved:
    """The log is sealed in three months and five batches. One transaction began before the last of
    them, with a lower seq, and was committed after; others have come that were not sealed."""
    with_low_numbers = small_log(old.cluster, next(database_names))
    owner = old.connect(autocommit=True)
    auditor = old.connect("auditor", autocommit=True)
    owner.execute("create table public.item (id integer primary key, version integer)")
    owner.execute("grant all on public.item to app")
    track(owner)
    log_pages(owner, 1, 5)
    seal(owner)
    run(owner, LOG_OF, ("2026-05-05T00:00:00Z", "may"))
    run(owner, "insert into public.item values (1, 0), (2, 0)")
    seal(owner)
    consumer = Consumer(auditor)
    cursors: list[str | None] = [None]
    given = [frozenset[UUID]()]
    came = {each.event_id for each in consumer.drain()}
    cursors.append(consumer.cursor)
    given.append(frozenset(came))

    for page in (6, 7):
        log_pages(owner, page, page)
        run(owner, LOG_OF, (f"2026-05-0{page}T00:00:00Z", "may"))
        pass_transaction_ids(owner, next_transaction_id(owner) + WIDE // 2)
    log_pages(owner, 8, 8)
    run(owner, LOG_OF, ("2026-05-08T00:00:00Z", "may"))
    with closing(old.connect("app")) as late:
        log(late, "late, with an early seq")
        log_pages(owner, 9, 10)
        run(owner, LOG_OF, ("2026-06-06T00:00:00Z", "june"))
        seal(owner)
        sealed = row(
            owner,
            "select min(from_transaction_id), max(to_transaction_id) from chronicle.seal_batches",
        )
        late.commit()
    came |= {each.event_id for each in consumer.drain()}
    cursors.append(consumer.cursor)
    given.append(frozenset(came))
    # What nobody has sealed or been given.
    log_pages(owner, 11, 13)
    run(owner, "update public.item set version = 1")

    size = value(owner, "select count(*) from chronicle.seal_batches")
    checkpoints = tuple(
        value(owner, "select chronicle.checkpoint(%s)", (each,)) for each in range(size + 1)
    )
    with_high_numbers = small_log(old.cluster, next(database_names))
    with closing(Database(new, "postgres").connect(new.superuser, autocommit=True)) as superuser:
        pass_transaction_ids(superuser, sealed[0] + 100)
    return Moved(
        new,
        template=make_template_of(old, new),
        with_low_numbers=make_template_of(with_low_numbers, new),
        with_high_numbers=make_template_of(with_high_numbers, new),
        checkpoints=checkpoints,
        cursors=tuple(cursors),
        given=tuple(given),
        from_id=sealed[0],
        to_id=sealed[1],
    )


def small_log(cluster: Cluster, name: str) -> Database:
    """A log of some pages, not all of them sealed, in a database that stays."""
    database = next(migrated_database(cluster, name))
    with closing(database.connect(autocommit=True)) as owner:
        log_pages(owner, 1, 5)
        seal(owner)
        log_pages(owner, 6, 7)
    return database


def make_template_of(database: Database, cluster: Cluster) -> str:
    """Restores a dump of a database on another server, to be cloned there."""
    cluster.execute("create database {} owner {}", database.name, INSTALLER)
    restore(Database(cluster, database.name), dump(database))
    cluster.execute("alter database {} allow_connections false", database.name)
    return database.name


LOG_OF = """
    select chronicle.log_audit_event(
        _actor_type => 'user', _action_type => 'read', _resource_type => 'page',
        _occurred_at => %s, _resource_id => %s::text
    )
"""


def cloned(cluster: Cluster, template: str, name: str) -> Iterator[Database]:
    """A database like another one; what a fixture yields from."""
    cluster.execute("create database {} owner {} template {}", name, INSTALLER, template)
    yield from lent(Database(cluster, name))


@pytest.fixture
def copy(moved: Moved, database_names: Iterator[str]) -> Iterator[Database]:
    """The log on the new server."""
    yield from cloned(moved.cluster, moved.template, next(database_names))


@pytest.fixture
def owner(copy: Database) -> Connection:
    """The installer's session there."""
    return copy.connect(autocommit=True)


def is_amid(session: Connection) -> bool:
    """Whether transactions here get numbers that lie within batches of two months: or a test shows
    less than it says."""
    within: int = value(
        session,
        """
        select count(*) from chronicle.seal_batches as b
        where pg_snapshot_xmax(pg_current_snapshot())::text::bigint
            between b.from_transaction_id and b.to_transaction_id - 100
        """,
    )
    return within == 2


def auditing(copy: Database) -> Connection:
    """An auditor's session."""
    return copy.connect("auditor", autocommit=True)


def check_all_is_sealed(session: Connection, checkpoints: tuple[str, ...] = ()) -> None:
    """Every event is in one batch, the log is in order, and as it was in what was given out."""
    assert unsealed(session) == []
    assert details(session) == []
    for size, checkpoint in enumerate(checkpoints):
        assert value(session, "select chronicle.checkpoint(%s)", (size,)) == checkpoint
    assert value(session, "select chronicle.seal_events()") == 0
    for event_id in values(session, "select event_id from chronicle.events"):
        proof = value(session, "select chronicle.inclusion_proof(%s)", (event_id,))
        assert verify_proof(make_proof(proof)).event["event_id"] == str(event_id)


# Before it is declared.


def test_a_log_from_another_server_is_not_sealed(owner: Connection) -> None:
    log_pages(owner, 1, 1)
    refused = refusal(owner, "select chronicle.seal_events()")
    assert (refused.sqlstate, refused.message) == (
        "55000",
        "nothing is sealed: the log comes from another server",
    )
    assert refused.hint is not None
    assert "chronicle.begin_epoch(" in refused.hint
    assert value(owner, "select problem from chronicle.seal_status") is not None


def test_the_application_goes_on_writing(copy: Database) -> None:
    app = copy.connect("app", autocommit=True)
    assert is_amid(auditing(copy))
    log(app, "here")
    app.execute("update public.item set version = 2 where id = 1")
    found = rows(
        copy.connect(autocommit=True),
        """
        select action, epoch from chronicle.events
        where seq > (select max(max_seq) from chronicle.seal_batches)
            and transaction_id < (select max(to_transaction_id) from chronicle.seal_batches)
        order by seq
        """,
    )
    assert found == [("page.read", 1), ("item.update", 1)]


def test_what_a_copy_writes_before_it_is_declared_is_no_finding(
    copy: Database, owner: Connection
) -> None:
    app = copy.connect("app", autocommit=True)
    assert is_amid(auditing(copy))
    log(app, "here")
    assert details(owner) == []


def test_a_log_that_was_changed_on_its_way_is_found_before_it_is_declared(
    copy: Database, owner: Connection
) -> None:
    with closing(copy.connect(copy.cluster.superuser, autocommit=True)) as superuser:
        disarm(superuser)
        (victim,) = values(
            superuser,
            "update chronicle.events set actor_id = 'x' where seq = 3 returning event_id",
        )
    assert rows(owner, "select kind, event_id from chronicle.verify_log()") == [
        ("event_differs", victim)
    ]


# Declaring it.


def test_a_new_epoch_needs_a_reason(owner: Connection) -> None:
    assert [
        sqlstate(owner, "select chronicle.begin_epoch(%s)", (reason,)) for reason in ("", "  ")
    ] == ["22023"] * 2
    assert sqlstate(owner, "select chronicle.begin_epoch(null)") in {"22004", "22023"}
    assert value(owner, "select max(epoch) from chronicle.epochs") == 1


@pytest.mark.parametrize("user", ["app", "reader_a", "auditor", "stranger"])
def test_a_new_epoch_is_for_administrators_of_the_log(copy: Database, user: str) -> None:
    session = copy.connect(user, autocommit=True)
    assert sqlstate(session, MOVED) == "42501"


def test_an_administrator_of_the_log_declares_it(copy: Database) -> None:
    admin = copy.connect("admin", autocommit=True)
    assert value(admin, MOVED) == 2
    assert value(admin, "select problem from chronicle.seal_status") is None


def test_a_new_epoch_is_an_event_of_its_own(owner: Connection) -> None:
    run(owner, "select chronicle.set_context(_actor_id => 'ada', _actor_type => 'user')")
    with owner.transaction():
        run(owner, "select chronicle.set_context(_actor_id => 'ada', _actor_type => 'user')")
        run(owner, MOVED)
    (told,) = rows(
        owner,
        """
        select epoch, actor_id, db_user, resource_id, details_after
        from chronicle.events where action like 'chronicle.%' order by seq desc limit 1
        """,
    )
    assert told[:4] == (2, "ada", INSTALLER, "2")
    assert "restored from the dump of the old server" in str(told[4])


def test_what_is_written_in_a_new_epoch_belongs_to_it(copy: Database, owner: Connection) -> None:
    """In sessions too that have written before, and in transactions that are open."""
    app = copy.connect("app", autocommit=True)
    waiting = copy.connect("app")
    for number in range(7):
        # Often enough for its plans to be kept.
        log(app, f"before {number}")
        run(app, "update public.item set version = version + 1")
    assert value(waiting, "select count(*) from public.item") == 2
    assert value(owner, MOVED) == 2
    for session in (app, waiting, copy.connect("app")):
        log(session, "after")
        run(session, "update public.item set version = version + 1")
        session.commit()
    assert rows(
        owner,
        """
        select action, epoch, count(*) from chronicle.events
        where seq > (
            select seq from chronicle.events where epoch = 2 order by seq limit 1
        )
        group by 1, 2 order by 1
        """,
    ) == [("item.update", 2, 6), ("page.read", 2, 3)]
    seal(owner)
    check_all_is_sealed(owner)


def be_impatient(database: Database) -> None:
    """Lets begin_epoch wait for locks for a shorter time than it does."""
    with closing(database.connect(database.cluster.superuser, autocommit=True)) as superuser:
        timeout = "alter function chronicle.begin_epoch(text) set lock_timeout = '50ms'"
        superuser.execute(timeout)


def test_a_new_epoch_waits_for_nobody_for_ever(copy: Database, owner: Connection) -> None:
    """A transaction that has written might write on under the old epoch."""
    assert "lock_timeout=3s" in value(
        owner, "select proconfig from pg_proc where proname = 'begin_epoch'"
    )
    be_impatient(copy)
    busy = copy.connect("app")
    log(busy, "under way")
    assert sqlstate(owner, MOVED) == "55P03"
    assert value(owner, "select max(epoch) from chronicle.epochs") == 1
    log(busy, "goes on")
    busy.commit()
    assert value(owner, MOVED) == 2
    seal(owner)
    check_all_is_sealed(owner)


def test_writers_wait_while_an_epoch_begins_and_write_in_the_new_one(
    copy: Database, owner: Connection
) -> None:
    declaring = copy.connect()
    app = copy.connect("app", autocommit=True)
    log(app, "before")
    assert value(declaring, MOVED) == 2
    app.execute("set lock_timeout = '1ms'")
    with pytest.raises(Exception, match="lock timeout"):
        log(app, "meanwhile")
    app.execute("reset lock_timeout")
    declaring.commit()
    log(app, "after")
    assert value(owner, "select epoch from chronicle.events order by seq desc limit 1") == 2
    seal(owner)
    check_all_is_sealed(owner)


def test_an_epoch_that_is_rolled_back_never_was(
    copy: Database, owner: Connection, moved: Moved
) -> None:
    with closing(copy.connect()) as declaring:
        value(declaring, MOVED)
        declaring.rollback()
    log_pages(owner, 20, 20)
    assert value(owner, "select max(epoch) from chronicle.events") == 1
    assert sqlstate(owner, "select chronicle.seal_events()") == "55000"
    assert value(owner, MOVED) == 2
    seal(owner)
    check_all_is_sealed(owner, moved.checkpoints)


# Nothing stays unsealed.


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100_000])
def test_nothing_stays_unsealed(
    copy: Database, owner: Connection, moved: Moved, limit: int
) -> None:
    """Not what the old server had not sealed, nor what the copy wrote under numbers that are
    sealed, nor what comes later; and what was sealed stays as it was."""
    assert unsealed(owner), "all was sealed on the old server"
    app = copy.connect("app", autocommit=True)
    assert is_amid(auditing(copy))
    log(app, "here")
    run(app, LOG_OF, ("2026-05-06T00:00:00Z", "here, in may"))
    run(app, LOG_OF, ("2024-01-01T00:00:00Z", "here, in a month without events"))
    app.execute("update public.item set version = 2")
    assert is_amid(auditing(copy))
    assert value(owner, MOVED) == 2
    log(app, "after")
    run(app, LOG_OF, ("2026-05-07T00:00:00Z", "after, in may"))
    app.execute("delete from public.item")
    assert len(unsealed(owner)) == seal(owner, limit)
    check_all_is_sealed(owner, moved.checkpoints)
    assert values(owner, "select distinct epoch from chronicle.seal_batches where is_late") == [1]
    log(app, "later")
    assert seal(owner, limit) == 1
    check_all_is_sealed(owner, moved.checkpoints)


@pytest.mark.parametrize("is_ahead", [True, False], ids=["ahead", "behind"])
def test_a_server_whose_numbers_are_elsewhere_leaves_nothing_unsealed(
    moved: Moved, database_names: Iterator[str], is_ahead: bool
) -> None:
    """Behind the numbers of the log are those of a server that is new; ahead, of an older one."""
    template = moved.with_low_numbers if is_ahead else moved.with_high_numbers
    for database in cloned(moved.cluster, template, next(database_names)):
        owner = database.connect(autocommit=True)
        first, last = row(
            owner, "select min(transaction_id), max(transaction_id) from chronicle.events"
        )
        here = next_transaction_id(owner)
        assert here > last if is_ahead else here < first
        checkpoint = value(owner, "select chronicle.checkpoint()")
        size = value(owner, "select count(*) from chronicle.seal_batches")
        log_pages(owner, 20, 22)
        assert details(owner) == []
        assert value(owner, MOVED) == 2
        log_pages(owner, 23, 24)
        assert len(unsealed(owner)) == seal(owner, 2)
        check_all_is_sealed(owner)
        assert value(owner, "select chronicle.checkpoint(%s)", (size,)) == checkpoint


def test_epochs_that_were_never_sealed_are_sealed_in_the_end(
    copy: Database, owner: Connection, moved: Moved
) -> None:
    app = copy.connect("app", autocommit=True)
    for epoch in (2, 3, 4):
        log(app, f"before epoch {epoch}")
        assert value(owner, MOVED) == epoch
        log(app, f"in epoch {epoch}")
    assert len(unsealed(owner)) == seal(owner, 2)
    check_all_is_sealed(owner, moved.checkpoints)


def test_a_log_that_moves_twice_is_sealed_through(
    copy: Database, owner: Connection, moved: Moved
) -> None:
    app = copy.connect("app", autocommit=True)
    log(app, "on the second server")
    assert value(owner, MOVED) == 2
    log(app, "sealed there")
    seal(owner)
    log(app, "not sealed there")
    with copy.connect(copy.cluster.superuser, autocommit=True) as superuser:
        superuser.execute("alter table chronicle.epochs disable trigger all")
        superuser.execute("update chronicle.epochs set system_identifier = 2 where epoch = 2")
    assert sqlstate(owner, "select chronicle.seal_events()") == "55000"
    log(app, "on the third server")
    assert value(owner, MOVED) == 3
    log(app, "sealed on the third server")
    seal(owner, 1)
    assert unsealed(owner) == []
    for size, checkpoint in enumerate(moved.checkpoints):
        assert value(owner, "select chronicle.checkpoint(%s)", (size,)) == checkpoint


def test_late_batches_are_checked_like_others(copy: Database, owner: Connection) -> None:
    app = copy.connect("app", autocommit=True)
    event_id = log(app, "here")
    log(app, "here too")
    value(owner, MOVED)
    seal(owner)
    (late,) = values(owner, "select batch_number from chronicle.seal_batches where is_late")
    with closing(copy.connect(copy.cluster.superuser, autocommit=True)) as superuser:
        disarm(superuser)
        for attack, found in (
            ("update chronicle.events set actor_id = 'x'", ("event_differs", late, event_id)),
            ("delete from chronicle.events", ("events_missing", late, None)),
        ):
            with superuser.transaction(force_rollback=True):
                assert run(superuser, f"{attack} where event_id = '{event_id}'").rowcount == 1
                assert rows(
                    superuser, "select kind, batch_number, event_id from chronicle.verify_log()"
                ) == [found]


@pytest.mark.parametrize("is_declared", [False, True])
def test_what_is_slipped_in_before_a_copy_is_sealed_is_found(
    copy: Database, owner: Connection, is_declared: bool
) -> None:
    """What the copy itself wrote has a seq that is greater than any that was sealed."""
    log_pages(owner, 30, 31)
    if is_declared:
        value(owner, MOVED)
    with closing(copy.connect(copy.cluster.superuser, autocommit=True)) as superuser:
        disarm(superuser)
        for number, place in (("1", "-1"), ("1", "2"), ("first", "-1"), ("last", "0")):
            with superuser.transaction(force_rollback=True):
                (forged,) = values(
                    superuser,
                    """
                    insert into chronicle.events (
                        epoch, transaction_id, seq, actor_type, context_state, origin,
                        action_type, action, resource_type
                    )
                    select
                        1,
                        case %(number)s
                            when 'first' then min(b.from_transaction_id)
                            when 'last' then max(b.to_transaction_id)
                            else 1
                        end,
                        %(place)s, 'system', 'absent', 'logged', 'read', 'page.read', 'page'
                    from chronicle.seal_batches as b
                    returning event_id
                    """,
                    {"number": number, "place": int(place)},
                )
                assert findings(superuser) == [("event_unsealed", None, forged)]


@pytest.mark.parametrize("is_copy", [True, False], ids=["on a copy", "on the same server"])
def test_nothing_can_be_put_into_an_epoch_that_is_over(
    copy: Database, owner: Connection, is_copy: bool
) -> None:
    """Neither within what it sealed, nor before, nor behind its end."""
    for reason in ("moved",) if is_copy else ("moved", "once more"):
        value(owner, "select chronicle.begin_epoch(%s)", (reason,))
        log_pages(owner, 30, 31)
    seal(owner)
    closed = value(owner, "select max(epoch) - 1 from chronicle.epochs")
    with closing(copy.connect(copy.cluster.superuser, autocommit=True)) as superuser:
        disarm(superuser)
        for number, place in product(("1", "2", "4000", "900000000"), ("1", "100000000")):
            with superuser.transaction(force_rollback=True):
                (forged,) = values(
                    superuser,
                    """
                    insert into chronicle.events (
                        epoch, transaction_id, seq, actor_type, context_state, origin,
                        action_type, action, resource_type
                    )
                    values (%s, %s, %s, 'system', 'absent', 'logged', 'read', 'page.read', 'page')
                    returning event_id
                    """,
                    (closed, number, place),
                )
                assert findings(superuser) == [("event_unsealed", None, forged)]


def test_nothing_of_a_new_epoch_can_be_altered_unseen(copy: Database, owner: Connection) -> None:
    value(owner, MOVED)
    seal(owner)
    unseen: list[str] = []
    with closing(copy.connect(copy.cluster.superuser, autocommit=True)) as superuser:
        disarm(superuser)
        for column, altered in alterations(superuser, "epochs"):
            statement = altering("epochs", column, altered, "epoch = 2")
            if altered == "epoch - 1":
                # That is taken.
                continue
            with superuser.transaction(force_rollback=True):
                if run(superuser, statement).rowcount and not findings(superuser):
                    unseen.append(statement)
        with superuser.transaction(force_rollback=True):
            run(superuser, "delete from chronicle.epochs where epoch = 2")
            assert findings(superuser)
    assert unseen == []


# The stream.


@pytest.mark.parametrize("place", [0, 1, 2], ids=["beginning", "amid", "end"])
@pytest.mark.parametrize("is_written_before", [True, False])
def test_a_consumer_who_comes_from_the_old_server_loses_nothing(
    copy: Database, owner: Connection, moved: Moved, place: int, is_written_before: bool
) -> None:
    """What it gets twice, it can tell by event_id."""
    app = copy.connect("app", autocommit=True)
    if is_written_before:
        log(app, "here")
        app.execute("update public.item set version = 2")
    value(owner, MOVED)
    log(app, "after")
    app.execute("update public.item set version = 3")
    consumer = Consumer(
        copy.connect("auditor", autocommit=True), limit=3, cursor=moved.cursors[place]
    )
    came = [each.event_id for each in consumer.drain()]
    assert len(came) == len(set(came))
    everything = set(values(owner, "select event_id from chronicle.events"))
    lost = everything - set(came) - moved.given[place]
    assert (
        rows(
            owner,
            "select epoch, transaction_id, seq, action, resource_id from chronicle.events "
            "where event_id = any(%s)",
            (list(lost),),
        )
        == []
    )


def test_the_stream_goes_on_over_a_new_epoch_of_the_same_server(
    old: Database, moved: Moved
) -> None:
    owner = old.connect(autocommit=True)
    app = old.connect("app", autocommit=True)
    consumer = Consumer(old.connect("auditor", autocommit=True), limit=2)
    before = [each.event_id for each in consumer.drain()]
    log(app, "before")
    value(owner, "select chronicle.begin_epoch('a failover that lost the last seconds')")
    log(app, "after")
    came = [each.event_id for each in consumer.drain()]
    # What was not sealed before comes again; nothing comes twice after the epoch.
    assert sorted({*before, *came}) == sorted(
        values(owner, "select event_id from chronicle.events")
    )
    assert len(set(came)) == len(came)
    seal(owner)
    check_all_is_sealed(owner, moved.checkpoints)


# On the same server.


def test_an_epoch_may_begin_without_a_move(database_names: Iterator[str], old: Database) -> None:
    """As after a failover to a standby that had not everything. A prepared transaction is in
    flight as well: it is told of."""
    for database in migrated_database(old.cluster, next(database_names)):
        be_impatient(database)
        owner = database.connect(autocommit=True)
        app = database.connect("app")
        log(app, "prepared")
        app.execute("prepare transaction 'p'")
        assert sqlstate(owner, MOVED) == "55P03"
        app.rollback()
        with database.connect("app", autocommit=True) as other:
            other.execute("commit prepared 'p'")
        assert value(owner, MOVED) == 2
        log_pages(owner, 1, 2)
        seal(owner, 1)
        check_all_is_sealed(owner)


def test_transactions_in_flight_under_an_old_number_are_sealed_late(
    old: Database, database_names: Iterator[str]
) -> None:
    """They have a number, and have not written: they write in the new epoch."""
    for database in migrated_database(old.cluster, next(database_names)):
        owner = database.connect(autocommit=True)
        early = database.connect("app")
        number = take_id(early)
        log_pages(owner, 1, 2)
        value(owner, MOVED)
        event_id: Any = log(early, "late")
        early.commit()
        assert row(
            owner,
            "select epoch, transaction_id from chronicle.events where event_id = %s",
            (event_id,),
        ) == (2, number)
        seal(owner, 1)
        check_all_is_sealed(owner)
