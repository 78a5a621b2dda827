-- Runs as the sealer, who reads every event, and tells yes or no: only so can it be known that some
-- are hidden.
create or replace function chronicle.are_table_events_hidden(
    _table_id integer, _after timestamptz, _organizations text[], _sees_system boolean
)
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
            and e.occurred_at > _after
            and e.origin = 'captured'
            and not coalesce(e.organization_id = any(_organizations), _sees_system)
    )
$$;

comment on function chronicle.are_table_events_hidden(integer, timestamptz, text[], boolean) is
'Private. Whether changes of a table after a time are of other organizations than these, or
system-wide and these are not seen.';

revoke execute on function chronicle.are_table_events_hidden(integer, timestamptz, text[], boolean)
from public;
grant execute on function chronicle.are_table_events_hidden(integer, timestamptz, text[], boolean)
to chronicle_reader;
alter function chronicle.are_table_events_hidden(integer, timestamptz, text[], boolean)
owner to chronicle_sealer;
