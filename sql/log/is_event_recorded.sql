-- Runs as the sealer, who reads events: the writer does not, and must not reuse an id.
create or replace function chronicle.is_event_recorded(_event_id uuid)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select exists (select from chronicle.events as e where e.event_id = _event_id)
$$;

comment on function chronicle.is_event_recorded(uuid) is
'Private. Whether any event has this id.';

revoke execute on function chronicle.is_event_recorded(uuid) from public;
grant execute on function chronicle.is_event_recorded(uuid) to chronicle_writer;
alter function chronicle.is_event_recorded(uuid) owner to chronicle_sealer;
