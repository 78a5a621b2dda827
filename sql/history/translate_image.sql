create or replace function chronicle.translate_image(
    _image jsonb, _from chronicle.tracking_periods, _to chronicle.tracking_periods
)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when _image is null or _from.from_seq = _to.from_seq then _image
        else (
            select coalesce(jsonb_object_agg(t.column_name, _image -> f.column_name), '{}')
            from unnest(_from.column_names, _from.column_ids) as f (column_name, column_id)
            inner join unnest(_to.column_names, _to.column_ids) as t (column_name, column_id)
                on t.column_id = f.column_id
            where _image ? f.column_name::text
        )
    end
$$;

comment on function chronicle.translate_image(
    jsonb, chronicle.tracking_periods, chronicle.tracking_periods
) is
'Private. An image under the column names of another period, without the columns that it has not.';

revoke execute on function chronicle.translate_image(
    jsonb, chronicle.tracking_periods, chronicle.tracking_periods
) from public;
grant execute on function chronicle.translate_image(
    jsonb, chronicle.tracking_periods, chronicle.tracking_periods
) to chronicle_reader;
