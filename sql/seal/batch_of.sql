-- At most one of a kind can have it: of those of its month, the last that begins at or before it.
-- Inlines into queries, hence no pinned search_path.
create or replace function chronicle.batch_of(
    _epoch integer, _occurred_at timestamptz, _transaction_id bigint, _seq bigint
)
returns setof bigint
language sql
stable
rows 1
as $$
    select b.batch_number
    from (
        values
        (false, 'month'), (false, 'week'), (false, 'day'),
        (true, 'month'), (true, 'week'), (true, 'day')
    ) as k (is_late, unit)
    cross join lateral (
        select x.*
        from chronicle.seal_batches as x
        where x.epoch operator(pg_catalog.=) _epoch
            and x.is_late operator(pg_catalog.=) k.is_late
            and x.bucket_from operator(pg_catalog.=) chronicle.bucket_start(k.unit, _occurred_at)
            and x.bucket_to operator(pg_catalog.=) (
                chronicle.bucket_start(k.unit, _occurred_at)
                operator(pg_catalog.+) pg_catalog.concat('1 ', k.unit)::pg_catalog.interval
            )::pg_catalog.date
            and (x.from_transaction_id, x.from_seq)
            operator(pg_catalog.<=) (_transaction_id, _seq)
        order by x.from_transaction_id desc, x.from_seq desc
        limit 1
    ) as b
    where _occurred_at operator(pg_catalog.>=) pg_catalog.timezone(
            'UTC', b.bucket_from::pg_catalog.timestamp
        )
        and _occurred_at operator(pg_catalog.<) pg_catalog.timezone(
            'UTC', b.bucket_to::pg_catalog.timestamp
        )
        and (b.to_transaction_id, b.to_seq) operator(pg_catalog.>=) (_transaction_id, _seq)
        and _seq operator(pg_catalog.>=) b.min_seq
        and _seq operator(pg_catalog.<=) b.max_seq
$$;

comment on function chronicle.batch_of(integer, timestamptz, bigint, bigint) is
'Private. The number of the batch that an event belongs to; no row when it is not sealed.';

revoke execute on function chronicle.batch_of(integer, timestamptz, bigint, bigint) from public;
grant execute on function chronicle.batch_of(integer, timestamptz, bigint, bigint) to
chronicle_sealer;
