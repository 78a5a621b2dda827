-- Runs with the caller's rights, or current_user would be this function's owner.
create or replace function chronicle.principal()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select current_user::text
$$;

comment on function chronicle.principal() is
'Who is reading, as far as access goes: the database role of the query. Never what a session merely
asserts.';

revoke execute on function chronicle.principal() from public;
grant execute on function chronicle.principal() to chronicle_reader, chronicle_admin;
