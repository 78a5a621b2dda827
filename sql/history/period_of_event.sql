create or replace function chronicle.period_of_event(
    _periods chronicle.tracking_periods[], _seq bigint, _is_drifted boolean
)
returns chronicle.tracking_periods
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select _periods[
        greatest(
            least(
                (select count(*) from unnest(_periods) as p where p.from_seq <= _seq)
                + _is_drifted::integer,
                cardinality(_periods)
            ),
            1
        )
    ]
$$;

comment on function chronicle.period_of_event(
    chronicle.tracking_periods[], bigint, boolean
) is
'Private. The period whose column names an event has: of a drifted one, that which followed.
_periods: as chronicle.column_periods gives them.';

revoke execute on function chronicle.period_of_event(
    chronicle.tracking_periods[], bigint, boolean
) from public;
grant execute on function chronicle.period_of_event(
    chronicle.tracking_periods[], bigint, boolean
) to chronicle_reader;
