"""Whatever is done to a log that may be done to it, the seals find nothing: no false alarm."""

import random
from collections.abc import Callable, Iterator

import psycopg
import pytest

from ask import rows, run, value, values
from capturing import track
from seals.copying import pass_transaction_ids
from seals.sealed_log import details, import_past, live, log_pages, seal, unsealed
from streaming import Consumer, log, migrated_database, quiet_cluster, take_id
from support import Cluster, Connection, Database

STEPS = 45
"""Of a sequence."""


@pytest.fixture(scope="module")
def alone() -> Iterator[Cluster]:
    """A server of this module's."""
    with quiet_cluster() as cluster:
        yield cluster


@pytest.fixture
def database(alone: Cluster, database_names: Iterator[str]) -> Iterator[Database]:
    """A log of the test's own."""
    yield from migrated_database(alone, next(database_names))


class Life:
    """A log that several sessions write to, seal and look after.

    Args:
        database: that of the log.
        seed: what happens follows from it.
    """

    def __init__(self, database: Database, seed: int) -> None:
        self.draw = random.Random(seed)
        self.database = database
        self.owner = database.connect(autocommit=True)
        self.app = [database.connect("app") for _ in range(3)]
        self.checkpoints: dict[int, str] = {}
        self.number = 0
        self.prepared: list[str] = []
        self.trace: list[str] = []
        run(self.owner, "create table public.item (id integer primary key, v text, n numeric)")
        run(self.owner, "grant all on public.item to app")
        track(self.owner)
        self.owner.execute("select chronicle.enable_erasure()")

    def next(self) -> int:
        self.number += 1
        return self.number

    def session(self) -> Connection:
        """One of the application's, in a transaction or not."""
        return self.draw.choice(self.app)

    # What happens.

    def log(self) -> None:
        log(self.session(), self.next())

    def log_of_another_month(self) -> None:
        run(
            self.session(),
            """
            select chronicle.log_audit_event(
                _actor_type => 'user', _actor_id => %s, _action_type => 'read',
                _resource_type => 'page', _reason => 'why',
                _occurred_at => timestamptz '2026-11-01 00:00:00+00' - %s * interval '11 days'
            )
            """,
            (self.draw.choice(["ada", "ben"]), self.draw.randrange(0, 12)),
        )

    def insert(self) -> None:
        session = self.session()
        run(
            session,
            "insert into public.item (id, v, n) "
            "select n, 'v', n from generate_series(%s::integer, %s) as n",
            (self.next() * 10, self.number * 10 + self.draw.randrange(9)),
        )

    def update(self) -> None:
        self.own_row("update public.item set n = n + 1, v = v || 'x' where id = %s")

    def delete(self) -> None:
        self.own_row("delete from public.item where id = %s")

    def own_row(self, statement: str) -> None:
        """Changes a row that no transaction holds."""
        with self.database.connect("app", autocommit=True) as session:
            found = values(
                session, "select id from public.item order by id limit 9 for update skip locked"
            )
            if found:
                run(session, statement, (self.draw.choice(found),))

    def commit(self) -> None:
        self.session().commit()

    def roll_back(self) -> None:
        self.session().rollback()

    def use_savepoints(self) -> None:
        session = self.session()
        log(session, self.next())
        for ending in ("rollback to s", "release s"):
            run(session, "savepoint s")
            log(session, self.next())
            run(session, ending)

    def take_id_early(self) -> None:
        take_id(self.session())

    def prepare(self) -> None:
        session = self.session()
        log(session, self.next())
        self.prepared.append(f"p{self.next()}")
        run(session, f"prepare transaction '{self.prepared[-1]}'")

    def end_prepared(self) -> None:
        if self.prepared:
            gid = self.prepared.pop(0)
            ending = self.draw.choice(["commit", "rollback"])
            with self.database.connect("app", autocommit=True) as session:
                run(session, f"{ending} prepared '{gid}'")

    def seal(self) -> None:
        value(self.owner, "select chronicle.seal_events(%s)", (self.draw.choice([1, 3, 10, 1000]),))
        self.keep_checkpoint()

    def seal_and_roll_back(self) -> None:
        with self.database.connect() as session:
            value(session, "select chronicle.seal_events(7)")
            session.rollback()

    def write_and_seal(self) -> None:
        """In one transaction: what it has written is not settled yet."""
        with self.database.connect() as session:
            log(session, self.next())
            value(session, "select chronicle.seal_events(7)")
            log(session, self.next())

    def import_past(self) -> None:
        import_past(self.owner, f"source_{self.next()}")

    def revert(self) -> None:
        event_id = values(
            self.owner,
            "select event_id from chronicle.events where action = 'item.update' "
            "order by seq desc limit 1",
        )
        if event_id:
            self.attempt("select chronicle.revert_event(%s)", event_id[0])

    def snapshot(self) -> None:
        self.attempt("select * from chronicle.snapshot_table('public.item')")

    def truncate(self) -> None:
        self.attempt("truncate public.item")

    def alter(self) -> None:
        self.attempt(f"alter table public.item add column c{self.next()} text default 'd'")

    def refresh(self) -> None:
        self.attempt("select chronicle.refresh_tracking()")

    def set_up(self) -> None:
        self.attempt(
            self.draw.choice(
                [
                    "select chronicle.set_setting('partition_interval', '\"week\"')",
                    "select chronicle.set_setting('partition_interval', '\"day\"')",
                    "select chronicle.set_setting('partition_interval', '\"month\"')",
                    "select chronicle.ensure_partitions(5)",
                    "select chronicle.enable_tracking('public.item', _capture => 'full')",
                    "select chronicle.enable_tracking('public.item', _capture => 'changes')",
                    "select chronicle.enable_erasure()",
                ]
            )
        )

    def erase(self) -> None:
        event_id = self.draw.choice(values(self.owner, "select event_id from chronicle.events"))
        self.attempt("select chronicle.erase_payload(%s, 'law')", event_id)

    def erase_subject(self) -> None:
        self.attempt("select chronicle.erase_subject('law', _actor_id => 'ada')")

    def begin_epoch(self) -> None:
        self.attempt("select chronicle.begin_epoch('why not')")

    def pass_ids(self) -> None:
        pass_transaction_ids(self.owner, 1)

    def look_after(self) -> None:
        self.attempt("vacuum (analyze) chronicle.seal_nodes")

    def attempt(self, statement: str, *parameters: object) -> None:
        """Does it unless somebody is in the way, or there is nothing to do."""
        try:
            run(self.owner, statement, parameters)
        except psycopg.Error as error:
            assert error.sqlstate in {"55P03", "55000", "22023", "ZC007", "ZC008"}, error  # noqa: PT017

    # What has to hold.

    def keep_checkpoint(self) -> None:
        size = value(self.owner, "select count(*) from chronicle.seal_batches")
        self.checkpoints[size] = value(self.owner, "select chronicle.checkpoint()")

    def check(self) -> None:
        assert details(self.owner) == [], "\n".join(self.trace)

    def end(self) -> None:
        """Ends all transactions, seals everything, and compares it with all that was seen."""
        for session in self.app:
            session.commit()
        while self.prepared:
            self.end_prepared()
        seal(self.owner, 100)
        self.check()
        assert unsealed(self.owner) == [], "\n".join(self.trace)
        for size, checkpoint in self.checkpoints.items():
            assert value(self.owner, "select chronicle.checkpoint(%s)", (size,)) == checkpoint
        assert rows(
            self.owner,
            """
            select s.sealed_events, s.unsealed_since, s.problem, s.held_back_by
            from chronicle.seal_status as s
            """,
        ) == [(value(self.owner, "select count(*) from chronicle.events"), None, None, None)]
        came = [
            each.event_id
            for each in Consumer(self.database.connect("auditor", autocommit=True)).drain()
        ]
        assert sorted(came) == values(
            self.owner, "select event_id from chronicle.events order by event_id"
        )


