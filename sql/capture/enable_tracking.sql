-- Runs as its caller: a trigger on a table is its owner's business. Only what needs the log's own
-- rights (the registry, the capture functions, the event) is done by inner functions that have
-- them.
create or replace function chronicle.enable_tracking(
    _table regclass,
    _resource_type text default null,
    _organization_column name default null,
    _exclude_columns name[] default null,
    _mask_columns name[] default null,
    _capture chronicle.capture_mode default 'changes',
    _key_columns name[] default null,
    _truncate chronicle.truncate_mode default 'rows',
    _require_actor boolean default false
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
begin
    perform chronicle.check_trackable(_table);
    perform chronicle.check_owns_table(_table);
    -- Serializes calls for the same table, and writers that would slip in between.
    execute format('lock table %s in share row exclusive mode', _table);

    -- Shown to the inner functions as the owner's consent, and taken back at the end.
    execute format('grant trigger on %s to chronicle_writer', _table);

    select * into v_before from chronicle.table_registry as r where r.table_id = v_before_id;
    v_after.resource_type := _resource_type;
    v_after.organization_column := _organization_column;
    v_after.excluded_columns := _exclude_columns;
    v_after.masked_columns := _mask_columns;
    v_after.capture := _capture;
    v_after.key_columns := nullif(_key_columns, '{}');
    v_after.truncate := _truncate;
    v_after.requires_actor := _require_actor;
    v_after := chronicle.register_tracked_table(_table, v_after);

    if chronicle.tracking_options(v_before) is distinct from chronicle.tracking_options(v_after)
        or not chronicle.is_captured_whole(_table)
    then
        perform chronicle.share_rows(_table, v_after.truncate = 'rows');
        perform chronicle.create_capture_functions(_table, v_after.table_id);
        perform chronicle.create_truncate_function(_table, v_after.table_id);
        perform chronicle.place_capture_triggers(_table, v_after.table_id);
        perform chronicle.confirm_row_capture(_table, v_after.table_id);
        perform chronicle.confirm_truncate_capture(_table, v_after.table_id);
    end if;
    execute format('revoke trigger on %s from chronicle_writer', _table);
end
$$;

comment on function chronicle.enable_tracking(
    regclass, text, name, name[], name[], chronicle.capture_mode, name[], chronicle.truncate_mode,
    boolean
) is
'From now on, every committed insert, update, delete and truncate of a table is an event in its
transaction. Called again with other options it changes them; with the same ones it does nothing.
That tracking began or changed is an event. The caller must own the table and have chronicle_admin;
writers wait for the moment that it takes.
_resource_type: of its events; by default the table''s name, with its schema unless that is public.
_organization_column: holds organization_id; by default it comes from the context.
_exclude_columns: not recorded. _mask_columns: recorded as "[masked]"; by default those whose names
are in the setting masked_keys, and {} for none.
_capture: changes, an update''s event holds the columns that changed; full, both whole rows.
_key_columns: what names a record of a table without a primary key. Without any key, resource_id is
null, capture is full, and there is no history by key.
_truncate: rows, every row is recorded before it goes, up to the setting truncate_row_limit; event,
only that it happened; refuse.
_require_actor: a change is refused when the context names no actor.
Errors: 42809 for what is no ordinary table; 42501 for somebody else''s table, or a schema that
chronicle_table_reader may not use; 42703 for an unknown column; 22023 for a key column that is
excluded or masked, and for other key columns than the primary key''s.';

revoke execute on function chronicle.enable_tracking(
    regclass, text, name, name[], name[], chronicle.capture_mode, name[], chronicle.truncate_mode,
    boolean
) from public;
grant execute on function chronicle.enable_tracking(
    regclass, text, name, name[], name[], chronicle.capture_mode, name[], chronicle.truncate_mode,
    boolean
) to chronicle_admin;
