-- Runs as the sealer, who reads every event: only so can it be told that some are hidden.
create or replace function chronicle.count_transaction_events(
    _transaction_id bigint, _epoch integer
)
returns bigint
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select count(*)
    from chronicle.events as e
    where e.transaction_id = _transaction_id and e.epoch = _epoch and e.origin = 'captured'
$$;

comment on function chronicle.count_transaction_events(bigint, integer) is
'Private. How many changes of a transaction were captured.';

revoke execute on function chronicle.count_transaction_events(bigint, integer) from public;
grant execute on function chronicle.count_transaction_events(bigint, integer)
to chronicle_reader;
alter function chronicle.count_transaction_events(bigint, integer) owner to chronicle_sealer;
