"""How long reading takes when there are many events, under row-level security, and by what plan."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import LiteralString

from psycopg import sql

from .plans import explained, partitions_scanned
from .report import Result, Value
from .setting import INSTALLER, Connection, Setting

NAME = "reads"

_ABOUT = (
    "milliseconds until the last row has arrived, median; an administrator of one organization and "
    "an auditor, over months of events of many organizations"
)

_TABLE = "bench.tickets"

_READER = "bench_reader"
_AUDITOR = "bench_auditor"
_ORGANIZATION = "org-7"

_TICKET: LiteralString = "207"
"""A record of that organization."""

# A fifth of the events are of one tracked table, of which every ticket has a whole history of 25:
# made, raised in priority 24 times. The rest are logged: by 200 organizations of very different
# sizes, 20,000 actors and on 400,000 records. Time goes on from now, because partitions are made
# ahead.
_TICKETS: LiteralString = """
    insert into bench.tickets
    select
        id, 'org-' || id %% 200, 'ticket ' || id,
        (%(events)s::bigint / 5 - id) / %(tickets)s::bigint
    from generate_series(1, %(tickets)s::bigint) as id
"""

_EVENTS: LiteralString = """
    insert into chronicle.events (
        event_id, seq, transaction_id, occurred_at, recorded_at, organization_id, actor_type,
        actor_id, context_state, origin, action_type, action, resource_type, resource_id, table_id,
        details_before, details_after, changed_columns
    )
    select
        (
            lpad(to_hex((extract(epoch from e.at) * 1000)::bigint), 12, '0') || '7'
            || substr(md5(e.n::text), 1, 3) || '8' || substr(md5(e.n::text), 4, 15)
        )::uuid,
        nextval('chronicle.events_seq'), 1000 + e.n / 3, e.at, e.at,
        case when e.is_captured then 'org-' || e.ticket %% 200 else e.organization_id end,
        'user', 'user-' || (e.chance * e.chance * 20000)::integer, 'asserted',
        case when e.is_captured then 'captured' else 'logged' end::chronicle.event_origin,
        case when e.is_captured and e.turn = 0 then 'create' else 'update' end
            ::chronicle.action_type,
        e.resource_type || case when e.is_captured and e.turn = 0 then '.create' else '.update' end,
        e.resource_type,
        case when e.is_captured then e.ticket::text else e.resource_id end,
        case when e.is_captured then e.table_id end,
        case when not e.is_captured or e.turn > 0 then jsonb_build_object('priority', e.turn - 1)
        end,
        case
            when e.is_captured and e.turn = 0 then jsonb_build_object(
                'id', e.ticket, 'organization_id', 'org-' || e.ticket %% 200,
                'title', 'ticket ' || e.ticket, 'priority', 0
            )
            else jsonb_build_object('priority', e.turn)
        end,
        case when not e.is_captured or e.turn > 0 then '{priority}'::text[] end
    from (
        select
            r.*,
            r.n %% 5 = 0 as is_captured,
            -- Every ticket has its turn once before any has its next.
            r.n / 5 %% r.tickets + 1 as ticket,
            r.n / 5 / r.tickets as turn,
            'org-' || (random() ^ 3 * 200)::integer as organization_id,
            case r.n %% 5 when 0 then 'tickets' else 'document-' || r.n %% 5 end as resource_type,
            'document-' || (random() * 400000)::integer as resource_id,
            random() as chance
        from (
            select
                n,
                now() + (n::double precision / %(events)s) * interval '170 days' as at,
                %(tickets)s::bigint as tickets,
                %(table_id)s::integer as table_id
            from generate_series(0, %(events)s::bigint - 1) as n
        ) as r
    ) as e
"""


@dataclass(frozen=True, slots=True)
class _Reading:
    name: str
    query: LiteralString


_READINGS = (
    _Reading(
        "a record's history: chronicle.record_history",
        f"select * from chronicle.record_history('{_TABLE}', '{_TICKET}')",
    ),
    _Reading(
        "a record's events",
        f"""
        select * from chronicle.events
        where resource_id = '{_TICKET}' and resource_type = 'tickets' order by seq
        """,
    ),
    _Reading(
        "an organization's latest 100",
        f"""
        select * from chronicle.events
        where organization_id = '{_ORGANIZATION}' order by occurred_at desc limit 100
        """,
    ),
    _Reading(
        "an actor's last week",
        """
        select * from chronicle.events
        where actor_id = 'user-7' and occurred_at >= now() + interval '163 days'
        order by occurred_at desc
        """,
    ),
)


def measure(setting: Setting) -> Iterator[Result]:
    """Makes the events, then reads them as both."""
    started = time.monotonic()
    _fill(setting)
    filled_s = time.monotonic() - started
    rows: list[Mapping[str, Value]] = []
    notes: list[str] = []
    for who in (_READER, _AUDITOR):
        with setting.connect(who) as connection:
            for reading in _READINGS:
                row, plan = _read(connection, reading, setting.rounds)
                rows.append({"reading": reading.name, "as": who, **row})
                notes.append(f"{reading.name}, as {who}:\n{plan}")
    about = f"{_ABOUT}; {setting.sizes.events:,} events, made in {filled_s:.0f} seconds"
    yield Result(NAME, about, rows, notes)


def _fill(setting: Setting) -> None:
    events = setting.sizes.events
    tickets = max(events // 125, int(_TICKET))
    with setting.connect(INSTALLER) as owner:
        owner.execute(f"""
            create table {_TABLE} (
                id bigint primary key, organization_id text, title text, priority integer
            )
        """)
        owner.execute(_TICKETS, {"events": events, "tickets": tickets})
        owner.execute(
            "select chronicle.enable_tracking(%s::regclass, _resource_type => 'tickets',"
            " _organization_column => 'organization_id')",
            (_TABLE,),
        )
        owner.execute("select chronicle.ensure_partitions(6)")
        owner.execute(f"select chronicle.add_administrator('{_READER}', '{_ORGANIZATION}')")
        found = owner.execute(
            "select table_id from chronicle.tracked_tables where table_name = 'tickets'"
        ).fetchone()
    assert found is not None
    setting.execute_as_superuser(
        f"create role {_READER} login in role chronicle_reader",
        f"create role {_AUDITOR} login in role chronicle_auditor",
        f"grant usage on schema bench to {_READER}, {_AUDITOR}",
        f"grant select on {_TABLE} to {_READER}, {_AUDITOR}",
    )
    with setting.connect("postgres") as superuser:
        # The role whom the policy lets insert; none but a superuser may become it.
        superuser.execute("set role chronicle_writer")
        superuser.execute(_EVENTS, {"events": events, "tickets": tickets, "table_id": found[0]})
        superuser.execute("reset role")
        superuser.execute("vacuum (analyze) chronicle.events")
        superuser.execute(f"vacuum (analyze) {_TABLE}")


def _read(
    connection: Connection, reading: _Reading, rounds: int
) -> tuple[Mapping[str, Value], str]:
    took: list[float] = []
    count = 0
    for _ in range(rounds + 1):
        start = time.perf_counter()
        count = len(connection.execute(reading.query).fetchall())
        took.append((time.perf_counter() - start) * 1e3)
    with connection.transaction():
        plan = explained(connection, sql.SQL(reading.query))
        scanned = partitions_scanned(connection)
    row: Mapping[str, Value] = {
        "rows": count,
        "first_ms": took[0],
        "median_ms": median(took[1:]),
        "by": "index" if not scanned else "a whole partition: " + ", ".join(scanned),
    }
    return row, plan
