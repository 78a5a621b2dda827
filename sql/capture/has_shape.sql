-- Labelled immutable, which it is not, so that a capture function asks once a session: its plan is
-- made at the first row, and the answer is folded into it as a constant. That is when a column of
-- another type would be built into the plan; where the plan exists already, the server itself
-- raises 42804 for the row. A column that was added is noticed at every row, by a comparison there.
--
-- A partition may hold its columns in another order, so rows of a partitioned table are not
-- compared. There the second argument, a constant that names the table, makes the server discard
-- the plan, and with it the answer, when the table is altered.
create or replace function chronicle.has_shape(
    _table_id integer, _table regclass default null
)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        (
            select r.shape = chronicle.table_shape(n.relation)
            from chronicle.table_registry as r
            inner join chronicle.table_names as n on n.table_id = r.table_id
            where r.table_id = _table_id
        ),
        false
    )
$$;

comment on function chronicle.has_shape(integer, regclass) is
'Private. Whether a tracked table has the columns and types it had when its capture functions were
made. _table: not looked at.';

revoke execute on function chronicle.has_shape(integer, regclass) from public;
grant execute on function chronicle.has_shape(integer, regclass)
to chronicle_writer, chronicle_reader, chronicle_admin;
