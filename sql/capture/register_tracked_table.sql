-- Runs as the owner of the registry. It trusts nothing that chronicle.enable_tracking checked
-- before, as every administrator may call it. The row and the event that tells of it are one.
create or replace function chronicle.register_tracked_table(
    _table regclass, _options chronicle.table_registry
)
returns chronicle.table_registry
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table_id integer;
    v_stood boolean;
    v_before chronicle.table_registry;
    v_options chronicle.table_registry;
begin
    perform chronicle.check_trackable(_table);
    perform chronicle.check_owner_consents(_table);
    v_options := chronicle.complete_tracking_options(_table, _options);
    -- A restore may leave triggers that fire for everybody but replicas: nothing was missed.
    v_stood := chronicle.has_capture_triggers(_table, '{A,O}');
    v_table_id := chronicle.known_table_id(_table);

    select * into v_before
    from chronicle.table_registry as r
    where r.table_id = v_table_id and r.tracked_until is null;
    -- Where only the schema was restored, its functions still carry the number.
    if not exists (select from chronicle.table_registry as r where r.table_id = v_table_id) then
        v_table_id := coalesce(v_table_id, nextval('chronicle.table_registry_table_id_seq'));
        insert into chronicle.table_registry (
            table_id, schema_name, table_name, resource_type, excluded_columns, masked_columns,
            captured_columns, key_columns, capture, truncate, requires_actor, shape
        ) overriding system value values (
            v_table_id, v_options.schema_name, v_options.table_name, v_options.resource_type, '{}',
            '{}', '{}', '{}', 'changes', 'rows', false, '{}'
        );
        perform setval('chronicle.table_registry_table_id_seq', greatest(
            v_table_id, (select s.last_value from chronicle.table_registry_table_id_seq as s)
        ));
    end if;

    update chronicle.table_registry as r
    set
        schema_name = v_options.schema_name,
        table_name = v_options.table_name,
        resource_type = v_options.resource_type,
        organization_column = v_options.organization_column,
        excluded_columns = v_options.excluded_columns,
        masked_columns = v_options.masked_columns,
        captured_columns = v_options.captured_columns,
        key_columns = v_options.key_columns,
        capture = v_options.capture,
        truncate = v_options.truncate,
        requires_actor = v_options.requires_actor,
        shape = v_options.shape,
        tracked_since = case
            when r.tracked_until is null then r.tracked_since else clock_timestamp()
        end,
        tracked_until = null
    where r.table_id = v_table_id
    returning r.* into v_options;
    perform chronicle.begin_tracking_period(_table, v_options, v_stood);

    if v_before.table_id is null
        or chronicle.tracking_options(v_before) <> chronicle.tracking_options(v_options)
        or not chronicle.has_capture_triggers(_table)
    then
        perform chronicle.log_management_event(
            case
                when v_before.table_id is null then 'create' else 'update'
            end::chronicle.action_type,
            'chronicle.tracking.' || case
                when v_before.table_id is null then 'enable' else 'update'
            end,
            'chronicle.tracked_table',
            format('%I.%I', v_options.schema_name, v_options.table_name),
            case when v_before.table_id is not null then chronicle.tracking_options(v_before) end,
            chronicle.tracking_options(v_options)
        );
    end if;
    return v_options;
end
$$;

comment on function chronicle.register_tracked_table(regclass, chronicle.table_registry) is
'Private. Enters a table into the registry, records that, and returns the row. _options: what was
asked for; null is the default.
Errors: 42501 unless the owner consents; as chronicle.check_trackable and
chronicle.complete_tracking_options.';

revoke execute on function chronicle.register_tracked_table(regclass, chronicle.table_registry)
from public;
grant execute on function chronicle.register_tracked_table(regclass, chronicle.table_registry)
to chronicle_admin;
