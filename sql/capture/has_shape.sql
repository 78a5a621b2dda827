-- Labelled immutable, which it is not, so that a capture function asks once: its plan is made at
-- the first row of a session, and the answer is folded into it as a constant. _table is a constant
-- that names the table by its oid: the server notes that the plan depends on that table, and
-- discards the plan, and with it the answer, when the table is altered.
--
-- After a dump and restore the constant names another table, or none. Then the answer is null, and
-- the capture function compares each row with the columns that it knows.
create or replace function chronicle.has_shape(_table_id integer, _table regclass)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select r.shape = chronicle.table_shape(n.relation)
    from chronicle.table_registry as r
    inner join chronicle.table_names as n on n.table_id = r.table_id
    where r.table_id = _table_id and n.relation = _table
$$;

comment on function chronicle.has_shape(integer, regclass) is
'Private. Whether a tracked table has the columns and types it had when its capture functions were
made; null when _table is not that table.';

revoke execute on function chronicle.has_shape(integer, regclass) from public;
grant execute on function chronicle.has_shape(integer, regclass)
to chronicle_writer, chronicle_reader, chronicle_admin;
