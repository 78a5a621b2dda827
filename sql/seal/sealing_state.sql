-- The oldest transaction that is open holds the horizon; its lock on its own id tells whose it is,
-- in whichever database.
create or replace function chronicle.sealing_state()
returns table (
    log_id uuid,
    epoch integer,
    batches bigint,
    sealed_events bigint,
    last_sealed_at timestamptz,
    unsealed_since timestamptz,
    oldest_transaction_id bigint,
    held_back_by text,
    problem text
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
set enable_sort = off
set jit = off
as $$
declare
    v_after record;
begin
    select s.log_id into strict log_id from chronicle.seal_state as s;
    select count(*), coalesce(sum(b.event_count), 0), max(b.sealed_at)
    into batches, sealed_events, last_sealed_at
    from chronicle.seal_batches as b;
    problem := chronicle.sealing_problem();

    for epoch in
        select x.epoch
        from chronicle.epochs as x
        cross join chronicle.seal_state as s
        where x.epoch > s.sealed_epochs
        order by x.epoch
    loop
        select b.to_transaction_id as transaction_id, b.to_seq as seq into v_after
        from chronicle.seal_batches as b
        where b.epoch = sealing_state.epoch and not b.is_late
        order by b.to_transaction_id desc, b.to_seq desc
        limit 1;
        unsealed_since := least(
            unsealed_since,
            (
                select e.recorded_at
                from chronicle.events as e
                where e.epoch = sealing_state.epoch
                    and (e.transaction_id, e.seq)
                    > (coalesce(v_after.transaction_id, 0), coalesce(v_after.seq, 0))
                order by e.transaction_id, e.seq
                limit 1
            )
        );
    end loop;
    epoch := (select max(x.epoch) from chronicle.epochs as x);

    if not pg_is_in_recovery() then
        oldest_transaction_id := pg_snapshot_xmin(pg_current_snapshot())::text;
        held_back_by := (
            select coalesce('pid ' || l.pid, format('prepared transaction "%s"', p.gid))
            from pg_catalog.pg_locks as l
            left join pg_catalog.pg_prepared_xacts as p on p.transaction = l.transactionid
            where l.locktype = 'transactionid'
                and l.granted
                and l.mode = 'ExclusiveLock'
                and l.transactionid::text = (oldest_transaction_id % 4294967296)::text
            limit 1
        );
    end if;
    return next;
end
$$;

comment on function chronicle.sealing_state() is
'Private. What chronicle.seal_status shows.';

revoke execute on function chronicle.sealing_state() from public;
grant execute on function chronicle.sealing_state() to chronicle_auditor, chronicle_admin;
alter function chronicle.sealing_state() owner to chronicle_sealer;
