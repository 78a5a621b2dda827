-- Runs as its caller. One query, so that the table and the log are read as of one moment.
-- Rows that no later change concerns are taken from the table; of the others, the later changes are
-- taken back.
create or replace function chronicle.rows_as_of(_row anyelement, _at timestamptz)
returns setof anyelement
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
set array_nulls = on
set xmloption = 'content'
as $$
declare
    v_table constant regclass := chronicle.table_of(pg_typeof(_row));
    v_table_id constant integer := chronicle.table_with_history(v_table);
begin
    perform chronicle.check_time_is_known(v_table, v_table_id, _at);
    perform chronicle.check_changes_are_known(v_table, v_table_id, _at);
    begin
        return query execute chronicle.as_of_query(v_table, v_table_id, _at);
    exception when data_exception or check_violation or not_null_violation then
        raise exception 'rows of % as of % do not fit its present columns', v_table, _at
            using errcode = sqlstate,
                detail = sqlerrm,
                hint = 'A type has changed since. chronicle.record_as_of gives a record as JSON.';
    end;
end
$$;

comment on function chronicle.rows_as_of(anyelement, timestamptz) is
'A table as it stood at a time, in its present columns:
select * from chronicle.rows_as_of(null::shop.orders, ''2026-03-01''). Columns that have been added
since hold what they were added with; those that are excluded or masked are null. A time means what
had been done by then, by the clock of each change, not what had been committed. Rows of tables
that inherit are not among them. Runs with the caller''s rights.
_row: anything of the table''s row type. _at: the time.
Errors: ZC007 when that can not be known: before tracking began or was interrupted, over a truncate
without its rows, over events without values; 42501 when row-level security hides events or rows
from the caller; ZC005 for a table that never was tracked; 55000 for one without a key.';

revoke execute on function chronicle.rows_as_of(anyelement, timestamptz) from public;
grant execute on function chronicle.rows_as_of(anyelement, timestamptz) to chronicle_reader;
