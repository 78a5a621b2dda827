"""What it costs to read the log as a stream, against reading by number and losing events."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import LiteralString

from psycopg import sql

from pgchronicle import Chronicle
from pgchronicle.migrate import migrate

from .clocks import Clock, backend_clock
from .plans import partitions_scanned
from .report import Result, Value
from .rounds import Pair, Samples, ratios, run_rounds
from .sessions import TimedSession, Transactions
from .setting import INSTALLER, Connection, Setting

NAME = "stream"

_ABOUT = (
    "microseconds an event: events_since as an auditor, against a plain table of the same rows by "
    "an index on seq, and against the log in the order of seq, which has no such index"
)

_ABOUT_POLLS = "microseconds a poll that finds nothing, against the same of the plain table"

# The log of another measurement may hold transactions that this server has not come to.
_DATABASE = "bench_stream"

_AUDITOR = "stream_auditor"

_PLAIN = "bench.plain_events"

_BATCHES = (100, 1_000, 10_000)

_EVENTS_A_TRANSACTION = 20

# As if each tenth transaction had been overtaken by the next. Time goes on from now, because
# partitions are made ahead.
_EVENTS: LiteralString = """
    insert into chronicle.events (
        settled_after, occurred_at, organization_id, actor_type, actor_id, context_state, origin,
        action_type, action, resource_type, resource_id, details_before, details_after,
        changed_columns
    )
    select
        case when (%(first)s / %(each)s) %% 10 = 0 then pg_current_xact_id()::text::bigint + 1 end,
        now() + ((%(first)s + n)::double precision / %(events)s) * interval '170 days',
        'org-' || n %% 7, 'user', 'user-' || n, 'asserted', 'logged', 'update', 'ticket.update',
        'ticket', 'ticket-' || %(first)s + n, jsonb_build_object('priority', n),
        jsonb_build_object('priority', n + 1), '{priority}'
    from generate_series(0, %(each)s - 1) as n
"""


_FIRST_BY_SEQ: LiteralString = "select * from chronicle.events order by seq limit %s"
_FIRST_OF_STREAM: LiteralString = "select * from chronicle.events_since(null, %s)"

_PLAIN_BEHIND: LiteralString = f"select * from {_PLAIN} where seq > %s order by seq limit %s"
_STREAM_BEHIND: LiteralString = """
    select chronicle.event_cursor(e), e.* from chronicle.events_since(%s, %s) as e
