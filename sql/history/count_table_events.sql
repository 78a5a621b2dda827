-- Runs as the sealer, who reads every event: only so can it be told that some are hidden.
create or replace function chronicle.count_table_events(_table_id integer, _after timestamptz)
returns bigint
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select count(*)
    from chronicle.events as e
    where e.table_id = _table_id
        and e.occurred_at > _after
        and e.origin = 'captured'
$$;

comment on function chronicle.count_table_events(integer, timestamptz) is
'Private. How many changes of a tracked table were captured after a time.';

revoke execute on function chronicle.count_table_events(integer, timestamptz) from public;
grant execute on function chronicle.count_table_events(integer, timestamptz) to chronicle_reader;
alter function chronicle.count_table_events(integer, timestamptz) owner to chronicle_sealer;
