-- Behind the position up to which an epoch is sealed, every event is in a batch; what is not was
-- put in afterwards. Not so in an epoch that a copy may have gone on with, until its late events
-- are sealed too.
create or replace function chronicle.find_unsealed_faults()
returns setof chronicle.log_finding
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_sort = off
set jit = off
as $$
declare
    v_sealed_epochs constant integer := (
        select s.sealed_epochs from chronicle.seal_state as s
    );
    -- Of a standby nothing can be said, nor of a log that came from elsewhere.
    v_next constant bigint := case
        when chronicle.sealing_problem() is null
            then pg_snapshot_xmax(pg_current_snapshot())::text
    end;
    v_epoch record;
begin
    for v_epoch in
        select
            e.epoch,
            n.epoch is null as is_present,
            coalesce(l.transaction_id, 0) as transaction_id,
            coalesce(l.seq, 0) as seq,
            -- Which may be late: above it.
            case
                when e.epoch > v_sealed_epochs
                    and (
                        n.is_on_copy
                        or n.epoch is null and chronicle.is_log_moved()
                    )
                    then coalesce(n.sealed_seq, m.max_seq)
            end as sealed_seq
        from chronicle.epochs as e
        left join chronicle.epochs as n on n.epoch = e.epoch + 1
        left join lateral (
            select b.to_transaction_id as transaction_id, b.to_seq as seq
            from chronicle.seal_batches as b
            where b.epoch = e.epoch and not b.is_late
            order by b.to_transaction_id desc, b.to_seq desc
            limit 1
        ) as l on true
        left join lateral (
            select max(b.max_seq) as max_seq
            from chronicle.seal_batches as b
            where b.epoch = e.epoch and not b.is_late
        ) as m on true
        order by e.epoch
    loop
        return query
        select
            'event_unsealed', null::bigint, e.event_id,
            format(
                'Event %s lies where everything is sealed, and no batch has it: it was put in, '
                'or moved there.',
                e.event_id
            )
        from chronicle.events as e
        where e.epoch = v_epoch.epoch
            and (
                (e.transaction_id, e.seq) <= (v_epoch.transaction_id, v_epoch.seq)
                or e.epoch <= v_sealed_epochs
            )
            and (v_epoch.sealed_seq is null or e.seq <= v_epoch.sealed_seq)
            and not exists (
                select
                from chronicle.batch_of(e.epoch, e.occurred_at, e.transaction_id, e.seq) as b
            )
        order by e.transaction_id, e.seq;

        -- Those would be waited for, for long or for ever.
        return query
        select
            'event_unsealed', null::bigint, e.event_id,
            format('Event %s has a number that the server has not given to it.', e.event_id)
        from chronicle.events as e
        where e.epoch = v_epoch.epoch
            and (
                e.transaction_id is null
                or e.seq is null
                or e.transaction_id >= v_next
                and v_epoch.is_present
                and e.transaction_id <> coalesce(
                    pg_current_xact_id_if_assigned()::text, '0'
                )::bigint
            );
    end loop;

    return query
    select
        'event_unknown_epoch', null::bigint, e.event_id,
        format('Event %s belongs to epoch %s, which never was.', e.event_id, e.epoch)
    from chronicle.events as e
    where not exists (select from chronicle.epochs as x where x.epoch = e.epoch);
end
$$;

comment on function chronicle.find_unsealed_faults() is
'Private. Events that no batch has although everything around them is sealed.';

revoke execute on function chronicle.find_unsealed_faults() from public;
grant execute on function chronicle.find_unsealed_faults() to chronicle_sealer;
