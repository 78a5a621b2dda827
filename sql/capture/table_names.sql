-- Names are those of today, found through the triggers; the registry's serve where the table is
-- gone. Looked up table by table, so that the planner knows how many rows to expect.
create view chronicle.table_names as
select
    r.table_id,
    t.relation,
    coalesce(n.nspname, r.schema_name) as schema_name,
    coalesce(c.relname, r.table_name) as table_name
from chronicle.table_registry as r
cross join chronicle.tracked_relation(r.table_id) as t (relation)
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
