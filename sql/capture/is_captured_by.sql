create or replace function chronicle.is_captured_by(_relation oid, _table_id integer)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        coalesce(pg_partition_root(_relation), _relation) = chronicle.tracked_relation(_table_id)
        and chronicle.has_shape(_table_id),
        false
    )
$$;

comment on function chronicle.is_captured_by(oid, integer) is
'Private. Whether a relation is a tracked table or a partition of it, and that has the columns and
types it had when its capture functions were made.';

revoke execute on function chronicle.is_captured_by(oid, integer) from public;
grant execute on function chronicle.is_captured_by(oid, integer)
to chronicle_writer, chronicle_table_reader;
