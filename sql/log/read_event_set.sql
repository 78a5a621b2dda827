create or replace function chronicle.read_event_set(_events jsonb)
returns table (
    place bigint,
    event jsonb,
    organization_id text,
    actor_id text,
    actor_type chronicle.actor_type,
    ip_address inet,
    user_agent text,
    action_type chronicle.action_type,
    action_description text,
    action_meta jsonb,
    resource_type text,
    resource_id text,
    related_resources jsonb,
    details_before jsonb,
    details_after jsonb,
    ai_metadata jsonb,
    session_id text,
    request_id text,
    client_info jsonb,
    duration_ms integer,
    severity chronicle.severity_level,
    status chronicle.event_status,
    error_code text,
    error_message text,
    action text,
    actor_role text,
    impersonator_id text,
    is_ai_action boolean,
    reason text,
    trace_id text,
    operation_id text,
    parent_event_id uuid,
    ai_operation_id uuid,
    occurred_at timestamptz
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select
        e.place, e.event, nullif(e.organization_id, ''), nullif(e.actor_id, ''), e.actor_type,
        e.ip_address, e.user_agent, e.action_type, e.action_description, e.action_meta,
        e.resource_type, nullif(e.resource_id, ''), e.related_resources, e.details_before,
        e.details_after, e.ai_metadata, e.session_id, e.request_id, e.client_info, e.duration_ms,
        e.severity, e.status, e.error_code, e.error_message,
        coalesce(nullif(e.action, ''), e.resource_type || '.' || e.action_type), e.actor_role,
        e.impersonator_id, e.is_ai_action, e.reason, e.trace_id, e.operation_id, e.parent_event_id,
        e.ai_operation_id, e.occurred_at
    from rows from (
        jsonb_array_elements(_events),
        jsonb_to_recordset(_events) as (
            organization_id text,
            actor_id text,
            actor_type chronicle.actor_type,
            ip_address inet,
            user_agent text,
            action_type chronicle.action_type,
            action_description text,
            action_meta jsonb,
            resource_type text,
            resource_id text,
            related_resources jsonb,
            details_before jsonb,
            details_after jsonb,
            ai_metadata jsonb,
            session_id text,
            request_id text,
            client_info jsonb,
            duration_ms integer,
            severity chronicle.severity_level,
            status chronicle.event_status,
            error_code text,
            error_message text,
            action text,
            actor_role text,
            impersonator_id text,
            is_ai_action boolean,
            reason text,
            trace_id text,
            operation_id text,
            parent_event_id uuid,
            ai_operation_id uuid,
            occurred_at timestamptz
        )
    ) with ordinality as e (
        event, organization_id, actor_id, actor_type, ip_address, user_agent, action_type,
        action_description, action_meta, resource_type, resource_id, related_resources,
        details_before, details_after, ai_metadata, session_id, request_id, client_info,
        duration_ms, severity, status, error_code, error_message, action, actor_role,
        impersonator_id, is_ai_action, reason, trace_id, operation_id, parent_event_id,
        ai_operation_id, occurred_at, place
    )
$$;

comment on function chronicle.read_event_set(jsonb) is
'Private. A JSON array of events as rows, as chronicle.log_audit_event reads its arguments.';

revoke execute on function chronicle.read_event_set(jsonb) from public;
grant execute on function chronicle.read_event_set(jsonb) to chronicle_writer;
