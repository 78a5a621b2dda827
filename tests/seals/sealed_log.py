"""A sealed log of some hundred events of every kind, over several months and many batches."""

from collections.abc import Iterator
from uuid import UUID

from ask import rows, run, value, values
from capturing import track
from streaming import migrated_database
from support import Cluster, Connection, Database, acting_as

FULL = UUID("01900000-0000-4000-8000-000000000001")
"""An event of which every column is filled that callers can fill."""

BARE = UUID("01900000-0000-4000-8000-000000000002")
"""An event of which every column is null that can be."""

ODD = UUID("01900000-0000-4000-8000-000000000003")
"""An event with values that are easily taken for others."""

_LOG_FULL = """
    select chronicle.log_audit_event(
        _event_id => %s, _organization_id => 'acme', _actor_id => 'ada', _actor_type => 'user',
        _ip_address => '10.0.0.1', _user_agent => 'curl/8', _action_type => 'update',
        _action_description => 'raised the price', _action_meta => '{"n": 1}',
        _resource_type => 'page', _resource_id => '7',
        _related_resources => '[{"resource_type": "page", "resource_id": "8"}]',
        _details_before => '{"a": 1, "b": 1}', _details_after => '{"a": 2, "b": 2}',
        _ai_metadata => '{"model": "m"}', _session_id => 's1', _request_id => 'r1',
        _client_info => '{"os": "linux"}', _duration_ms => 12, _severity => 'warning',
        _status => 'failure', _error_code => 'E1', _error_message => 'no', _action => 'page.raise',
        _actor_role => 'clerk', _impersonator_id => 'eve', _is_ai_action => true,
        _reason => 'ticket 7', _trace_id => 't1', _operation_id => 'o1',
        _parent_event_id => gen_random_uuid(), _ai_operation_id => gen_random_uuid(),
        _occurred_at => '2026-07-01T12:00:00.000001Z'
    )
"""

_LOG_ODD = """
    select chronicle.log_audit_event(
        _event_id => %s, _organization_id => 'ab', _actor_id => 'c', _actor_type => 'user',
        _ip_address => '10.0.0.0/24', _action_type => 'read', _resource_type => 'page',
        _action_meta => '{"n": 1.0}', _related_resources => '[]', _client_info => '{}',
        _details_before => '{"a": null}', _details_after => '{"b": "null"}',
        _reason => E'caf\\u00e9', _error_message => 'null', _session_id => '\\N',
        _occurred_at => '0001-01-01T00:00:00Z'
    )
"""

_OF_LATER_MONTHS = """
    insert into chronicle.events (
        occurred_at, actor_type, context_state, origin, action_type, action, resource_type
    )
    select
        date_trunc('month', now()) + m * interval '1 month' + n * interval '1 hour',
        'system', 'absent', 'logged', 'read', 'page.read', 'page'
    from generate_series(1, 2) as m, generate_series(1, 10) as n
    order by n, m
"""


def log_pages(session: Connection, first: int, last: int) -> None:
    """Logs the reading of some pages, each in a transaction of its own."""
    for number in range(first, last + 1):
        run(
            session,
            """
            select chronicle.log_audit_event(
                _organization_id => 'acme', _actor_id => 'ada', _actor_type => 'user',
                _action_type => 'read', _resource_type => 'page', _resource_id => %s,
                _details_after => jsonb_build_object('page', %s::integer)
            )
            """,
            (str(number), number),
        )


def import_past(session: Connection, source: str = "old_log") -> None:
    """Imports ten events of May and ten of June 2019."""
    run(
        session,
        """
        select chronicle.import_events(%s, $$
            select
                n as source_id, timestamptz '2019-05-22 00:00:00+00' + n * interval '1 day'
                as occurred_at,
                'user' as actor_type, 'grace' as actor_id, 'update' as action_type,
                'stock' as resource_type, n as resource_id,
                jsonb_build_object('n', n) as details_after
            from generate_series(1, 20) as n
        $$)
        """,
        (source,),
    )


def seal(session: Connection, limit: int = 100_000) -> int:
    """Seals what is settled, at most so many events at a time. Gives how many there were."""
    total = 0
    # Far more rounds than any test has events.
    for _ in range(10_000):
        sealed: int = value(session, "select chronicle.seal_events(%s)", (limit,))
        if not sealed:
            return total
        total += sealed
    raise AssertionError("sealing does not end")


