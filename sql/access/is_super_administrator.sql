-- Runs with the caller's rights, as chronicle.administered_organizations does.
create or replace function chronicle.is_super_administrator()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select from chronicle.administrators as a
        where a.principal = chronicle.principal() and a.organization_id is null
    )
$$;

comment on function chronicle.is_super_administrator() is
'Whether the reader may see system-wide events. Replace it as
chronicle.administered_organizations.';

revoke execute on function chronicle.is_super_administrator() from public;
grant execute on function chronicle.is_super_administrator() to chronicle_reader;
