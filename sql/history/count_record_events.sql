-- Run as the sealer, who reads every event: only so can it be told that some are hidden.
create or replace function chronicle.count_record_events(_table_id integer, _record_id text)
returns bigint
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select count(*)
    from chronicle.events as e
    where e.resource_id = _record_id
        and e.table_id = _table_id
        and e.origin in ('captured', 'snapshot')
$$;

comment on function chronicle.count_record_events(integer, text) is
'Private. How many events of a tracked table carry this key.';

revoke execute on function chronicle.count_record_events(integer, text) from public;
grant execute on function chronicle.count_record_events(integer, text) to chronicle_reader;
alter function chronicle.count_record_events(integer, text) owner to chronicle_sealer;
