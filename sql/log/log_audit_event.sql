-- The one door for what applications log. Runs as the writer, who may insert and nothing else.
--
-- One signature: overloads by type would be ambiguous for literals. The three ids are
-- anycompatible, so text, uuid and integers go in without a cast, and any of them may be left out.
-- They become text by format('%s', ...), the output function of their type: "::text" would run a
-- cast that a user made for a type of theirs, with the writer's rights.
--
-- row_security is pinned because every script of pg_dump turns it off, and the server then refuses
-- what a policy would have allowed.
--
-- Every statement here is paid by every caller. What is rare (a context, masking, an id from the
-- caller) costs one test when absent, and what is wrong is put into words elsewhere.
create or replace function chronicle.log_audit_event(
    _organization_id anycompatible default null,
    _actor_id anycompatible default null,
    _actor_type chronicle.actor_type default null,
    _ip_address inet default null,
    _user_agent text default null,
    _action_type chronicle.action_type default null,
    _action_description text default null,
    _action_meta jsonb default null,
    _resource_type text default null,
    _resource_id anycompatible default null,
    _related_resources jsonb default null,
    _details_before jsonb default null,
    _details_after jsonb default null,
    _ai_metadata jsonb default null,
    _session_id text default null,
    _request_id text default null,
    _client_info jsonb default null,
    _duration_ms integer default null,
    _severity chronicle.severity_level default null,
    _status chronicle.event_status default null,
    _error_code text default null,
    _error_message text default null,
    _action text default null,
    _actor_role text default null,
    _impersonator_id text default null,
    _is_ai_action boolean default null,
    _reason text default null,
    _trace_id text default null,
    _operation_id text default null,
    _parent_event_id uuid default null,
    _ai_operation_id uuid default null,
    _occurred_at timestamptz default null,
    _event_id uuid default null
)
returns uuid
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_context chronicle.event_context;
    -- Asking the system for random bytes is the dearest of its kind here, so it is asked once; the
    -- salt can not be found from the id.
    v_payload_salt constant uuid := gen_random_uuid();
    v_event_id constant uuid := coalesce(_event_id, chronicle.uuid_v7_from(v_payload_salt));
    v_organization_id text := nullif(format('%s', _organization_id), '');
    v_actor_id text := nullif(format('%s', _actor_id), '');
    v_resource_id constant text := nullif(format('%s', _resource_id), '');
    v_action text;
    v_context_state text := 'absent';
    v_keys jsonb;
    v_changed_columns text[];
    v_documents text;
    v_size bigint;
