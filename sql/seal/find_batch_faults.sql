-- Reads the events of a batch again. What was sealed of each tells which of them is another now;
-- and that is vouched for by the root, which the log's tree covers.
--
-- For the settings, see chronicle.seal_range.
create or replace function chronicle.find_batch_faults(_batch chronicle.seal_batches)
returns setof chronicle.log_finding
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_sort = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
    v_from constant timestamptz := _batch.bucket_from::timestamp at time zone 'UTC';
    v_to constant timestamptz := _batch.bucket_to::timestamp at time zone 'UTC';
    v_sealed bytea := (
        select substr(l.leaves, 1)
        from chronicle.seal_leaves as l
        where l.batch_number = _batch.batch_number
    );
    v_present bytea;
begin
    select string_agg(e.leaf, ''::bytea order by e.transaction_id, e.seq) into v_present
    from chronicle.event_leaves(
        _batch.epoch,
        _batch.from_transaction_id, _batch.from_seq - 1,
        _batch.to_transaction_id, _batch.to_seq + 1
    ) as e
    where e.occurred_at >= v_from
        and e.occurred_at < v_to
        and e.seq between _batch.min_seq and _batch.max_seq;

    -- Whoever alters a table may also have let it have nulls.
    if length(v_sealed) is distinct from _batch.event_count * 32
        or chronicle.merkle_root(v_sealed) is distinct from _batch.root
    then
        return query select
            'leaves_differ', _batch.batch_number, null::uuid,
            'What is stored of the hashes of its events is not what was sealed.';
        if chronicle.merkle_root(v_present) is distinct from _batch.root then
            return query select
                'event_differs', _batch.batch_number, null::uuid,
                'Its events are not as they were sealed, and without their hashes none can tell '
                'which.';
        end if;
        return;
    end if;
    if v_present = v_sealed then
        return;
    end if;

    return query
    with sealed as materialized (
        select n.place, substr(v_sealed, n.place * 32 - 31, 32) as leaf
        from generate_series(1, length(v_sealed) / 32) as n (place)
    ),

    present as materialized (
        select
            e.event_id,
            e.transaction_id,
            e.seq,
            e.leaf,
            row_number() over (partition by e.leaf) as occurrence
        from chronicle.event_leaves(
            _batch.epoch,
            _batch.from_transaction_id, _batch.from_seq - 1,
            _batch.to_transaction_id, _batch.to_seq + 1
        ) as e
        where e.occurred_at >= v_from
            and e.occurred_at < v_to
            and e.seq between _batch.min_seq and _batch.max_seq
    ),

    gone as (
        select s.place from sealed as s where s.leaf not in (select p.leaf from present as p)
    ),

    strange as (
        select p.*
        from present as p
        where p.occurrence > 1 or p.leaf not in (select s.leaf from sealed as s)
    ),

    differences as (
        select
            (select count(*) from gone)
            - (select count(*) from strange as s where s.occurrence = 1) as missing,
            (
                select p.event_id
                from sealed as s
                inner join present as p on p.leaf = s.leaf
                where s.place < (select min(g.place) from gone as g)
                order by s.place desc
                limit 1
            ) as event_before
    )

    (
        select
            'event_differs', _batch.batch_number, s.event_id,
            format('Event %s was changed since it was sealed, or put in afterwards.', s.event_id)
        from strange as s
        order by s.transaction_id, s.seq
    )
    union all
    select
        'events_missing', _batch.batch_number, null::uuid,
        format(
            'Of its %s events, %s %s gone%s.',
            _batch.event_count,
            d.missing,
            case d.missing when 1 then 'is' else 'are' end,
            case
                when d.missing = _batch.event_count then ''
                when d.event_before is null then ', the first among them'
                else format(', the first behind event %s', d.event_before)
            end
        )
    from differences as d
    where d.missing > 0;
end
$$;

comment on function chronicle.find_batch_faults(chronicle.seal_batches) is
'Private. What is wrong with the events of a batch.';

revoke execute on function chronicle.find_batch_faults(chronicle.seal_batches) from public;
grant execute on function chronicle.find_batch_faults(chronicle.seal_batches) to chronicle_sealer;
