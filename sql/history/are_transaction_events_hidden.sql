-- Runs as the sealer, who reads every event, and tells yes or no: only so can it be known that some
-- are hidden.
create or replace function chronicle.are_transaction_events_hidden(
    _transaction_id bigint, _epoch integer, _organizations text[], _sees_system boolean
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
        where e.transaction_id = _transaction_id
            and e.epoch = _epoch
            and e.origin = 'captured'
            and not coalesce(e.organization_id = any(_organizations), _sees_system)
    )
$$;

comment on function chronicle.are_transaction_events_hidden(bigint, integer, text[], boolean) is
'Private. Whether changes of a transaction are of other organizations than these, or system-wide
and these are not seen.';

revoke execute on function chronicle.are_transaction_events_hidden(bigint, integer, text[], boolean)
from public;
grant execute on function chronicle.are_transaction_events_hidden(bigint, integer, text[], boolean)
to chronicle_reader;
alter function chronicle.are_transaction_events_hidden(bigint, integer, text[], boolean)
owner to chronicle_sealer;
