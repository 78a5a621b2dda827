-- What pgchronicle does to itself goes through the one door that applications use, as the actor of the
-- context, or as the database role where there is none.
create or replace function chronicle.log_management_event(
    _action_type chronicle.action_type,
    _action text,
    _resource_type text,
    _resource_id text,
    _details_before jsonb,
    _details_after jsonb
)
returns uuid
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_context constant chronicle.event_context := chronicle.resolve_context();
begin
    return chronicle.log_audit_event(
        _actor_type => v_context.actor_type,
        _actor_id => v_context.actor_id,
        _actor_role => v_context.actor_role,
        _action_type => _action_type,
        _action => _action,
        _resource_type => _resource_type,
        _resource_id => _resource_id,
        _details_before => _details_before,
        _details_after => _details_after
    );
end
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
