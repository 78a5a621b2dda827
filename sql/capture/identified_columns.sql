-- A column is the one it was when it has its attribute number; in a restored database, where
-- numbers are given anew, when it has its name.
create or replace function chronicle.identified_columns(
    _table oid, _period chronicle.tracking_periods
)
returns table (
    column_name name, column_type text, column_number smallint, column_id integer,
    is_virtual boolean
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select
        a.attname,
        format_type(a.atttypid, a.atttypmod),
        a.attnum,
        k.column_id,
        a.attgenerated = 'v'
    from pg_catalog.pg_attribute as a
    cross join chronicle.is_known_by_oid(_period.table_id, _table) as o (is_known)
    left join unnest(_period.column_names, _period.column_numbers, _period.column_ids)
        as k (column_name, column_number, column_id)
        on case
            when o.is_known then k.column_number = a.attnum
            else k.column_name = a.attname
        end
    where a.attrelid = _table and a.attnum > 0 and not a.attisdropped
$$;

comment on function chronicle.identified_columns(oid, chronicle.tracking_periods) is
'Private. The columns that a table has now, with the number by which each was known in a period;
null for a new one. is_virtual: it is generated and not stored.';

revoke execute on function chronicle.identified_columns(oid, chronicle.tracking_periods)
from public;
grant execute on function chronicle.identified_columns(oid, chronicle.tracking_periods)
to chronicle_reader;