begin
    if coalesce(current_setting('chronicle.context', true), '') <> ''
        or coalesce(current_setting('request.jwt.claims', true), '') <> ''
    then
        v_context := chronicle.resolve_context();
        v_context_state := v_context.context_state;
        -- What the call says of who acts is not verified, unless it is the same.
        if v_context_state = 'verified' and (
            _actor_type is not null and _actor_type is distinct from v_context.actor_type
            or v_actor_id is not null and v_actor_id is distinct from v_context.actor_id
            or _actor_role is not null and _actor_role is distinct from v_context.actor_role
            or _impersonator_id is not null
                and _impersonator_id is distinct from v_context.impersonator_id
        ) then
            v_context_state := 'asserted';
        end if;
        -- Who acts is one thing: the id and the role of one actor never complete another.
        if coalesce(v_actor_id = v_context.actor_id, v_actor_id is null)
            and coalesce(_actor_type = v_context.actor_type, true)
        then
            v_actor_id := v_context.actor_id;
            _actor_role := coalesce(_actor_role, v_context.actor_role);
        end if;
        _actor_type := coalesce(_actor_type, v_context.actor_type);
        _impersonator_id := coalesce(_impersonator_id, v_context.impersonator_id);
        v_organization_id := coalesce(v_organization_id, v_context.organization_id);
        _session_id := coalesce(_session_id, v_context.session_id);
        _request_id := coalesce(_request_id, v_context.request_id);
        _trace_id := coalesce(_trace_id, v_context.trace_id);
        _operation_id := coalesce(_operation_id, v_context.operation_id);
        _ip_address := coalesce(_ip_address, v_context.ip_address);
        _user_agent := coalesce(_user_agent, v_context.user_agent);
        _client_info := coalesce(nullif(_client_info, 'null'), v_context.client_info);
        _reason := coalesce(_reason, v_context.reason);
        _ai_operation_id := coalesce(_ai_operation_id, v_context.ai_operation_id);
    end if;

    -- Who has nothing to say in a language that knows only JSON's null says that.
    if 'null' in (
        jsonb_typeof(_action_meta), jsonb_typeof(_related_resources), jsonb_typeof(_details_before),
        jsonb_typeof(_details_after), jsonb_typeof(_ai_metadata), jsonb_typeof(_client_info)
    ) then
        _action_meta := nullif(_action_meta, 'null');
        _related_resources := nullif(_related_resources, 'null');
        _details_before := nullif(_details_before, 'null');
        _details_after := nullif(_details_after, 'null');
        _ai_metadata := nullif(_ai_metadata, 'null');
        _client_info := nullif(_client_info, 'null');
    end if;

    v_action := coalesce(nullif(_action, ''), _resource_type || '.' || _action_type);
    v_documents := concat(
        _action_meta, _related_resources, _details_before, _details_after, _ai_metadata,
        _client_info
    );
    v_size := octet_length(v_documents) + octet_length(concat(
        v_action, _action_description, _reason, _actor_role, _impersonator_id, _error_code,
        _error_message, _session_id, _request_id, _trace_id, _operation_id, _user_agent
    ));

    if _actor_type is null or _action_type is null or coalesce(_resource_type, '') = ''
        or greatest(
            octet_length(v_organization_id), octet_length(v_actor_id), octet_length(v_resource_id),
            octet_length(_resource_type)
        ) > 1000
        or _duration_ms < 0
        or not isfinite(_occurred_at) or _occurred_at < '0001-01-01 00:00:00+00'
        or _occurred_at > clock_timestamp() + interval '5 minutes'
        or jsonb_typeof(_action_meta) <> 'object' or jsonb_typeof(_related_resources) <> 'array'
        or jsonb_typeof(_details_before) <> 'object' or jsonb_typeof(_details_after) <> 'object'
        or jsonb_typeof(_ai_metadata) <> 'object' or jsonb_typeof(_client_info) <> 'object'
        or v_size > chronicle.payload_limit_bytes()
        or starts_with(_resource_type, 'chronicle.') or starts_with(v_action, 'chronicle.')
    then
        perform chronicle.refuse_event(
            _actor_type, _action_type, _occurred_at, _duration_ms,
            array[_resource_type, v_resource_id, v_actor_id, v_organization_id, v_action],
            jsonb_build_object(
                '_action_meta', jsonb_typeof(_action_meta),
                '_related_resources', jsonb_typeof(_related_resources),
                '_details_before', jsonb_typeof(_details_before),
                '_details_after', jsonb_typeof(_details_after),
                '_ai_metadata', jsonb_typeof(_ai_metadata),
                '_client_info', jsonb_typeof(_client_info)
            ),
            v_size, chronicle.payload_limit_bytes()
        );
    end if;
    if chronicle.enforces_resource_types() or chronicle.enforces_actions() then
        perform chronicle.check_registered(
            _resource_type, v_action,
            chronicle.enforces_resource_types(), chronicle.enforces_actions()
        );
    end if;

    -- Compared before masking: that a password changed is no secret. This is chronicle.changed_keys
    -- written out; to call it would cost twice as much.
    if _details_before is not null and _details_after is not null then
        v_changed_columns := '{}';
        v_keys := jsonb_path_query_array(_details_before || _details_after, '$.keyvalue().key');
        for i in 0 .. jsonb_array_length(v_keys) - 1 loop
            if (_details_before -> (v_keys ->> i))::text
                is distinct from (_details_after -> (v_keys ->> i))::text
            then
                v_changed_columns := array_append(v_changed_columns, v_keys ->> i);
            end if;
        end loop;
    end if;
    if v_documents ~* chronicle.masked_key_start()
        and v_documents ~* ('"' || chronicle.masked_key() || '":')
    then
        _action_meta := chronicle.mask_keys(_action_meta, chronicle.masked_key());
        _related_resources := chronicle.mask_keys(_related_resources, chronicle.masked_key());
        _details_before := chronicle.mask_keys(_details_before, chronicle.masked_key());
        _details_after := chronicle.mask_keys(_details_after, chronicle.masked_key());
        _ai_metadata := chronicle.mask_keys(_ai_metadata, chronicle.masked_key());
        _client_info := chronicle.mask_keys(_client_info, chronicle.masked_key());
    end if;

    if _event_id is not null and not chronicle.claim_event_id(
        _event_id,
        jsonb_build_array(
            v_organization_id, _actor_type, v_actor_id, _actor_role, _impersonator_id,
            _is_ai_action, session_user, v_context_state, _action_type, v_action,
            _action_description, _action_meta, _reason, _resource_type, v_resource_id,
            _related_resources, _details_before, _details_after, _ai_metadata, _ai_operation_id,
            _severity, _status, _error_code, _error_message, _duration_ms, _session_id,
            _request_id, _trace_id, _operation_id, _parent_event_id, _ip_address, _user_agent,
            _client_info, extract(epoch from _occurred_at)
        )
    )
    then
        return _event_id;
    end if;

    insert into chronicle.events (
        event_id, payload_salt, occurred_at, organization_id, actor_type, actor_id, actor_role,
        impersonator_id, is_ai_action, db_user, context_state, origin, action_type, action,
        action_description, action_meta, reason, resource_type, resource_id, related_resources,
        details_before, details_after, changed_columns, ai_metadata, ai_operation_id, severity,
        status, error_code, error_message, duration_ms, session_id, request_id, trace_id,
        operation_id, parent_event_id, ip_address, user_agent, client_info
    ) values (
        v_event_id, v_payload_salt, coalesce(_occurred_at, clock_timestamp()), v_organization_id,
        _actor_type, v_actor_id, _actor_role, _impersonator_id,
        coalesce(_is_ai_action, _actor_type = 'ai' or _ai_operation_id is not null), session_user,
        v_context_state, 'logged', _action_type, v_action, _action_description, _action_meta,
        _reason, _resource_type, v_resource_id, _related_resources, _details_before,
        _details_after, v_changed_columns, _ai_metadata, _ai_operation_id,
        coalesce(_severity, 'info'), coalesce(_status, 'success'), _error_code, _error_message,
        _duration_ms, _session_id, _request_id, _trace_id, _operation_id, _parent_event_id,
        _ip_address, _user_agent, _client_info
    );
    return v_event_id;
