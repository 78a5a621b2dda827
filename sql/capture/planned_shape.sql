-- Labelled immutable, which it is not, so that a capture function asks once: its plan is made at
-- the first row of a session, and the answer is folded into it as a constant. _table is a constant
-- that names the table by its oid: the server notes that the plan depends on that table, and
-- discards the plan, and with it the answer, when the table is altered.
--
-- After a dump and restore the constant names another table, or none. Then the answer is null, and
-- each row has to be looked at, until chronicle.enable_tracking is called again.
create or replace function chronicle.planned_shape(_table_id integer, _table regclass)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when chronicle.tracked_relation(_table_id) = _table then chronicle.has_shape(_table_id)
    end
$$;

comment on function chronicle.planned_shape(integer, regclass) is
'Private. As chronicle.has_shape, for the plan of a capture function; null when _table is not the
tracked table.';

revoke execute on function chronicle.planned_shape(integer, regclass) from public;
grant execute on function chronicle.planned_shape(integer, regclass)
to chronicle_writer, chronicle_table_reader;
