-- Labelled immutable for the reason given at chronicle.planned_shape, and discarded when that is.
create or replace function chronicle.planned_columns(_table_id integer, _table regclass)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.present_columns(n.table_id, _table)
    from chronicle.table_names as n
    inner join pg_catalog.pg_class as c on c.oid = n.relation
    -- A partition may order its columns otherwise.
    where n.table_id = _table_id and n.relation = _table and c.relkind = 'r'
$$;

comment on function chronicle.planned_columns(integer, regclass) is
'Private. As chronicle.present_columns, for the plan of a capture function; null when _table is not
the tracked table, or is partitioned.';

revoke execute on function chronicle.planned_columns(integer, regclass) from public;
grant execute on function chronicle.planned_columns(integer, regclass)
to chronicle_writer, chronicle_table_reader;
