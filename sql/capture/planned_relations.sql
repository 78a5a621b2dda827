-- Labelled immutable, which it is not, so that a capture function asks once: its plan is made at
-- the first row of a session, and the answer is folded into it as a constant. _table is a constant
-- that names the table by its oid: the server notes that the plan depends on that table, and
-- discards the plan, and with it the answer, when the table is altered or a partition comes or
-- goes.
--
-- After a dump and restore the constant names another table, or none. Then the answer is null, and
-- the catalog is asked at each row, until chronicle.refresh_tracking is called.
create or replace function chronicle.planned_relations(_table_id integer, _table regclass)
returns oid[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when chronicle.tracked_relation(_table_id) is distinct from _table then null
        when not chronicle.has_shape(_table_id) then '{}'
        else array(
            select _table::oid
            union
            select p.relid::oid from pg_partition_tree(_table) as p
        )
    end
$$;

comment on function chronicle.planned_relations(integer, regclass) is
'Private. For the plan of a capture function: the tracked table and its partitions, none when they
have other columns or types than when the function was made; null when _table is not the tracked
table.';

revoke execute on function chronicle.planned_relations(integer, regclass) from public;
grant execute on function chronicle.planned_relations(integer, regclass)
to chronicle_writer, chronicle_table_reader;
