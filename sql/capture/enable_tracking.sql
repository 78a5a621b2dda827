-- Runs as its caller: a trigger on a table is its owner's business. Only what needs the log's own
-- rights (the registry, the capture function, the event) is done by inner functions that have them.
--
-- AFTER triggers fire by name: ! sorts before letters and digits, so that an insert is recorded
-- before what another trigger makes of it. The update trigger compares images before it calls the
-- function, so an update that changes nothing costs next to nothing.
create or replace function chronicle.enable_tracking(
    _table regclass,
    _resource_type text default null,
    _organization_column name default null,
    _exclude_columns name[] default null,
    _mask_columns name[] default null
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_before_id constant integer := chronicle.tracked_table_id(_table);
    v_before chronicle.table_registry;
    v_after chronicle.table_registry;
    v_operation text;
begin
    perform chronicle.check_trackable(_table);
    perform chronicle.check_owns_table(_table);
    -- Serializes calls for the same table, and writers that would slip in between.
    execute format('lock table %s in share row exclusive mode', _table);

    -- Shown to the inner functions as the owner's consent, and taken back at the end.
    execute format('grant trigger on %s to chronicle_writer', _table);

    select * into v_before from chronicle.table_registry as r where r.table_id = v_before_id;
    v_after := chronicle.register_tracked_table(
        _table, _resource_type, _organization_column, _exclude_columns, _mask_columns
    );
    if v_before_id = v_after.table_id
        and chronicle.tracking_options(v_before) = chronicle.tracking_options(v_after)
        and chronicle.has_capture_triggers(_table)
        -- After a dump and restore, the functions know the table by another oid.
        and exists (
            select from pg_catalog.pg_proc as p
            where p.pronamespace = 'chronicle_capture'::regnamespace
                and p.proname = format('capture_%s_insert', v_before_id)
                and position(format('(%s, %L)', v_before_id, _table::oid) in p.prosrc) > 0
        )
    then
        execute format('revoke trigger on %s from chronicle_writer', _table);
        return;
    end if;

    perform chronicle.create_capture_functions(_table, v_after.table_id);
    foreach v_operation in array array['insert', 'update', 'delete', 'truncate'] loop
        execute format(
            'create or replace trigger "!chronicle_%1$s" after %1$s on %2$s for each %3$s '
            'execute function chronicle_capture.capture_%4$s_%1$s()',
            v_operation,
            _table,
            case v_operation
                when 'truncate' then 'statement'
                when 'update' then 'row when (old.* operator(pg_catalog.*<>) new.*)'
                else 'row'
            end,
            v_after.table_id
        );
        execute format('alter table %s enable always trigger "!chronicle_%s"', _table, v_operation);
    end loop;
    perform chronicle.confirm_tracking(_table, v_after.table_id);
    execute format('revoke trigger on %s from chronicle_writer', _table);
end
$$;

comment on function chronicle.enable_tracking(regclass, text, name, name[], name[]) is
'From now on, every committed insert, update, delete and truncate of a table is an event in its
transaction. Called again with other options it changes them; with the same ones it does nothing.
That tracking began or changed is an event. The caller must own the table and have chronicle_admin;
writers wait for the moment that it takes.
_resource_type: of its events; by default the table''s name, with its schema unless that is public.
_organization_column: holds organization_id; by default it comes from the context.
_exclude_columns: not recorded. _mask_columns: recorded as "[masked]"; by default those whose names
are in the setting masked_keys, and {} for none.
Without a primary key rows are recorded with resource_id null. A truncate is one event, without the
rows.
Errors: 42809 for what is no ordinary table; 42501 for somebody else''s table; 42703 for an unknown
column; 22023 for a key column that is excluded or masked.';

revoke execute on function chronicle.enable_tracking(regclass, text, name, name[], name[])
from public;
grant execute on function chronicle.enable_tracking(regclass, text, name, name[], name[])
to chronicle_admin;
