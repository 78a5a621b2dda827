-- Inlines into the queries of seals and checks, so that they reach the index and the partitions;
-- hence no pinned search_path.
create or replace function chronicle.event_leaves(
    _epoch integer,
    _after_transaction_id bigint,
    _after_seq bigint,
    _before_transaction_id bigint,
    _before_seq bigint
)
returns table (
    event_id uuid, occurred_at timestamptz, transaction_id bigint, seq bigint, leaf bytea
)
language sql
stable
as $$
    select
        e.event_id,
        e.occurred_at,
        e.transaction_id,
        e.seq,
        chronicle.event_leaf(
            e,
            coalesce(
                chronicle.payload_digest(e),
                (
                    select x.payload_digest
                    from chronicle.erasures as x
                    where x.event_id operator(pg_catalog.=) e.event_id
                )
            )
        )
    from chronicle.events as e
    where e.epoch operator(pg_catalog.=) _epoch
        and (e.transaction_id, e.seq) operator(pg_catalog.>) (_after_transaction_id, _after_seq)
        and (e.transaction_id, e.seq) operator(pg_catalog.<) (_before_transaction_id, _before_seq)
$$;

comment on function chronicle.event_leaves(integer, bigint, bigint, bigint, bigint) is
'Private. The hashes of the events of an epoch between two places of the order (transaction_id,
seq), both exclusive.';

revoke execute on function chronicle.event_leaves(integer, bigint, bigint, bigint, bigint)
from public;
grant execute on function chronicle.event_leaves(integer, bigint, bigint, bigint, bigint) to
chronicle_sealer;
