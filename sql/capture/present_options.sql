-- How a table would be tracked if its owner called chronicle.enable_tracking now and meant the same
-- as before: options follow columns that were renamed and forget those that were dropped, and a new
-- column whose name asks for it is masked.
create or replace function chronicle.present_options(_table_id integer)
returns chronicle.table_registry
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_options chronicle.table_registry;
    v_table constant regclass := chronicle.tracked_relation(_table_id);
    v_columns name[];
    v_names jsonb;
begin
    select r.* into strict v_options
    from chronicle.table_registry as r
    where r.table_id = _table_id;
    v_columns := array(
        select a.attname
        from pg_catalog.pg_attribute as a
        where a.attrelid = v_table and a.attnum > 0 and not a.attisdropped
    );
    v_names := (
        select coalesce(jsonb_object_agg(n.column_name, n.present_name), '{}')
        from chronicle.renamed_columns(_table_id) as n
    );

    v_options.masked_columns := array(
        select c.name
        from unnest(v_columns) as c (name)
        where c.name in (
            select coalesce(v_names ->> m.name, m.name)
            from unnest(v_options.masked_columns) as m (name)
        )
        or c.name ~* ('^' || chronicle.masked_key() || '$')
        and c.name not in (
            select coalesce(v_names ->> k.name, k.name)
            from unnest(v_options.captured_columns || v_options.excluded_columns) as k (name)
        )
    );
    v_options.excluded_columns := array(
        select e.name
        from (
            select coalesce(v_names ->> x.name, x.name)::name as name
            from unnest(v_options.excluded_columns) as x (name)
        ) as e
        where e.name = any(v_columns)
    );
    v_options.organization_column := (
        select c.name
        from unnest(v_columns) as c (name)
        where c.name
            = coalesce(v_names ->> v_options.organization_column, v_options.organization_column)
    );
    v_options.key_columns := case
        when chronicle.primary_key_columns(v_table) <> '{}'
            then chronicle.primary_key_columns(v_table)
        else array(
            select coalesce(v_names ->> k.name, k.name)::name
            from unnest(v_options.key_columns) with ordinality as k (name, place)
            where coalesce(v_names ->> k.name, k.name)::name = any(v_columns)
            order by k.place
        )
    end;
    return v_options;
end
$$;

comment on function chronicle.present_options(integer) is
'Private. The options of a tracked table, carried over to the columns that it has now.';

revoke execute on function chronicle.present_options(integer) from public;
grant execute on function chronicle.present_options(integer) to chronicle_reader, chronicle_admin;
