-- Runs as the sealer, who reads every event, for chronicle.record_revert alone.
create or replace function chronicle.transaction_events(_transaction_id bigint, _epoch integer)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select coalesce(
        jsonb_agg(e.event_id order by e.seq) filter (where e.place <= 1000), '[]'
    )
    from (
        select e.event_id, e.seq, row_number() over (order by e.seq) as place
        from chronicle.events as e
        where e.transaction_id = _transaction_id and e.epoch = _epoch and e.origin = 'captured'
    ) as e
$$;

comment on function chronicle.transaction_events(bigint, integer) is
'Private. The ids of the captured events of a transaction, the first thousand of them.';

revoke execute on function chronicle.transaction_events(bigint, integer) from public;
alter function chronicle.transaction_events(bigint, integer) owner to chronicle_sealer;

-- A change of owner turns the old owner's right into the new one's, so it is granted again by that
-- one.
set local role chronicle_sealer;
grant execute on function chronicle.transaction_events(bigint, integer) to chronicle_owner;
set local role chronicle_owner;
