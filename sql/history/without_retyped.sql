create or replace function chronicle.without_retyped(
    _image jsonb, _from chronicle.tracking_periods, _to chronicle.tracking_periods
)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when _from.column_types = _to.column_types then _image
        else _image - array(
            select f.column_name::text
            from unnest(_from.column_names, _from.column_types, _from.column_ids)
                as f (column_name, column_type, column_id)
            inner join unnest(_to.column_types, _to.column_ids) as t (column_type, column_id)
                on t.column_id = f.column_id
            where t.column_type <> f.column_type
        )
    end
$$;

comment on function chronicle.without_retyped(
    jsonb, chronicle.tracking_periods, chronicle.tracking_periods
) is
'Private. An image without the columns whose type is another in the other period.';

revoke execute on function chronicle.without_retyped(
    jsonb, chronicle.tracking_periods, chronicle.tracking_periods
) from public;
grant execute on function chronicle.without_retyped(
    jsonb, chronicle.tracking_periods, chronicle.tracking_periods
) to chronicle_reader;
