create or replace function chronicle.has_options(_table_id integer)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select
        from chronicle.table_registry as r
        inner join pg_catalog.pg_proc as p
            on p.pronamespace = 'chronicle_capture'::regnamespace
            and p.proname = format('capture_%s_insert', r.table_id)
        where r.table_id = _table_id
            and position(chronicle.options_digest(r) in p.prosrc) > 0
    )
$$;

comment on function chronicle.has_options(integer) is
'Private. Whether the capture functions of a table were made for the options in the registry.';

revoke execute on function chronicle.has_options(integer) from public;
grant execute on function chronicle.has_options(integer) to chronicle_reader, chronicle_admin;
