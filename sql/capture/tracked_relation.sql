-- Through any of the row triggers, so that a table is found that has lost some of them. If somebody
-- has put a function on another table as well, the one that it was made for counts. Asks the
-- catalogs, not chronicle.table_names: a session may forbid itself views.
create or replace function chronicle.tracked_relation(_table_id integer)
returns oid
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select t.tgrelid
    from pg_catalog.pg_proc as p
    inner join pg_catalog.pg_trigger as t on t.tgfoid = p.oid
    where p.pronamespace = 'chronicle_capture'::regnamespace
        and p.proname in (
            format('capture_%s_insert', _table_id), format('capture_%s_update', _table_id),
            format('capture_%s_delete', _table_id)
        )
        -- Not the copies on partitions.
        and t.tgparentid = 0
        and t.tgname in ('!chronicle_insert', '!chronicle_update', '!chronicle_delete')
    order by position(format('(%s, %L)', _table_id, t.tgrelid) in p.prosrc) = 0, t.tgrelid
    limit 1
$$;

comment on function chronicle.tracked_relation(integer) is
'Private. The oid of the table that is tracked by this table_id; null when no trigger captures its
rows.';

revoke execute on function chronicle.tracked_relation(integer) from public;
grant execute on function chronicle.tracked_relation(integer)
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;
