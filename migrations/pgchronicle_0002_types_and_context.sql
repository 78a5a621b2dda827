-- The closed sets as enums, and the context that says who acts.
-- depends: pgchronicle_0001_roles_and_schemas

set local role chronicle_owner;

-- Each enum closes a set that pgchronicle owns. What the application owns (resource types, actions)
-- stays text.
create type chronicle.actor_type as enum (
    'user', 'employee', 'customer', 'admin', 'service', 'ai', 'system', 'anonymous'
);

comment on type chronicle.actor_type is
'What kind of actor caused an event.';

create type chronicle.action_type as enum (
    'create', 'read', 'update', 'delete', 'execute', 'other'
);

comment on type chronicle.action_type is
'What was done, in one of six kinds; the column action says it in the application''s own words.';

create type chronicle.severity_level as enum ('info', 'warning', 'error', 'critical');

comment on type chronicle.severity_level is
'How much an event matters to the person on call.';

create type chronicle.event_status as enum ('success', 'failure');

comment on type chronicle.event_status is
'Whether what the event tells of succeeded.';

create type chronicle.event_origin as enum ('logged', 'captured', 'snapshot', 'imported');

comment on type chronicle.event_origin is
'How an event came into the log: logged by an application, captured from a tracked table,
a snapshot of a row that was there before tracking began, or imported from an older log.';

create type chronicle.ai_agent_type as enum (
    'assistant', 'editor', 'researcher', 'coder', 'analyst', 'writer', 'reviewer', 'custom'
);

comment on type chronicle.ai_agent_type is
'What kind of AI agent performed an operation.';

create type chronicle.ai_operation_status as enum ('running', 'completed', 'failed', 'cancelled');

comment on type chronicle.ai_operation_status is
'Where an AI operation stands. It leaves running once, for one of the other three, and stays
there.';

create type chronicle.email_event_type as enum (
    'send', 'delivery', 'delivery_delay', 'bounce', 'complaint', 'reject', 'open', 'click',
    'subscription', 'rendering_failure'
);

comment on type chronicle.email_event_type is
'What an e-mail provider reports about a message.';

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

-- Never raises: a context that can not be read must not break the application's write. The
-- exception block holds no write, so it takes no transaction id.
create or replace function chronicle.resolve_context()
returns chronicle.event_context
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_text constant text := nullif(current_setting('chronicle.context', true), '');
    v_claims constant text := nullif(current_setting('request.jwt.claims', true), '');
    v_context chronicle.event_context;
    v_is_malformed boolean := false;
begin
    begin
        if v_text is not null then
            v_context := jsonb_populate_record(null::chronicle.event_context, v_text::jsonb);
            v_is_malformed := octet_length(v_text) > 65536
                or jsonb_typeof(v_text::jsonb) <> 'object'
                or coalesce(jsonb_typeof(v_context.client_info) <> 'object', false);
        end if;

        -- A context that says why, but not who, leaves "who" to the claims.
        if v_claims is not null and v_context.actor_id is null and v_context.actor_type is null then
            v_is_malformed := v_is_malformed
                or octet_length(v_claims) > 65536
                or jsonb_typeof(v_claims::jsonb) <> 'object';
            v_context.actor_id := v_claims::jsonb ->> 'sub';
            v_context.actor_role := v_claims::jsonb ->> 'role';
            v_context.actor_type := case
                when v_context.actor_id is null then 'anonymous' else 'user'
            end;
        end if;

        -- They are indexed, and an index holds no longer entries.
        v_is_malformed := v_is_malformed or coalesce(
            greatest(
                octet_length(v_context.actor_id), octet_length(v_context.organization_id)
            ) > 1000,
            false
        );
    exception when data_exception or program_limit_exceeded then
        v_is_malformed := true;
    end;

    if v_is_malformed or (v_text is null and v_claims is null) then
        v_context := null;
        v_context.actor_type := 'system';
        v_context.actor_id := session_user;
        v_context.context_state := case when v_is_malformed then 'malformed' else 'absent' end;
    elsif v_context.parent_event_id is not null and v_claims is null
        and v_text::jsonb - 'parent_event_id' = '{}'
    then
        -- Set by chronicle.revert_event; it names nobody.
        v_context.actor_type := 'system';
        v_context.actor_id := session_user;
        v_context.context_state := 'absent';
    else
        v_context.context_state := 'asserted';
    end if;
    return v_context;
end
$$;

comment on function chronicle.resolve_context() is
'Private. The context of this transaction: chronicle.context if set, else the claims of
request.jwt.claims (sub, role), else the database role. context_state says which; it never raises.';

