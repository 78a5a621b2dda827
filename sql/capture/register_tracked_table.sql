-- Runs as the owner of the registry. It trusts nothing that chronicle.enable_tracking checked
-- before, as every administrator may call it. The row and the event that tells of it are one.
create or replace function chronicle.register_tracked_table(
    _table regclass,
    _resource_type text,
    _organization_column name,
    _exclude_columns name[],
    _mask_columns name[]
)
returns chronicle.table_registry
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_schema_name name;
    v_table_name name;
    v_table_id integer;
    v_columns name[];
    v_key name[];
    v_unknown name;
    v_before chronicle.table_registry;
    v_options chronicle.table_registry;
begin
    select n.nspname, c.relname into strict v_schema_name, v_table_name
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.oid = _table;
    perform chronicle.check_trackable(_table);
    perform chronicle.check_owner_consents(_table);

    v_columns := array(select c.column_name from chronicle.capture_columns(_table, '{}') as c);
    v_key := array(
        select a.attname
        from pg_catalog.pg_index as i
        cross join lateral unnest(i.indkey::smallint[]) with ordinality as k (attnum, place)
        inner join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
        where i.indrelid = _table and i.indisprimary and k.place <= i.indnkeyatts
        order by k.place
    );
    if _mask_columns is null then
        _mask_columns := array(
            select c.name
            from unnest(v_columns) as c (name)
            where c.name ~* ('^' || chronicle.masked_key() || '$')
                and c.name <> all(v_key || coalesce(_exclude_columns, '{}'))
        );
    end if;
    _exclude_columns := coalesce(_exclude_columns, '{}');

    select u.name into v_unknown
    from unnest(
        _exclude_columns || _mask_columns || array_remove(array[_organization_column], null)
    ) as u (name)
    where u.name <> all(v_columns)
    limit 1;
    if found then
        raise exception 'column "%" of table % does not exist', v_unknown, _table
            using errcode = 'undefined_column',
                hint = format('It has: %s.', array_to_string(v_columns, ', '));
    end if;
    select k.name into v_unknown
    from unnest(v_key) as k (name)
    where k.name = any(_exclude_columns || _mask_columns)
    limit 1;
    if found then
        raise exception 'column "%" is part of the primary key of %', v_unknown, _table
            using errcode = 'invalid_parameter_value',
                hint = 'The key names the record in the log: '
                    'it can be neither excluded nor masked.';
    end if;

    if _organization_column = any(_mask_columns || _exclude_columns) then
        raise exception 'column "%" holds the organization', _organization_column
            using errcode = 'invalid_parameter_value',
                detail = 'Its value is the organization_id of every event.',
                hint = 'Neither mask nor exclude it, or take the organization from the context.';
    end if;

    -- A table of the same name as one that is no longer tracked goes on with its history, unless
    -- that one was renamed and is tracked under its new name.
    v_table_id := coalesce(
        chronicle.tracked_table_id(_table),
        (
            select max(r.table_id)
            from chronicle.table_registry as r
            where r.schema_name = v_schema_name
                and r.table_name = v_table_name
                and not exists (
                    select
                    from pg_catalog.pg_trigger as t
                    inner join pg_catalog.pg_proc as p on p.oid = t.tgfoid
                    where p.pronamespace = 'chronicle_capture'::regnamespace
                        and p.proname like format('capture\_%s\_%%', r.table_id)
                )
        )
    );
    if v_table_id is null then
        insert into chronicle.table_registry (
            schema_name, table_name, resource_type, excluded_columns, masked_columns,
            captured_columns, key_columns, shape
        )
        values (v_schema_name, v_table_name, 'new', '{}', '{}', '{}', '{}', '{}')
        returning table_id into v_table_id;
    else
        select * into v_before
        from chronicle.table_registry as r
        where r.table_id = v_table_id and r.tracked_until is null;
    end if;

    update chronicle.table_registry as r
    set
        schema_name = v_schema_name,
        table_name = v_table_name,
        resource_type = coalesce(
            _resource_type,
            case when v_schema_name = 'public' then '' else v_schema_name || '.' end || v_table_name
        ),
        organization_column = _organization_column,
        excluded_columns = _exclude_columns,
        masked_columns = _mask_columns,
        captured_columns = array(
            select c.name from unnest(v_columns) as c (name) where c.name <> all(_exclude_columns)
        ),
        key_columns = v_key,
        shape = chronicle.table_shape(_table),
        tracked_since = case
            when r.tracked_until is null then r.tracked_since else clock_timestamp()
        end,
        tracked_until = null
    where r.table_id = v_table_id
    returning r.* into v_options;

    if v_before.table_id is null
        or chronicle.tracking_options(v_before) <> chronicle.tracking_options(v_options)
        or not chronicle.has_capture_triggers(_table)
    then
        perform chronicle.log_management_event(
            case
                when v_before.table_id is null then 'create' else 'update'
            end::chronicle.action_type,
            'chronicle.tracking.' || case
                when v_before.table_id is null then 'enable' else 'update'
            end,
            'chronicle.tracked_table',
            format('%I.%I', v_schema_name, v_table_name),
            case when v_before.table_id is not null then chronicle.tracking_options(v_before) end,
            chronicle.tracking_options(v_options)
        );
    end if;
    return v_options;
end
$$;

comment on function chronicle.register_tracked_table(regclass, text, name, name[], name[]) is
'Private. Enters a table and its options into the registry, records that, and returns the row.
Errors: 42501 unless the owner consents; 42703 for an unknown column; 22023 for a key column that is
excluded or masked; 42809 as chronicle.check_trackable.';

revoke execute on function chronicle.register_tracked_table(regclass, text, name, name[], name[])
from public;
grant execute on function chronicle.register_tracked_table(regclass, text, name, name[], name[])
to chronicle_admin;