OFTEN: list[Callable[[Life], None]] = [
    *(Life.log, Life.log_of_another_month, Life.insert, Life.update, Life.commit, Life.seal),
]

SOMETIMES: list[Callable[[Life], None]] = [
    *(Life.delete, Life.roll_back, Life.use_savepoints, Life.take_id_early, Life.prepare),
    *(Life.end_prepared, Life.seal_and_roll_back, Life.write_and_seal, Life.import_past),
    *(Life.revert, Life.snapshot, Life.truncate, Life.alter, Life.refresh, Life.set_up),
    *(Life.erase, Life.erase_subject, Life.begin_epoch, Life.pass_ids, Life.look_after),
]


@pytest.mark.parametrize("seed", range(6))
def test_no_life_of_a_log_is_a_finding(database: Database, seed: int) -> None:
    """Sequences of what sessions and administrators do, the same in every run."""
    life = Life(database, seed)
    with database.connect(database.cluster.superuser, autocommit=True) as superuser:
        # Nobody waits for what another session of the sequence holds.
        superuser.execute("alter function chronicle.begin_epoch(text) set lock_timeout = '20ms'")
        superuser.execute(
            "alter function chronicle.ensure_partitions(integer) set lock_timeout = '20ms'"
        )
    life.owner.execute("set lock_timeout = '20ms'")
    for number in range(STEPS):
        step = life.draw.choice(OFTEN if life.draw.random() < 0.6 else SOMETIMES)
        life.trace.append(step.__name__)
        step(life)
        if number % 5 == 0:
            life.check()
    life.end()


