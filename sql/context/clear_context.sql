create or replace function chronicle.clear_context()
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
    select set_config('chronicle.context', '', true)
$$;

comment on function chronicle.clear_context() is
'Forgets what chronicle.set_context said, for the rest of the transaction.';

revoke execute on function chronicle.clear_context() from public;
grant execute on function chronicle.clear_context() to chronicle_app, chronicle_reader;
