-- The columns of the key are compared in their types, so that an index serves, and as text, since
-- '01' is no name of 1. A key that is known by its digest is looked for row by row.
create or replace function chronicle.record_condition(
    _table regclass, _table_id integer, _record_id text
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_key constant name[] := (select o.key_columns from chronicle.present_options(_table_id) as o);
    v_exactly constant text := format(
        'chronicle.fitted_id(%s) = %L', chronicle.key_expression('old', _table, v_key), _record_id
    );
    v_values jsonb;
begin
    if _record_id ~ '^sha256:' then
        return v_exactly;
    elsif cardinality(v_key) = 1 then
        v_values := jsonb_build_object(v_key[1], _record_id);
    else
        v_values := _record_id::jsonb;
    end if;
    return concat(
        (
            select string_agg(
                case
                    when v_values ->> k.name is null then format('old.%I is null', k.name)
                    else format(
                        'old.%I = %L::%s', k.name, v_values ->> k.name, c.base_type::regtype
                    )
                end || ' and ',
                ''
            )
            from unnest(v_key) as k (name)
            -- With a type that a user has made, "=" might run a function of theirs.
            inner join chronicle.capture_columns(_table, '{}') as c
                on c.column_name = k.name and not c.is_user_type and not c.is_array
        ),
        v_exactly
    );
end
$$;

comment on function chronicle.record_condition(regclass, integer, text) is
'Private. The text of a condition that finds the row old by its resource_id.';

revoke execute on function chronicle.record_condition(regclass, integer, text) from public;
grant execute on function chronicle.record_condition(regclass, integer, text)
to chronicle_reader;
