-- Runs as the sealer, who reads every event, for those who may as well: row-level security lets no
-- index on an expression be used, even where it hides nothing.
create or replace function chronicle.departures(_table_id integer, _record_id text)
returns table (event_id uuid, occurred_at timestamptz)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select e.event_id, e.occurred_at
    from chronicle.events as e
    where e.table_id = _table_id
        and e.related_resources is not null
        and e.related_resources -> 0 ->> 'resource_id' = _record_id
        and e.related_resources -> 0 ->> 'relation' = 'previous_key'
        and e.origin = 'captured'
$$;

comment on function chronicle.departures(integer, text) is
'Private. The captured updates that gave a record another key. _record_id: the key before.';

revoke execute on function chronicle.departures(integer, text) from public;
grant execute on function chronicle.departures(integer, text) to chronicle_auditor;
alter function chronicle.departures(integer, text) owner to chronicle_sealer;
