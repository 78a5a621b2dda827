-- Runs as its caller, who needs SELECT on the table.
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
    v_images jsonb[];
begin
    execute format(
        'select array_agg(r.image) from (%s where %s) as r',
        chronicle.live_row_query(_table, _table_id),
        chronicle.record_condition(_table, _table_id, _record_id)
    )
    into v_images;
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
