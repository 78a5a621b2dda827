-- Runs as the sealer, who reads every event, and tells yes or no: only so can it be known that some
-- are hidden.
create or replace function chronicle.are_record_events_hidden(
    _table_id integer, _record_id text, _organizations text[], _sees_system boolean
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
        where (
            e.resource_id = _record_id
            or e.related_resources is not null
            and e.related_resources -> 0 ->> 'resource_id' = _record_id
            and e.related_resources -> 0 ->> 'relation' = 'previous_key'
        )
            and e.table_id = _table_id
            and e.origin in ('captured', 'snapshot')
            and not coalesce(e.organization_id = any(_organizations), _sees_system)
    )
$$;

comment on function chronicle.are_record_events_hidden(integer, text, text[], boolean) is
'Private. Whether events of a record are of other organizations than these, or system-wide and
these are not seen. Of changes that gave it this key, or took it.';

revoke execute on function chronicle.are_record_events_hidden(integer, text, text[], boolean)
from public;
grant execute on function chronicle.are_record_events_hidden(integer, text, text[], boolean)
to chronicle_reader;
alter function chronicle.are_record_events_hidden(integer, text, text[], boolean)
owner to chronicle_sealer;
