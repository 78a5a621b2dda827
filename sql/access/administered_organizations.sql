-- Runs with the caller's rights: the policies of chronicle.administrators show callers their own
-- rows, and chronicle.principal() has to see who they are.
create or replace function chronicle.administered_organizations()
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(a.organization_id), '{}')
    from chronicle.administrators as a
    where a.principal = chronicle.principal() and a.organization_id is not null
$$;

comment on function chronicle.administered_organizations() is
'The organizations whose events the reader may see. Replace it, with the same signature, to answer
from the application''s own tables of members: take who is asking from chronicle.principal().';

revoke execute on function chronicle.administered_organizations() from public;
grant execute on function chronicle.administered_organizations() to chronicle_reader;