"""


@dataclass(frozen=True, slots=True)
class _Reading:
    """Two ways to read the same, and by which clock they are held against each other."""

    name: str
    batch: int
    clock: str
    bare: Callable[[], int]
    ours: Callable[[], int]


def measure(setting: Setting) -> Iterator[Result]:
    """Makes the events, reads them all, and asks where there are none."""
    _fill(setting)
    with ExitStack() as stack:
        session = stack.enter_context(setting.connect(_AUDITOR, _DATABASE))
        server = backend_clock(session.info.backend_pid)
        clocks: Mapping[str, Clock] = {"server": server, "client": time.process_time}
        readings = list(_readings(session))
        taken = run_rounds(
            [
                Pair(*(partial(_time, clocks[each.clock], way) for way in (each.bare, each.ours)))
                for each in readings
            ],
            setting.rounds,
        )
        rows = [
            {**_row(reading, samples), "by": _means(session, reading.ours)}
            for reading, samples in zip(readings, taken, strict=True)
        ]
        yield Result(NAME, f"{_ABOUT}; {setting.sizes.streamed_events:,} events", rows)
        yield _measure_polls(setting, session)


def _fill(setting: Setting) -> None:
    setting.make_database(_DATABASE)
    migrate(setting.server.dsn(_DATABASE, INSTALLER))
    with setting.connect(INSTALLER, _DATABASE) as owner:
        owner.execute("select chronicle.ensure_partitions(6)")
        owner.execute("create schema bench")
    setting.execute_as_superuser(f"create role {_AUDITOR} login in role chronicle_auditor")
    with setting.connect("postgres", _DATABASE) as superuser:
        # The role whom the policy lets insert; none but a superuser may become it.
        superuser.execute("set role chronicle_writer")
        events = setting.sizes.streamed_events
        with superuser.pipeline() as pipeline:
            for first in range(0, events, _EVENTS_A_TRANSACTION):
                superuser.execute(
                    _EVENTS, {"first": first, "each": _EVENTS_A_TRANSACTION, "events": events}
                )
                # Where the server is asked to synchronize, it commits.
                pipeline.sync()
        superuser.execute("reset role")
        superuser.execute(f"create table {_PLAIN} (like chronicle.events including defaults)")
        superuser.execute(f"insert into {_PLAIN} select * from chronicle.events order by seq")
        superuser.execute(f"alter table {_PLAIN} add primary key (seq)")
        superuser.execute(f"grant usage on schema bench to {_AUDITOR}")
        superuser.execute(f"grant select on {_PLAIN} to {_AUDITOR}")
        superuser.execute("vacuum (analyze)")


def _readings(session: Connection) -> Iterator[_Reading]:
    for batch in _BATCHES:
        yield _Reading(
            "all, by an index on seq",
            batch,
            "server",
            partial(_read_plain, session, batch),
            partial(_read_stream, session, batch),
        )
    for batch in _BATCHES:
        yield _Reading(
            "the first, in the order of seq",
            batch,
            "server",
            partial(_read_first, session, batch, _FIRST_BY_SEQ),
            partial(_read_first, session, batch, _FIRST_OF_STREAM),
        )
    yield _Reading(
        "all, by the Python client",
        1_000,
        "client",
        partial(_read_stream, session, 1_000),
        lambda: sum(1 for _ in Chronicle(session).events_since(batch_size=1_000)),
    )


def _read_plain(session: Connection, batch: int) -> int:
    read, last = 0, 0
    # The first column but one is seq, as in the log.
    while found := session.execute(_PLAIN_BEHIND, (last, batch)).fetchall():
        read, last = read + len(found), found[-1][1]
    return read


def _read_stream(session: Connection, batch: int) -> int:
    read, cursor = 0, None
    while found := session.execute(_STREAM_BEHIND, (cursor, batch)).fetchall():
        read, cursor = read + len(found), found[-1][0]
    return read


def _read_first(session: Connection, batch: int, query: LiteralString) -> int:
    return len(session.execute(query, (batch,)).fetchall())


def _time(clock: Clock, read: Callable[[], int]) -> float:
    start = clock()
    count = read()
    return (clock() - start) / count * 1e6


def _row(reading: _Reading, samples: Samples[float]) -> Mapping[str, Value]:
    ours = median(samples.ours)
    return {
        "reading": reading.name,
        "batch": reading.batch,
        "clock": reading.clock,
        "plain_us": median(samples.bare),
        "stream_us": ours,
        "ratio": median(ratios(samples.ours, samples.bare)),
        "events_a_second": round(1e6 / ours),
    }


def _means(session: Connection, read: Callable[[], int]) -> str:
    with session.transaction():
        read()
        scanned = partitions_scanned(session)
    return "index" if not scanned else f"{len(scanned)} whole partitions"


def _measure_polls(setting: Setting, session: Connection) -> Result:
    """Polls from behind the last event, again and again."""
    found = session.execute(f"select chronicle.stream_head(), max(seq) from {_PLAIN}").fetchone()
    assert found is not None
    head, last = found
    timed = TimedSession(session)

    def poll(query: LiteralString, behind: object) -> float:
        rows = [(behind, 1_000)] * setting.sizes.statements
        return timed.run(sql.SQL(query).format(), rows, Transactions.OWN)

    (samples,) = run_rounds(
        [Pair(partial(poll, _PLAIN_BEHIND, last), partial(poll, _STREAM_BEHIND, head))],
        setting.rounds,
    )
    return Result(
        f"{NAME}, polls",
        _ABOUT_POLLS,
        [
            {
                "poll": "finds nothing",
                "plain_us": median(samples.bare),
                "stream_us": median(samples.ours),
                "ratio": median(ratios(samples.ours, samples.bare)),
            }
        ],
    )
