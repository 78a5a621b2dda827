"""What sealing costs: the sealer and the auditor against a plain hash of the same rows, the writers
beside a sealer against the writers alone, and what it keeps."""

import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from statistics import median
from typing import LiteralString

from psycopg import sql
from psycopg.types.json import Jsonb

from pgchronicle.migrate import migrate

from . import pgbench
from .clocks import Clock, backend_clock, server_clock
from .pgbench import Load
from .report import Result, Value
from .rounds import Pair, Samples, ratios, run_rounds
from .setting import APPLICATION, INSTALLER, Connection, Setting

NAME = "seal"

_ABOUT = (
    "microseconds of the session's CPU an event, against sha256() over the same rows as text: what "
    "seal_events takes, and verify_log of the whole log"
)

_ABOUT_WRITERS = (
    "TPC-B on tracked tables, of which each transaction is four events: the writers alone, and "
    "beside a sealer that goes on {} times a second, by turns; CPU of the whole server a "
    "transaction, the sealer's included"
)

_ABOUT_BYTES = "bytes on the disk for each event, indexes included: of the event, and of its seal"

_WRITERS = "bench_seal_writers"

_SEALER = "bench_sealer"
"""Seals and verifies; a member of both roles."""

_EVENTS_A_TRANSACTION = 100

_BATCHES = (10_000, 10)
"""How many events are sealed at a time, and are a batch."""

_ROUNDS_A_SECOND = 10
"""So often the sealer seals while others write."""

_PLAIN: LiteralString = """
    select sum(length(sha256(convert_to(e::text, 'UTF8')))) / 32 from chronicle.events as e
"""

_SEAL_BYTES: LiteralString = """
    select sum(pg_total_relation_size(c.oid))::bigint from pg_class as c
    where c.relnamespace = 'chronicle'::regnamespace
        and c.relname in ('seal_batches', 'seal_leaves', 'seal_nodes')
"""

_EVENT_BYTES: LiteralString = """
    select sum(pg_total_relation_size(i.inhrelid))::bigint
    from pg_inherits as i where i.inhparent = 'chronicle.events'::regclass
"""


def measure(setting: Setting) -> Iterator[Result]:
    """Measures each in a database of its own, since what is settled stays so."""
    setting.execute_as_superuser(
        f"create role {_SEALER} login in role chronicle_admin, chronicle_auditor"
    )
    rates: list[Mapping[str, Value]] = []
    kept: list[Mapping[str, Value]] = []
    for batch in _BATCHES:
        # Of small batches fewer events tell as much.
        count = setting.sizes.sealed_events // (1 if batch == _BATCHES[0] else 10)
        database = f"bench_seal_{batch}"
        _prepare(setting, database)
        _fill(setting, database, count)
        with setting.connect(_SEALER, database) as session:
            rates += _rates(setting, session, batch, count)
        kept.append(_bytes(setting, database, batch, count))
    yield Result(NAME, _ABOUT, rates)
    yield Result(f"{NAME}, bytes", _ABOUT_BYTES, kept)
    yield _measure_writers(setting)


def _prepare(setting: Setting, database: str) -> None:
    setting.make_database(database)
    migrate(setting.server.dsn(database, INSTALLER))


def _fill(setting: Setting, database: str, count: int) -> None:
    with setting.connect(APPLICATION, database) as application:
        for first in range(0, count, _EVENTS_A_TRANSACTION):
            application.execute(
                "select from chronicle.log_audit_events(%s)",
                (Jsonb([_event(first + n) for n in range(_EVENTS_A_TRANSACTION)]),),
            )


def _event(number: int) -> Mapping[str, object]:
    return {
        "organization_id": f"org-{number % 7}",
        "actor_type": "user",
        "actor_id": f"user-{number % 1000}",
        "action_type": "update",
        "resource_type": "ticket",
        "resource_id": f"ticket-{number}",
        "details_before": {"status": "open", "priority": number % 5, "title": "x" * 100},
        "details_after": {"status": "closed", "priority": number % 5, "title": "x" * 100},
        "request_id": f"request-{number}",
        "ip_address": "10.0.0.1",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/130.0",
    }


# The sealer and the auditor.


def _rates(
    setting: Setting, session: Connection, batch: int, count: int
) -> Iterator[Mapping[str, Value]]:
    session.execute("set max_parallel_workers_per_gather = 0")
    clock = backend_clock(session.info.backend_pid)

    def time_it(work: Callable[[], int]) -> float:
        start = clock()
        done = work()
        taken = clock() - start
        if done != count:
            raise RuntimeError(f"{done} events instead of {count}")
        return taken / count * 1e6

    def row(name: str, work: Callable[[], int]) -> Mapping[str, Value]:
        plain = partial(_number, session, _PLAIN)
        pair = Pair(partial(time_it, plain), partial(time_it, work))
        (samples,) = run_rounds([pair], setting.rounds)
        taken = median(samples.ours)
        return {
            "work": name,
            "events_a_batch": batch,
            "events": count,
            "sha256_us": median(samples.bare),
            "ours_us": taken,
            "ratio": median(ratios(samples.ours, samples.bare)),
            "events_a_second": round(1e6 / taken),
        }

    yield row("seal_events", partial(_seal_in_vain, session, batch))
    _seal(session, batch)
    yield row("verify_log", partial(_verify, session))


