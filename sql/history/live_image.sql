-- Runs as its caller, who needs SELECT on the table. The columns of the key are compared in their
-- types, so that an index serves; their text is compared as well, since '01' is no name of 1.
create or replace function chronicle.live_image(
    _table regclass, _table_id integer, _record_id text
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO, YMD'
set intervalstyle = 'iso_8601'
set bytea_output = 'hex'
set lc_monetary = 'C'
set extra_float_digits = 1
set quote_all_identifiers = off
as $$
declare
    v_key constant name[] := (select o.key_columns from chronicle.present_options(_table_id) as o);
    v_values constant jsonb := case
        when _record_id ~ '^sha256:' then null
        when cardinality(v_key) = 1 then jsonb_build_object(v_key[1], _record_id)
        else _record_id::jsonb
    end;
    v_condition text;
    v_images jsonb[];
begin
    select string_agg(
        case
            when v_values ->> k.name is null then format('old.%I is null', k.name)
            else format('old.%I = %L', k.name, v_values ->> k.name)
        end,
        ' and '
    )
    into v_condition
    from unnest(v_key) as k (name);

    execute format(
        'select array_agg(r.image) from (%s%s) as r where r.record_id = $1',
        chronicle.live_row_query(_table, _table_id),
        case when v_values is not null then ' where ' || v_condition end
    )
    into v_images
    using _record_id;
    if cardinality(v_images) > 1 then
        raise exception '% rows of % have the key %', cardinality(v_images), _table, _record_id
            using errcode = 'cardinality_violation',
                detail = 'The columns that were named as the key do not tell rows apart.',
                hint = 'chronicle.row_changes has what was recorded of all of them.';
    end if;
    return v_images[1];
exception
    -- Not a value of the key's type: there is no such row.
    when invalid_text_representation or datetime_field_overflow or invalid_datetime_format
        or numeric_value_out_of_range then
        return null;
end
$$;

comment on function chronicle.live_image(regclass, integer, text) is
'Private. What stands in a table under a key, as capture would record it; null for no row.
Errors: 42501 without SELECT on the table; 21000 when several rows have the key.';

revoke execute on function chronicle.live_image(regclass, integer, text) from public;
grant execute on function chronicle.live_image(regclass, integer, text) to chronicle_reader;
