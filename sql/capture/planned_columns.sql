-- Labelled immutable for the reason given at chronicle.planned_relations, and discarded when that
-- is.
create or replace function chronicle.planned_columns(_table_id integer, _table regclass)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.present_columns(_table_id, c.oid)
    from pg_catalog.pg_class as c
    -- A partition may order its columns otherwise.
    where c.oid = _table and c.relkind = 'r' and chronicle.tracked_relation(_table_id) = _table
$$;

comment on function chronicle.planned_columns(integer, regclass) is
'Private. As chronicle.present_columns, for the plan of a capture function; null when _table is not
the tracked table, or is partitioned.';

revoke execute on function chronicle.planned_columns(integer, regclass) from public;
grant execute on function chronicle.planned_columns(integer, regclass)
to chronicle_writer, chronicle_table_reader;
