create or replace function chronicle.present_image(
    _image jsonb, _seq bigint, _columns jsonb, _periods chronicle.tracking_periods[]
)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.translate_image(
        case when _columns is not null then chronicle.typed_image(_image, e.period) else _image end,
        e.period,
        _periods[cardinality(_periods)]
    )
    from (
        select chronicle.period_of_event(_periods, _seq, _columns) as period
    ) as e
$$;

comment on function chronicle.present_image(
    jsonb, bigint, jsonb, chronicle.tracking_periods[]
) is
'Private. An image of an event under the present names of the table''s columns.
_periods: as chronicle.column_periods gives them.';

revoke execute on function chronicle.present_image(
    jsonb, bigint, jsonb, chronicle.tracking_periods[]
) from public;
grant execute on function chronicle.present_image(
    jsonb, bigint, jsonb, chronicle.tracking_periods[]
) to chronicle_reader;
