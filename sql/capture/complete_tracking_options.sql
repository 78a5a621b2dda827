create or replace function chronicle.complete_tracking_options(
    _table regclass, _options chronicle.table_registry
)
returns chronicle.table_registry
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_columns constant name[] := array(
        select c.column_name from chronicle.capture_columns(_table, '{}') as c
    );
    v_primary_key constant name[] := chronicle.primary_key_columns(_table);
    v_options chronicle.table_registry := _options;
    v_column name;
begin
    select n.nspname, c.relname into strict v_options.schema_name, v_options.table_name
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.oid = _table;

    if v_primary_key <> '{}' and v_options.key_columns <> v_primary_key then
        raise exception '% has a primary key: %', _table, array_to_string(v_primary_key, ', ')
            using errcode = 'invalid_parameter_value',
                hint = '_key_columns is for tables without one; leave it out.';
    end if;
    v_options.key_columns := coalesce(nullif(v_primary_key, '{}'), v_options.key_columns, '{}');
    v_options.excluded_columns := coalesce(v_options.excluded_columns, '{}');
    if v_options.masked_columns is null then
        v_options.masked_columns := array(
            select c.name
            from unnest(v_columns) as c (name)
            where c.name ~* ('^' || chronicle.masked_key() || '$')
                and c.name <> all(v_options.key_columns || v_options.excluded_columns)
        );
    end if;

    select u.name into v_column
    from unnest(
        v_options.excluded_columns || v_options.masked_columns || v_options.key_columns
        || array_remove(array[v_options.organization_column], null)
    ) as u (name)
    where u.name is null or u.name <> all(v_columns)
    limit 1;
    if found then
        raise exception 'column "%" of table % does not exist', v_column, _table
            using errcode = 'undefined_column',
                hint = format('It has: %s.', array_to_string(v_columns, ', '));
    end if;

    select k.name into v_column
    from unnest(v_options.key_columns) as k (name)
    group by k.name
    having count(*) > 1
    limit 1;
    if found then
        raise exception 'column "%" is named twice in _key_columns', v_column
            using errcode = 'invalid_parameter_value', hint = 'Name each column once.';
    end if;
    select k.name into v_column
    from unnest(v_options.key_columns) as k (name)
    where k.name = any(v_options.excluded_columns || v_options.masked_columns)
    limit 1;
    if found then
        raise exception 'column "%" is part of the key of %', v_column, _table
            using errcode = 'invalid_parameter_value',
                hint = 'The key names the record in the log: '
                    'it can be neither excluded nor masked.';
    end if;
    if v_options.organization_column
        = any(v_options.masked_columns || v_options.excluded_columns)
    then
        raise exception 'column "%" holds the organization', v_options.organization_column
            using errcode = 'invalid_parameter_value',
                detail = 'Its value is the organization_id of every event.',
                hint = 'Neither mask nor exclude it, or take the organization from the context.';
    end if;

    v_options.resource_type := coalesce(
        v_options.resource_type,
        case when v_options.schema_name = 'public' then '' else v_options.schema_name || '.' end
        || v_options.table_name
    );
    if starts_with(v_options.resource_type, 'chronicle.') then
        raise exception 'the name % is reserved', v_options.resource_type
            using errcode = 'reserved_name',
                detail = 'Events about "chronicle." tell what was done to pgchronicle itself.',
                hint = 'Give another _resource_type.';
    end if;
    v_options.captured_columns := array(
        select c.name
        from unnest(v_columns) as c (name)
        where c.name <> all(v_options.excluded_columns)
    );
    v_options.truncate := coalesce(v_options.truncate, 'rows');
    v_options.requires_actor := coalesce(v_options.requires_actor, false);
    -- Without a key, the whole row is all there is to tell which one it was.
    v_options.capture := case
        when v_options.key_columns = '{}' then 'full'
        else coalesce(v_options.capture, 'changes')
    end;
    v_options.shape := chronicle.table_shape(_table);
    return v_options;
end
$$;

comment on function chronicle.complete_tracking_options(regclass, chronicle.table_registry) is
'Private. How a table is to be tracked: what was asked for, the rest by default.
Errors: 42939 for a reserved resource type; 42703 for an unknown column; 22023 for a key column that
is excluded or masked, for an organization column that is, and for other key columns than the
primary key''s.';

revoke execute on function chronicle.complete_tracking_options(regclass, chronicle.table_registry)
from public;
