-- What pgchronicle does to itself goes through the one door that applications use, as the actor of
-- the context, or as the database role where there is none. It concerns the whole system, so the
-- organization of the context is kept out of it.
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
    v_text constant text := current_setting('chronicle.context', true);
    v_event_id uuid;
begin
    if v_context.organization_id is not null then
        perform set_config('chronicle.context', (v_text::jsonb - 'organization_id')::text, true);
    end if;
    v_event_id := chronicle.log_audit_event(
        _actor_type => coalesce(v_context.actor_type, 'system'),
        _actor_id => coalesce(v_context.actor_id, session_user),
        _actor_role => v_context.actor_role,
        _action_type => _action_type,
        _action => _action,
        _resource_type => _resource_type,
        _resource_id => _resource_id,
        _details_before => _details_before,
        _details_after => _details_after
    );
    if v_context.organization_id is not null then
        perform set_config('chronicle.context', v_text, true);
    end if;
    return v_event_id;
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
