create or replace function chronicle.partition_name(_interval text, _from timestamptz)
returns name
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select to_char(
        _from at time zone 'UTC',
        case _interval
            when 'day' then '"events_"YYYY_MM_DD'
            when 'week' then '"events_"IYYY"_w"IW'
            when 'month' then '"events_"YYYY_MM'
            when 'quarter' then '"events_"YYYY"_q"Q'
        end
    )::name
$$;

comment on function chronicle.partition_name(text, timestamptz) is
'Private. The name of a partition that begins at a time, in UTC: events_2026_11_20, events_2026_w47,
events_2026_11 or events_2026_q4.';

revoke execute on function chronicle.partition_name(text, timestamptz) from public;
