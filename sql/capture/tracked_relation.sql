-- Through any of the row triggers, so that a table is found that has lost some of them. If somebody
-- has put a function on another table as well, the one that it was made for counts. Reads no view,
-- as a session may forbid itself those.
create or replace function chronicle.tracked_relation(_table_id integer)
returns oid
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select r.relation
    from (
        select t.tgrelid as relation, count(*) over () as candidates
        from pg_catalog.pg_proc as p
        -- No index leads from a function to its triggers, but their dependency on it has one.
        inner join pg_catalog.pg_depend as d
            on d.refclassid = 'pg_catalog.pg_proc'::regclass
            and d.refobjid = p.oid
            and d.classid = 'pg_catalog.pg_trigger'::regclass
        inner join pg_catalog.pg_trigger as t on t.oid = d.objid and t.tgfoid = p.oid
        where p.pronamespace = 'chronicle_capture'::regnamespace
            and p.proname in (
                format('capture_%s_insert', _table_id), format('capture_%s_update', _table_id),
                format('capture_%s_delete', _table_id)
            )
            -- Not the copies on partitions.
            and t.tgparentid = 0
            and t.tgname in ('!chronicle_insert', '!chronicle_update', '!chronicle_delete')
        group by t.tgrelid
    ) as r
    -- A function's text is long, so it is not looked into without need.
    order by r.candidates > 1 and not chronicle.is_known_by_oid(_table_id, r.relation), r.relation
    limit 1
$$;

comment on function chronicle.tracked_relation(integer) is
'Private. The oid of the table that is tracked by this table_id; null when no trigger captures its
rows.';

revoke execute on function chronicle.tracked_relation(integer) from public;
grant execute on function chronicle.tracked_relation(integer)
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;
