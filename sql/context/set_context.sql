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
or integers, both of one type. What is said is asserted, not verified: any session can say it; over
the session of a trusted gateway it counts as verified.
Errors: 22023 when _client_info is no object; 54000 above 65536 bytes, or 1000 for the ids.';

revoke execute on function chronicle.set_context(
    anycompatible, chronicle.actor_type, text, text, anycompatible, text, text, text, text, inet,
    text, jsonb, text, uuid
) from public;
grant execute on function chronicle.set_context(
    anycompatible, chronicle.actor_type, text, text, anycompatible, text, text, text, text, inet,
    text, jsonb, text, uuid
) to chronicle_app, chronicle_reader;
