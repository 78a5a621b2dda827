-- What capture relies on: of a type that a user has made, or a domain, not the name, which may be
-- given to another one, but the built-in type that it stands for; and for a type of no such kind
-- that it is one, as its values are told by their output function whatever it is.
create or replace function chronicle.table_shape(_table regclass)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
    select coalesce(
        array_agg(
            format('%I %s', a.attname, a.atttypid::regtype) || case
                when a.atttypid < 16384 then ''
                when c.is_user_type then ' = ?'
                else format(
                    ' = %s%s', c.base_type::regtype, case when c.is_array then '[]' end
                )
            end
            order by a.attnum
        ),
        '{}'
    )
    from pg_catalog.pg_attribute as a
    left join chronicle.capture_columns(_table, '{}') as c on c.column_name = a.attname
    where a.attrelid = _table and a.attnum > 0 and not a.attisdropped
$$;

comment on function chronicle.table_shape(regclass) is
'Private. The columns of a table with their types and what these stand for, in order.';

revoke execute on function chronicle.table_shape(regclass) from public;
grant execute on function chronicle.table_shape(regclass)
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;
