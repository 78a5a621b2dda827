-- Runs as the owner, who may record what pgchronicle does.
create or replace function chronicle.record_revert(
    _resource_type text, _resource_id text, _parent_event_id uuid, _action_meta jsonb
)
returns uuid
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.record_internal_event(
        'logged', 'execute', 'chronicle.revert', _resource_type, _resource_id,
        chronicle.current_context() ->> 'organization_id', null, null, _action_meta,
        _parent_event_id => _parent_event_id
    )
$$;

comment on function chronicle.record_revert(text, text, uuid, jsonb) is
'Private. Records that changes are about to be taken back. Returns the event''s id.';

revoke execute on function chronicle.record_revert(text, text, uuid, jsonb) from public;
grant execute on function chronicle.record_revert(text, text, uuid, jsonb) to chronicle_app;
