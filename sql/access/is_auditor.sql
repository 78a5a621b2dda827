create or replace function chronicle.is_auditor()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select pg_has_role(current_user, 'chronicle_auditor', 'USAGE')
$$;

comment on function chronicle.is_auditor() is
'Whether the role of the query has the rights of chronicle_auditor, who reads every event.';

revoke execute on function chronicle.is_auditor() from public;
grant execute on function chronicle.is_auditor() to chronicle_reader;
