-- Behind the position that is sealed, in the order (transaction_id, seq). The late part of a closed
-- epoch is what a copy of the log wrote before it began its own: under transaction ids that were
-- sealed already, but with a greater seq than anything was sealed under.
--
-- The planner takes a row comparison for a large part of the log; it must not read and sort that.
-- Disabled sorting looks so costly to it that it would compile, for seconds.
create or replace function chronicle.seal_range(
    _epoch integer, _is_late boolean, _horizon bigint, _limit bigint
)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_sort = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
    v_unit constant text := (
        select case s.value #>> '{}'
            when 'week' then 'week' when 'day' then 'day' else 'month'
        end
        from chronicle.settings as s
        where s.name = 'partition_interval'
    );
    v_after record;
    v_until record;
    v_seq bigint := -1;
    v_group record;
    v_sealed bigint := 0;
begin
    select b.to_transaction_id as transaction_id, b.to_seq as seq into v_after
    from chronicle.seal_batches as b
    where b.epoch = _epoch and b.is_late = _is_late
    order by b.to_transaction_id desc, b.to_seq desc
    limit 1;

    if _is_late then
        select b.to_transaction_id as transaction_id, b.to_seq + 1 as seq into v_until
        from chronicle.seal_batches as b
        where b.epoch = _epoch and not b.is_late
        order by b.to_transaction_id desc, b.to_seq desc
        limit 1;
        if not found then
            return 0;
        end if;
        v_seq := (
            select max(b.max_seq)
            from chronicle.seal_batches as b
            where b.epoch = _epoch and not b.is_late
        );
    else
        select _horizon as transaction_id, 0::bigint as seq into v_until;
    end if;

    for v_group in
        select
            e.bucket_from,
            min(array[e.transaction_id, e.seq]) as first_place,
            max(array[e.transaction_id, e.seq]) as last_place,
            min(e.seq) as min_seq,
            max(e.seq) as max_seq,
            count(*) as event_count,
            string_agg(e.leaf, ''::bytea order by e.transaction_id, e.seq) as leaves
        from (
            select
                l.transaction_id,
                l.seq,
                chronicle.bucket_start(v_unit, l.occurred_at) as bucket_from,
                l.leaf
            from chronicle.event_leaves(
                _epoch,
                coalesce(v_after.transaction_id, 0), coalesce(v_after.seq, 0),
                v_until.transaction_id, v_until.seq
            ) as l
            where l.seq > v_seq
            order by l.transaction_id, l.seq
            limit _limit
        ) as e
        group by e.bucket_from
        order by e.bucket_from
    loop
        perform chronicle.append_batch(
            row(
                null, _epoch,
                v_group.bucket_from, (v_group.bucket_from + ('1 ' || v_unit)::interval)::date,
                v_group.first_place[1], v_group.first_place[2],
                v_group.last_place[1], v_group.last_place[2],
                v_group.min_seq, v_group.max_seq,
                _is_late, v_group.event_count,
                null, clock_timestamp(), null
            )::chronicle.seal_batches,
            v_group.leaves
        );
        v_sealed := v_sealed + v_group.event_count;
    end loop;
    return v_sealed;
end
$$;

comment on function chronicle.seal_range(integer, boolean, bigint, bigint) is
'Private. Seals what of an epoch is not sealed, one batch for each month; returns how many events.
Only for who holds the lock of chronicle.seal_state.
_is_late: what a copy wrote before it began its own epoch. _horizon: transactions from it on may be
open. _limit: at most so many events.';

revoke execute on function chronicle.seal_range(integer, boolean, bigint, bigint) from public;
grant execute on function chronicle.seal_range(integer, boolean, bigint, bigint) to
chronicle_sealer;
