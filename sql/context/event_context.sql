-- The context as columns of their types, so that reading it is one call and validates it whole.
create type chronicle.event_context as (
    actor_id text,
    actor_type chronicle.actor_type,
    actor_role text,
    impersonator_id text,
    organization_id text,
    session_id text,
    request_id text,
    trace_id text,
    operation_id text,
    ip_address inet,
    user_agent text,
    client_info jsonb,
    reason text,
    ai_operation_id uuid,
    parent_event_id uuid,
    context_state text
);

comment on type chronicle.event_context is
'Who acts, for whom and why: the keys of the setting chronicle.context, with context_state beside
them.';
