-- Neither to_char nor the output of a date can write every day: one has no years before the first,
-- the other goes by DateStyle.
create or replace function chronicle.iso_day(_day date)
returns text
language sql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
    select format(
        '%s%s-%s-%s',
        case when y.number < 0 then '-' end,
        lpad(abs(y.number)::text, greatest(4, length(abs(y.number)::text)), '0'),
        lpad(extract(month from _day)::text, 2, '0'),
        lpad(extract(day from _day)::text, 2, '0')
    )
    from (
        -- There is no year 0; ISO 8601 has one.
        select case
            when extract(year from _day) < 0 then extract(year from _day) + 1
            else extract(year from _day)
        end as number
    ) as y
$$;

comment on function chronicle.iso_day(date) is
'Private. A day as in ISO 8601, before the first year and behind 9999 too: 2026-11-20,
-0043-03-15.';

revoke execute on function chronicle.iso_day(date) from public;
grant execute on function chronicle.iso_day(date) to chronicle_sealer, chronicle_auditor;
