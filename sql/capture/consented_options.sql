create or replace function chronicle.consented_options(_table regclass, _table_id integer)
returns chronicle.table_registry
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_options chronicle.table_registry;
begin
    perform chronicle.check_owner_consents(_table);
    select r.* into v_options
    from chronicle.table_registry as r
    inner join pg_catalog.pg_namespace as n on n.nspname = r.schema_name
    inner join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = r.table_name
    where r.table_id = _table_id
        and r.tracked_until is null
        and c.oid = _table
        and coalesce(chronicle.tracked_table_id(_table), _table_id) = _table_id;
    if not found then
        raise exception '% is not registered as %', _table, _table_id
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'Call chronicle.enable_tracking, not what it calls.';
    end if;
    return v_options;
end
$$;

comment on function chronicle.consented_options(regclass, integer) is
'Private. How a table is to be tracked, when its owner has asked for that.
Errors: 42501 unless the owner consents; 55000 for another table than the registered one.';

revoke execute on function chronicle.consented_options(regclass, integer) from public;
grant execute on function chronicle.consented_options(regclass, integer)
to chronicle_writer, chronicle_table_reader;