def live(database: Database) -> Connection:
    """Lets a log be written and sealed, and gives the session of its owner."""
    owner = database.connect(autocommit=True)
    owner.execute("create table public.item (id integer primary key, name text, price numeric)")
    owner.execute("create table public.part (id integer primary key, v text)")
    track(owner)
    track(owner, "_capture => 'full'", table="public.part")
    run(owner, "insert into public.item select n, 'item ' || n, n from generate_series(1, 20) as n")
    log_pages(owner, 1, 5)
    seal(owner)

    import_past(owner)
    run(owner, _LOG_FULL, (FULL,))
    run(
        owner,
        """
        select chronicle.log_audit_event(
            _event_id => %s, _actor_type => 'system', _action_type => 'read',
            _resource_type => 'page'
        )
        """,
        (BARE,),
    )
    run(owner, _LOG_ODD, (ODD,))
    owner.execute("update public.item set price = price + 1 where id <= 10")
    owner.execute("update public.item set id = 119 where id = 19")
    owner.execute("alter table public.item add column extra text")
    # What can not be recorded as it is says so.
    owner.execute("update public.item set extra = 'e' where id = 20")
    owner.execute("select chronicle.refresh_tracking()")
    seal(owner)

    with database.connect(database.cluster.superuser, autocommit=True) as superuser:
        # As if the clock had gone on.
        superuser.execute("set role chronicle_writer")
        superuser.execute(_OF_LATER_MONTHS.encode())
    run(owner, "insert into public.part select n, 'p' from generate_series(1, 60) as n")
    log_pages(owner, 6, 15)
    seal(owner, 25)

    run(owner, "delete from public.item where id = 18")
    undone = value(
        owner,
        "select event_id from chronicle.events where action = 'item.delete' order by seq limit 1",
    )
    run(owner, "select chronicle.revert_event(%s)", (undone,))
    run(owner, "truncate public.part")
    log_pages(owner, 16, 30)
    seal(owner)
    return owner


def sealed_database(cluster: Cluster, name: str) -> Iterator[Database]:
    """A database with such a log, on a quiet cluster; what a fixture yields from."""
    for database in migrated_database(cluster, name):
        live(database)
        yield database


MEMBERS = """
    chronicle.seal_batches as b
    inner join chronicle.events as e
        on e.epoch = b.epoch
        and e.occurred_at >= b.bucket_from::timestamp at time zone 'UTC'
        and e.occurred_at < b.bucket_to::timestamp at time zone 'UTC'
        and (e.transaction_id, e.seq) between (b.from_transaction_id, b.from_seq)
        and (b.to_transaction_id, b.to_seq)
        and e.seq between b.min_seq and b.max_seq
"""
"""Batches b beside their events e."""


def batch_of(session: Connection, event_id: UUID) -> int:
    """The number of the batch that an event is in."""
    number: int = value(
        session, f"select b.batch_number from {MEMBERS} where event_id = %s", (event_id,)
    )
    return number


def events_of(session: Connection, batch_number: int) -> list[UUID]:
    """The events of a batch in their order."""
    return values(
        session,
        f"select e.event_id from {MEMBERS} where b.batch_number = %s "
        "order by e.transaction_id, e.seq",
        (batch_number,),
    )


def unsealed(session: Connection) -> list[UUID]:
    """Events that are in no batch, or in more than one."""
    return values(
        session,
        f"""
        select e.event_id from chronicle.events as e
        left join (select e.event_id, count(*) as n from {MEMBERS} group by 1) as m
            on m.event_id = e.event_id
        where m.n is distinct from 1 order by e.seq
        """,
    )


Finding = tuple[str, int | None, UUID | None]
"""Kind, batch and event of what verify_log has found."""


def findings(superuser: Connection) -> list[Finding]:
    """What an auditor is told, within a transaction of the superuser's session."""
    with acting_as(superuser, "auditor"):
        return rows(superuser, "select kind, batch_number, event_id from chronicle.verify_log()")


def details(session: Connection) -> list[str]:
    """All that verify_log says, a line a finding; empty is good."""
    return values(
        session,
        "select concat_ws(' ', kind, batch_number, event_id, detail) from chronicle.verify_log()",
    )
