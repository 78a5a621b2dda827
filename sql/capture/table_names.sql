-- Names are those of today, found through the triggers; the registry's serve where the table is
-- gone. Looked up table by table, so that the planner knows how many rows to expect.
create view chronicle.table_names as
select
    r.table_id,
    t.relation,
    coalesce(n.nspname, r.schema_name) as schema_name,
    coalesce(c.relname, r.table_name) as table_name
from chronicle.table_registry as r
left join lateral (
    select g.tgrelid as relation
    from pg_catalog.pg_proc as p
    inner join pg_catalog.pg_trigger as g on g.tgfoid = p.oid
    where
        p.pronamespace = (
            select s.oid
            from pg_catalog.pg_namespace as s
            where s.nspname = 'chronicle_capture'
        )
        and p.proname in (
            'capture_' || r.table_id || '_insert', 'capture_' || r.table_id || '_update',
            'capture_' || r.table_id || '_delete'
        )
        and g.tgparentid = 0
        and g.tgname in ('!chronicle_insert', '!chronicle_update', '!chronicle_delete')
    order by
        position(format('(%s, %L)', r.table_id, g.tgrelid) in p.prosrc) = 0,
        g.tgrelid
    limit 1
) as t on true
left join pg_catalog.pg_class as c on c.oid = t.relation
left join pg_catalog.pg_namespace as n on n.oid = c.relnamespace;

comment on view chronicle.table_names is
'Private. What the tables of the registry are called today.';
comment on column chronicle.table_names.table_id is
'As in chronicle.table_registry.';
comment on column chronicle.table_names.relation is
'Oid of the table; null when no capture trigger stands.';
comment on column chronicle.table_names.schema_name is
'Schema of the table.';
comment on column chronicle.table_names.table_name is
'Name of the table.';

revoke all on chronicle.table_names from public;
grant select on chronicle.table_names
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;
