create or replace function chronicle.tracking_options(_options chronicle.table_registry)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select to_jsonb(_options) - array['schema_name', 'table_name', 'tracked_since', 'tracked_until']
$$;

comment on function chronicle.tracking_options(chronicle.table_registry) is
'Private. How a table is tracked, as events tell it.';

revoke execute on function chronicle.tracking_options(chronicle.table_registry) from public;
grant execute on function chronicle.tracking_options(chronicle.table_registry)
to chronicle_writer, chronicle_reader, chronicle_admin;
