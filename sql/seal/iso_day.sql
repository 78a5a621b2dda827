-- Neither to_char nor the output of a date can write every day: one has no years before the first,
-- the other goes by DateStyle.
create or replace function chronicle.iso_day(_day date)
returns text
language plpgsql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
declare
    v_year integer := extract(year from _day);
begin
    -- There is no year 0; ISO 8601 has one.
    if v_year < 0 then
        v_year := v_year + 1;
    end if;
    return concat(
        case when v_year < 0 then '-' end,
        lpad(abs(v_year)::text, greatest(4, length(abs(v_year)::text)), '0'), '-',
        lpad(extract(month from _day)::text, 2, '0'), '-',
        lpad(extract(day from _day)::text, 2, '0')
    );
end
$$;

comment on function chronicle.iso_day(date) is
'Private. A day as in ISO 8601, before the first year and behind 9999 too: 2026-11-20,
-0043-03-15.';

revoke execute on function chronicle.iso_day(date) from public;
grant execute on function chronicle.iso_day(date) to chronicle_sealer, chronicle_auditor;
