-- For readers, who have no right on the table: they may see what some of its rows are about.
create or replace function chronicle.erased_digest(_event_id uuid)
returns bytea
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select x.payload_digest from chronicle.erasures as x where x.event_id = _event_id
$$;

comment on function chronicle.erased_digest(uuid) is
'Private. The digest of the payload that an event had before it was erased; null when it was not.';

revoke execute on function chronicle.erased_digest(uuid) from public;
grant execute on function chronicle.erased_digest(uuid) to chronicle_reader;
alter function chronicle.erased_digest(uuid) owner to chronicle_sealer;