def test_a_log_that_has_seen_everything_is_in_order(database: Database) -> None:
    """One after the other, each sealed before the next: what is done to tables, to the log, and to
    the database."""
    owner = live(database)
    for statement in (
        "select chronicle.snapshot_table('public.item')",
        "alter table public.item rename column name to title",
        "update public.item set price = price + 1",
        "select chronicle.refresh_tracking()",
        "update public.item set price = price + 1",
        "alter table public.item rename to thing",
        "alter table public.thing alter column price type double precision",
        "select chronicle.refresh_tracking()",
        "update public.thing set price = price / 3",
        "select chronicle.disable_tracking('public.thing')",
        "select chronicle.enable_tracking('public.thing', _capture => 'full')",
        "update public.thing set price = -0.0",
        "truncate public.thing",
        "select chronicle.set_setting('masked_keys', '[\"title\"]')",
        "insert into public.thing values (1, E'caf\\u00e9 \\U0001F600', 'NaN', 'e')",
        "select chronicle.set_setting('partition_interval', '\"day\"')",
        "select chronicle.ensure_partitions(3)",
        "select chronicle.add_administrator('reader_a', 'acme')",
        "select chronicle.register_resource_type('page', 'a page')",
        "select chronicle.enable_erasure()",
        "select chronicle.erase_subject('law', _actor_id => 'grace')",
        "select chronicle.begin_epoch('because')",
        "set timezone = 'Asia/Kathmandu'",
        "set datestyle = 'german'",
        "set bytea_output = 'escape'",
        "set extra_float_digits = -3",
        "set intervalstyle = 'iso_8601'",
        "set default_transaction_isolation = 'read uncommitted'",
        "set enable_indexscan = off",
        "set row_security = off",
        "set search_path = ''",
        "set synchronous_commit = off",
        "drop table public.thing",
    ):
        run(owner, statement)
        if "row_security" in statement:
            # What does not see all must not say that all is well.
            assert details(owner) == []
        log_pages(owner, 1, 1)
        assert details(owner) == [], statement
        seal(owner)
        assert details(owner) == [], statement
    assert unsealed(database.connect(autocommit=True)) == []


@pytest.mark.parametrize(
    "upkeep",
    [
        "vacuum (full, analyze) {}",
        "reindex table {}",
        "cluster {} using {}_pkey",
        "alter table {} set (fillfactor = 70)",
        "analyze {}",
    ],
)
def test_upkeep_is_no_finding(database: Database, upkeep: str) -> None:
    owner = live(database)
    with database.connect(database.cluster.superuser, autocommit=True) as superuser:
        for table in values(
            superuser,
            """
            select c.relname::text from pg_class as c
            where c.relnamespace = 'chronicle'::regnamespace and c.relkind = 'r'
                and c.relname ~ '^(events_|seal_|epochs|erasures)'
                and exists (
                    select from pg_constraint as k
                    where k.conrelid = c.oid and k.conname = c.relname || '_pkey'
                )
            """,
        ):
            run(superuser, upkeep.format(f"chronicle.{table}", table))
    assert details(owner) == []
    assert unsealed(owner) == []


def test_a_part_of_the_log_is_verified_by_itself(database: Database) -> None:
    """All parts together say what the whole says."""
    owner = live(database)
    batches = value(owner, "select count(*) from chronicle.seal_batches")
    part = "select count(*) from chronicle.verify_log(%s, %s)"
    for number in range(batches):
        assert value(owner, part, (number, number + 1)) == 0
    assert value(owner, part, (0, 0)) == 0
    assert value(owner, part, (batches, batches + 5)) == 0
    for wrong in ((-1, 2), (3, 2)):
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            run(owner, part, wrong)
