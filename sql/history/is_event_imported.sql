-- Runs as the sealer, who reads every event, and tells yes or no.
create or replace function chronicle.is_event_imported(_event_id uuid)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select exists (
        select from chronicle.events as e where e.event_id = _event_id and e.origin = 'imported'
    )
$$;

comment on function chronicle.is_event_imported(uuid) is
'Private. Whether an imported event has this id.';

revoke execute on function chronicle.is_event_imported(uuid) from public;
grant execute on function chronicle.is_event_imported(uuid) to chronicle_writer;
alter function chronicle.is_event_imported(uuid) owner to chronicle_sealer;
