create or replace function chronicle.options_digest(_options chronicle.table_registry)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select 'options ' || md5(chronicle.tracking_options(_options)::text)
$$;

comment on function chronicle.options_digest(chronicle.table_registry) is
'Private. What a capture function carries to show for which options it was made.';

revoke execute on function chronicle.options_digest(chronicle.table_registry) from public;
grant execute on function chronicle.options_digest(chronicle.table_registry)
to chronicle_writer, chronicle_reader, chronicle_admin;
