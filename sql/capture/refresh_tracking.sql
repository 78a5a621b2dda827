-- Runs as its caller, as chronicle.enable_tracking does.
create or replace function chronicle.refresh_tracking(_table regclass default null)
returns table (table_name text, outcome text)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_tracked record;
    v_options chronicle.table_registry;
begin
    if _table is not null and chronicle.tracked_table_id(_table) is null then
        perform chronicle.refuse_untracked(_table);
    end if;
    for v_tracked in
        select r.table_id, n.relation, c.relowner
        from chronicle.table_registry as r
        inner join chronicle.table_names as n on n.table_id = r.table_id
        inner join pg_catalog.pg_class as c on c.oid = n.relation
        where r.tracked_until is null
            and n.relation = coalesce(
                (
                    select t.relation
                    from chronicle.table_names as t
                    where t.table_id = chronicle.tracked_table_id(_table)
                ),
                n.relation
            )
        order by n.schema_name, n.table_name
    loop
        table_name := v_tracked.relation::regclass;
        if chronicle.is_captured_whole(v_tracked.relation)
            and chronicle.has_shape(v_tracked.table_id)
            and chronicle.has_key(v_tracked.table_id)
        then
            outcome := 'unchanged';
        elsif not pg_has_role(v_tracked.relowner, 'USAGE') then
            outcome := 'skipped: must be owner';
        else
            v_options := chronicle.present_options(v_tracked.table_id);
            perform chronicle.enable_tracking(
                v_tracked.relation, v_options.resource_type, v_options.organization_column,
                v_options.excluded_columns, v_options.masked_columns, v_options.capture,
                v_options.key_columns, v_options.truncate, v_options.requires_actor
            );
            outcome := 'refreshed';
        end if;
        return next;
    end loop;
end
$$;

comment on function chronicle.refresh_tracking(regclass) is
'Takes up how tracked tables have changed since: columns that were added, renamed, dropped or
retyped, another key, new partitions, triggers that are missing, the oids of a restored database.
Options stay, and follow renamed columns. For each table: refreshed, unchanged, or skipped: must be
owner. Every change is an event.
_table: one table; by default all that are tracked.
Errors: ZC005 for a table that is not tracked.';

revoke execute on function chronicle.refresh_tracking(regclass) from public;
grant execute on function chronicle.refresh_tracking(regclass) to chronicle_admin;