def _seal(session: Connection, batch: int) -> int:
    sealed = 0
    while found := _number(session, f"select chronicle.seal_events({batch:d})"):
        sealed += found
    return sealed


def _seal_in_vain(session: Connection, batch: int) -> int:
    """Seals and takes it back, so that it can be done again."""
    with session.transaction(force_rollback=True):
        return _seal(session, batch)


def _verify(session: Connection) -> int:
    found = session.execute("select * from chronicle.verify_log()").fetchall()
    if found:
        raise RuntimeError(f"the log has findings: {found[:3]}")
    return _number(session, "select sum(event_count) from chronicle.seal_batches")


def _number(session: Connection, query: str) -> int:
    found = session.execute(query.encode()).fetchone()
    assert found is not None
    return int(found[0] or 0)


def _bytes(setting: Setting, database: str, batch: int, count: int) -> Mapping[str, Value]:
    with setting.connect("postgres", database) as superuser:
        # What was sealed in vain has left its room.
        for table in ("seal_batches", "seal_leaves", "seal_nodes"):
            superuser.execute(sql.SQL("vacuum full {}").format(sql.Identifier("chronicle", table)))
        return {
            "events_a_batch": batch,
            "event_bytes": _number(superuser, _EVENT_BYTES) / count,
            "seal_bytes": _number(superuser, _SEAL_BYTES) / count,
        }


# The writers.


@dataclass(frozen=True, slots=True)
class _Sample:
    tps: float
    cpu_us: float
    sealed: float


def _measure_writers(setting: Setting) -> Result:
    _prepare(setting, _WRITERS)
    pgbench.fill_tables(setting, _WRITERS)
    loads = [Load(*load) for load in product((1, 4), ("off", "on"))]
    with (
        setting.connect(INSTALLER, _WRITERS) as owner,
        setting.connect(_SEALER, _WRITERS) as session,
    ):
        for table in pgbench.TABLES:
            owner.execute("select chronicle.enable_tracking(%s::regclass)", (table,))
        clock = server_clock(owner.info.backend_pid)
        pairs = [
            Pair(
                *(
                    partial(_write, setting, load, session, clock, is_sealing)
                    for is_sealing in (False, True)
                )
            )
            for load in loads
        ]
        taken = run_rounds(pairs, setting.rounds, between=partial(pgbench.vacuum, owner))
    return Result(
        f"{NAME}, writers",
        _ABOUT_WRITERS.format(_ROUNDS_A_SECOND),
        [_writers_row(load, samples) for load, samples in zip(loads, taken, strict=True)],
    )


def _write(
    setting: Setting, load: Load, session: Connection, clock: Clock, is_sealing: bool
) -> _Sample:
    start = clock()
    with _sealing(session if is_sealing else None) as counted:
        ran = pgbench.run(setting, load, _WRITERS)
    cpu_us = (clock() - start) / ran.transactions * 1e6
    # The next turn begins with nothing to seal.
    rest = _seal(session, 100_000)
    sealed = sum(counted)
    return _Sample(ran.tps, cpu_us, 100 * sealed / (sealed + rest))


@contextmanager
def _sealing(session: Connection | None) -> Generator[list[int]]:
    """Seals what comes until the block ends; gives how many events each time, as they come."""
    counted: list[int] = []
    if session is None:
        yield counted
        return
    is_over = threading.Event()

    def go_on() -> None:
        while not is_over.wait(1 / _ROUNDS_A_SECOND):
            counted.append(_number(session, "select chronicle.seal_events()"))

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield counted
    finally:
        is_over.set()
        thread.join()


def _writers_row(load: Load, samples: Samples[_Sample]) -> Mapping[str, Value]:
    alone, beside = ([s.tps for s in side] for side in (samples.bare, samples.ours))
    alone_cpu, beside_cpu = ([s.cpu_us for s in side] for side in (samples.bare, samples.ours))
    return {
        "clients": load.clients,
        "synchronous_commit": load.synchronous_commit,
        "alone_tps": round(median(alone)),
        "beside_tps": round(median(beside)),
        "tps_ratio": median(ratios(beside, alone)),
        "alone_cpu_us": median(alone_cpu),
        "beside_cpu_us": median(beside_cpu),
        "cpu_ratio": median(ratios(beside_cpu, alone_cpu)),
        "sealed_meanwhile_percent": median(s.sealed for s in samples.ours),
    }