end
$$;

comment on function chronicle.log_audit_event(
    anycompatible, anycompatible, chronicle.actor_type, inet, text, chronicle.action_type,
    text, jsonb, text, anycompatible, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, integer,
    chronicle.severity_level, chronicle.event_status, text, text, text, text, text, boolean,
    text, text, text, uuid, uuid, timestamptz, uuid
) is
'Records one event in the caller''s transaction and returns its id. Call it with named arguments;
each is the column of chronicle.events of that name, and what is left out comes from the context.
_actor_type, _action_type and _resource_type are required unless the context supplies them.
_organization_id, _actor_id, _resource_id: text, uuid or integers, all of one type in one call; cast
each to text to mix types. _organization_id null: a system-wide event. _action: by default
resource_type.action_type. _action_meta, _details_before, _details_after, _ai_metadata,
_client_info: JSON objects; _related_resources: a JSON array; JSON null counts as left out. Keys in
the setting masked_keys are masked. _duration_ms: milliseconds. _severity: info by default.
_status: success by default. _occurred_at: now by default, from the year 1 to 5 minutes ahead.
_event_id: makes a retry safe; the same id with the same content is recorded once, and returned.
Errors: 22004 for a missing field; 22023 for a wrong one; 22P02 for an unknown label or a bad
address; 54000 above the setting payload_limit_bytes; ZC001 for an id used for another event; ZC002
for a name that is not registered while that is enforced. A failure that is logged in a transaction
rolls back with it.';

revoke execute on function chronicle.log_audit_event(
    anycompatible, anycompatible, chronicle.actor_type, inet, text, chronicle.action_type,
    text, jsonb, text, anycompatible, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, integer,
    chronicle.severity_level, chronicle.event_status, text, text, text, text, text, boolean,
    text, text, text, uuid, uuid, timestamptz, uuid
) from public;
grant execute on function chronicle.log_audit_event(
    anycompatible, anycompatible, chronicle.actor_type, inet, text, chronicle.action_type,
    text, jsonb, text, anycompatible, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, integer,
    chronicle.severity_level, chronicle.event_status, text, text, text, text, text, boolean,
    text, text, text, uuid, uuid, timestamptz, uuid
) to chronicle_app;
alter function chronicle.log_audit_event(
    anycompatible, anycompatible, chronicle.actor_type, inet, text, chronicle.action_type,
    text, jsonb, text, anycompatible, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, integer,
    chronicle.severity_level, chronicle.event_status, text, text, text, text, text, boolean,
    text, text, text, uuid, uuid, timestamptz, uuid
) owner to chronicle_writer;

-- A change of owner turns the old owner's right into the new one's, so it is granted again by that
-- one.
set local role chronicle_writer;
grant execute on function chronicle.log_audit_event(
    anycompatible, anycompatible, chronicle.actor_type, inet, text, chronicle.action_type,
    text, jsonb, text, anycompatible, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, integer,
    chronicle.severity_level, chronicle.event_status, text, text, text, text, text, boolean,
    text, text, text, uuid, uuid, timestamptz, uuid
) to chronicle_owner;
set local role chronicle_owner;
