-- Labelled immutable, which it is not, so that a capture function asks once a session: its plan is
-- made at the first row, and the answer is folded into it as a constant. That is when a column of
-- another type would be built into the plan; where the plan exists already, the server itself
-- raises 42804 for the row. A column that was added is noticed at every row, by a comparison there.
create or replace function chronicle.has_shape(_table_id integer)
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

comment on function chronicle.has_shape(integer) is
'Private. Whether a tracked table has the columns and types it had when its capture functions were
made.';

revoke execute on function chronicle.has_shape(integer) from public;
grant execute on function chronicle.has_shape(integer)
to chronicle_writer, chronicle_reader, chronicle_admin;
