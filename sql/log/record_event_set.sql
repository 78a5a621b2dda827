-- Runs as the writer. A door beside chronicle.log_audit_event, for sets of ordinary events: in one
-- statement an event costs half. It records only what that function would record as it is, and
-- leaves the set alone if a single event needs more: a word about what is wrong, masking, an id of
-- the caller's, a look into a registry. tests/test_event_sets.py holds the two to each other.
--
-- The exception block holds no write.
create or replace function chronicle.record_event_set(_events jsonb)
returns uuid[]
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_fields constant text[] := array[
        'organization_id', 'actor_id', 'actor_type', 'ip_address', 'user_agent', 'action_type',
        'action_description', 'action_meta', 'resource_type', 'resource_id', 'related_resources',
        'details_before', 'details_after', 'ai_metadata', 'session_id', 'request_id', 'client_info',
        'duration_ms', 'severity', 'status', 'error_code', 'error_message', 'action', 'actor_role',
        'impersonator_id', 'is_ai_action', 'reason', 'trace_id', 'operation_id', 'parent_event_id',
        'ai_operation_id', 'occurred_at'
    ];
    v_context chronicle.event_context;
    v_is_ordinary boolean;
    v_transaction_id bigint;
    v_settled_after bigint;
    v_salts uuid[];
    v_ids uuid[];
begin
    v_context.context_state := 'absent';
    if coalesce(current_setting('chronicle.context', true), '') <> ''
        or coalesce(current_setting('request.jwt.claims', true), '') <> ''
    then
        v_context := chronicle.resolve_context();
    end if;

    begin
        if not (chronicle.enforces_resource_types() or chronicle.enforces_actions())
            and not coalesce(
                _events::text ~* chronicle.masked_key_start()
                and _events::text ~* ('"' || chronicle.masked_key() || '":'),
                false
            )
        then
            select
                bool_and(coalesce(
                    e.event - v_fields = '{}'
                    -- The context's part is no longer than that.
                    and octet_length(e.event::text) + 65536 < chronicle.payload_limit_bytes()
                    and coalesce(e.actor_type, v_context.actor_type) is not null
                    and e.action_type is not null
                    and e.resource_type <> ''
                    and not starts_with(e.resource_type, 'chronicle.')
                    and not starts_with(e.action, 'chronicle.')
                    and greatest(
                        octet_length(e.resource_type), octet_length(e.organization_id),
                        octet_length(e.actor_id), octet_length(e.resource_id)
                    ) <= 1000
                    and coalesce(e.duration_ms, 0) >= 0
                    and coalesce(e.occurred_at, now())
                    between '0001-01-01 00:00:00+00' and clock_timestamp() + interval '5 minutes'
                    and coalesce(jsonb_typeof(e.action_meta), 'object') = 'object'
                    and coalesce(jsonb_typeof(e.related_resources), 'array') = 'array'
                    and coalesce(jsonb_typeof(e.details_before), 'object') = 'object'
                    and coalesce(jsonb_typeof(e.details_after), 'object') = 'object'
                    and coalesce(jsonb_typeof(e.ai_metadata), 'object') = 'object'
                    and coalesce(jsonb_typeof(e.client_info), 'object') = 'object',
                    false
                ))
            into v_is_ordinary
            from chronicle.read_event_set(_events) as e;
        end if;
    exception when data_exception or program_limit_exceeded then
        v_is_ordinary := false;
    end;
    if v_is_ordinary is distinct from true then
        return null;
    end if;

    v_transaction_id := pg_current_xact_id()::text;
    v_settled_after := chronicle.settled_after(v_transaction_id);
    -- The system is asked for random bytes once an event; the salt can not be found from the id.
    select array_agg(gen_random_uuid()) into v_salts
    from generate_series(1, jsonb_array_length(_events));
    select array_agg(chronicle.uuid_v7_from(s.salt) order by s.place) into v_ids
    from unnest(v_salts) with ordinality as s (salt, place);

    insert into chronicle.events (
        event_id, payload_salt, transaction_id, settled_after,
        occurred_at, organization_id,
        actor_type,
        actor_id,
        actor_role,
        impersonator_id,
        is_ai_action,
        context_state,
        origin, action_type, action, action_description, action_meta,
        reason, resource_type, resource_id, related_resources,
        details_before, details_after, changed_columns,
        ai_metadata, ai_operation_id,
        severity, status, error_code, error_message,
        duration_ms, session_id,
        request_id, trace_id,
        operation_id, parent_event_id,
        ip_address, user_agent,
        client_info
    )
    select
        v_ids[e.place], v_salts[e.place], v_transaction_id, v_settled_after,
        coalesce(e.occurred_at, clock_timestamp()),
        coalesce(e.organization_id, v_context.organization_id),
        coalesce(e.actor_type, v_context.actor_type),
        case when a.is_of_context then v_context.actor_id else e.actor_id end,
        case
            when a.is_of_context then coalesce(e.actor_role, v_context.actor_role)
            else e.actor_role
        end,
        coalesce(e.impersonator_id, v_context.impersonator_id),
        coalesce(
            e.is_ai_action,
            coalesce(e.actor_type, v_context.actor_type) = 'ai'
            or coalesce(e.ai_operation_id, v_context.ai_operation_id) is not null
        ),
        case
            when v_context.context_state = 'verified' and (
                e.actor_type is not null and e.actor_type is distinct from v_context.actor_type
                or e.actor_id is not null and e.actor_id is distinct from v_context.actor_id
                or e.actor_role is not null and e.actor_role is distinct from v_context.actor_role
                or e.impersonator_id is not null
                    and e.impersonator_id is distinct from v_context.impersonator_id
            ) then 'asserted'
            else v_context.context_state
        end,
        'logged', e.action_type, e.action, e.action_description, e.action_meta,
        coalesce(e.reason, v_context.reason), e.resource_type, e.resource_id, e.related_resources,
        e.details_before, e.details_after,
        chronicle.changed_keys(e.details_before, e.details_after),
        e.ai_metadata, coalesce(e.ai_operation_id, v_context.ai_operation_id),
        coalesce(e.severity, 'info'), coalesce(e.status, 'success'), e.error_code, e.error_message,
        e.duration_ms, coalesce(e.session_id, v_context.session_id),
        coalesce(e.request_id, v_context.request_id), coalesce(e.trace_id, v_context.trace_id),
        coalesce(e.operation_id, v_context.operation_id), e.parent_event_id,
        coalesce(e.ip_address, v_context.ip_address), coalesce(e.user_agent, v_context.user_agent),
        coalesce(e.client_info, v_context.client_info)
    from chronicle.read_event_set(_events) as e
    cross join lateral (
        select
            coalesce(e.actor_id = v_context.actor_id, e.actor_id is null)
            and coalesce(e.actor_type = v_context.actor_type, true) as is_of_context
    ) as a
    order by e.place;
    return v_ids;
end
$$;

comment on function chronicle.record_event_set(jsonb) is
'Private. Records a set of events at once and returns their ids in its order; null, and nothing
recorded, when chronicle.log_audit_event has to see each of them.';

revoke execute on function chronicle.record_event_set(jsonb) from public;
grant execute on function chronicle.record_event_set(jsonb) to chronicle_app;
alter function chronicle.record_event_set(jsonb) owner to chronicle_writer;

-- A change of owner turns the old owner's right into the new one's, so it is granted again by that
-- one.
set local role chronicle_writer;
grant execute on function chronicle.record_event_set(jsonb) to chronicle_owner;
set local role chronicle_owner;
