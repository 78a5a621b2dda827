-- What pgchronicle does to itself, by the actor of the context, or the database role where there is
-- none. It concerns the whole system, so the organization of the context is kept out of it.
create or replace function chronicle.log_management_event(
    _action_type chronicle.action_type,
    _action text,
    _resource_type text,
    _resource_id text,
    _details_before jsonb,
    _details_after jsonb
)
returns uuid
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.record_internal_event(
        'logged', _action_type, _action, _resource_type, _resource_id, null, _details_before,
        _details_after
    )
$$;

comment on function chronicle.log_management_event(
    chronicle.action_type, text, text, text, jsonb, jsonb
) is
'Private. Records a change to the log''s own set-up as an event. Returns its id.';

revoke execute on function chronicle.log_management_event(
    chronicle.action_type, text, text, text, jsonb, jsonb
) from public;
grant execute on function chronicle.log_management_event(
    chronicle.action_type, text, text, text, jsonb, jsonb
) to chronicle_writer;
