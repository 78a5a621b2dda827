-- Runs as the sealer, who reads every event, and tells yes or no: without the index that serves it,
-- a reader would look for such an event among all that they see.
create or replace function chronicle.has_departures(_table_id integer, _record_id text)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select exists (
        select
        from chronicle.events as e
        where e.table_id = _table_id
            and e.related_resources is not null
            and e.related_resources -> 0 ->> 'resource_id' = _record_id
    )
$$;

comment on function chronicle.has_departures(integer, text) is
'Private. Whether a change of a table gave a record another key than this one.';

revoke execute on function chronicle.has_departures(integer, text) from public;
grant execute on function chronicle.has_departures(integer, text) to chronicle_reader;
alter function chronicle.has_departures(integer, text) owner to chronicle_sealer;