revoke execute on function chronicle.resolve_context() from public;
grant execute on function chronicle.resolve_context()
to chronicle_writer, chronicle_table_reader, chronicle_app;

create or replace function chronicle.current_context()
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select jsonb_object_agg(f.key, f.value)
    from chronicle.resolve_context() as c
    cross join lateral jsonb_each(to_jsonb(c)) as f
    where f.value <> 'null'
$$;

comment on function chronicle.current_context() is
'What events of this transaction will say about who acts: the keys of chronicle.set_context that
have a value, and context_state (asserted, verified, absent, malformed).';

revoke execute on function chronicle.current_context() from public;
grant execute on function chronicle.current_context() to chronicle_app;

-- Only ever local to the transaction: behind a transaction pooler a setting of the session would
-- reach the next client. The ids are anycompatible for the same reason as in
-- chronicle.log_audit_event.
create or replace function chronicle.set_context(
    _actor_id anycompatible default null,
    _actor_type chronicle.actor_type default null,
    _actor_role text default null,
    _impersonator_id text default null,
    _organization_id anycompatible default null,
    _session_id text default null,
    _request_id text default null,
    _trace_id text default null,
    _operation_id text default null,
    _ip_address inet default null,
    _user_agent text default null,
    _client_info jsonb default null,
    _reason text default null,
    _ai_operation_id uuid default null
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    -- Nulls inside _client_info are the caller's and stay.
    v_context constant jsonb := jsonb_strip_nulls(
        jsonb_build_object(
            'actor_id', nullif(format('%s', _actor_id), ''),
            'actor_type', _actor_type,
            'actor_role', _actor_role,
            'impersonator_id', _impersonator_id,
            'organization_id', nullif(format('%s', _organization_id), ''),
            'session_id', _session_id,
            'request_id', _request_id,
            'trace_id', _trace_id,
            'operation_id', _operation_id,
            'ip_address', _ip_address,
            'user_agent', _user_agent,
            'reason', _reason,
            'ai_operation_id', _ai_operation_id
        )
    );
    v_text text;
begin
    if jsonb_typeof(_client_info) <> 'object' then
        raise exception '_client_info must be a JSON object, not %', jsonb_typeof(_client_info)
            using errcode = 'invalid_parameter_value',
                hint = 'Wrap the value: jsonb_build_object(''value'', ...).';
    end if;
    if greatest(
        octet_length(v_context ->> 'actor_id'), octet_length(v_context ->> 'organization_id')
    ) > 1000 then
        raise exception '_actor_id or _organization_id has more than 1000 bytes'
            using errcode = 'program_limit_exceeded',
                detail = 'They are indexed, and an index holds no longer entries.',
                hint = 'Use a shorter name or its digest here, '
                    'and put the long one into _client_info.';
    end if;
    v_text := case
        when _client_info is null then v_context
        else v_context || jsonb_build_object('client_info', _client_info)
    end::text;
    if octet_length(v_text) > 65536 then
        raise exception 'the context has % bytes, more than 65536', octet_length(v_text)
            using errcode = 'program_limit_exceeded',
                hint = 'Every event of the transaction carries the context: log large things once, '
                    'with log_audit_event.';
    end if;

    perform set_config('chronicle.context', v_text, true);
end
$$;

comment on function chronicle.set_context(
    anycompatible, chronicle.actor_type, text, text, anycompatible, text, text, text, text, inet,
    text, jsonb, text, uuid
) is
'Says who acts until the transaction ends; replaces what was said before. A rolled back savepoint
brings the earlier context back, a released one does not. Outside a transaction block it is over at
once. The arguments are columns of chronicle.events; _actor_id and _organization_id take text, uuid
or integers, both of one type. What is said is asserted, not verified: any session can say it.
Errors: 22023 when _client_info is no object; 54000 above 65536 bytes, or 1000 for the ids.';

revoke execute on function chronicle.set_context(
    anycompatible, chronicle.actor_type, text, text, anycompatible, text, text, text, text, inet,
    text, jsonb, text, uuid
) from public;
grant execute on function chronicle.set_context(
    anycompatible, chronicle.actor_type, text, text, anycompatible, text, text, text, text, inet,
    text, jsonb, text, uuid
) to chronicle_app;

create or replace function chronicle.clear_context()
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
    select set_config('chronicle.context', '', true)
$$;

comment on function chronicle.clear_context() is
'Forgets what chronicle.set_context said, for the rest of the transaction.';

revoke execute on function chronicle.clear_context() from public;
grant execute on function chronicle.clear_context() to chronicle_app;
