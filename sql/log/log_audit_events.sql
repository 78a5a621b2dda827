-- Runs with the caller's rights: chronicle.log_audit_event has what is needed. The exception block
-- is for the whole set, not for each event: it only says which one was refused, and everything is
-- undone.
create or replace function chronicle.log_audit_events(_events jsonb)
returns setof uuid
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_fields constant text[] := array[
        'organization_id', 'actor_id', 'actor_type', 'ip_address', 'user_agent', 'action_type',
        'action_description', 'action_meta', 'resource_type', 'resource_id', 'related_resources',
        'details_before', 'details_after', 'ai_metadata', 'session_id', 'request_id', 'client_info',
        'duration_ms', 'severity', 'status', 'error_code', 'error_message', 'action', 'actor_role',
        'impersonator_id', 'is_ai_action', 'reason', 'trace_id', 'operation_id', 'parent_event_id',
        'ai_operation_id', 'occurred_at', 'event_id'
    ];
    v_event jsonb;
    v_place integer := 0;
    v_unknown text;
    v_detail text;
    v_hint text;
    v_ids uuid[];
begin
    if jsonb_typeof(_events) is distinct from 'array' then
        raise exception '_events must be a JSON array, not %',
            coalesce(jsonb_typeof(_events), 'null')
            using errcode = 'invalid_parameter_value',
                hint = 'For one event: jsonb_build_array(event).';
    end if;

    v_ids := chronicle.record_event_set(_events);
    if v_ids is not null then
        return query select i.event_id from unnest(v_ids) as i (event_id);
        return;
    end if;

    for v_event in
        select e.event
        from jsonb_array_elements(_events) with ordinality as e (event, place)
        order by e.place
    loop
        v_place := v_place + 1;
        if jsonb_typeof(v_event) <> 'object' then
            raise exception 'it must be a JSON object, not %', jsonb_typeof(v_event)
                using errcode = 'invalid_parameter_value';
        end if;
        select k.key into v_unknown from jsonb_object_keys(v_event) as k (key)
        where k.key <> all(v_fields) limit 1;
        if found then
            raise exception 'it has an unknown field "%"', v_unknown
                using errcode = 'invalid_parameter_value',
                    hint = coalesce(
                        'Did you mean ' || chronicle.similar_names(v_unknown, v_fields) || '? ', ''
                    ) || 'Fields are the arguments of log_audit_event without the underscore.';
        end if;

        return next chronicle.log_audit_event(
            _organization_id => v_event ->> 'organization_id',
            _actor_id => v_event ->> 'actor_id',
            _actor_type => (v_event ->> 'actor_type')::chronicle.actor_type,
            _ip_address => (v_event ->> 'ip_address')::inet,
            _user_agent => v_event ->> 'user_agent',
            _action_type => (v_event ->> 'action_type')::chronicle.action_type,
            _action_description => v_event ->> 'action_description',
            _action_meta => v_event -> 'action_meta',
            _resource_type => v_event ->> 'resource_type',
            _resource_id => v_event ->> 'resource_id',
            _related_resources => v_event -> 'related_resources',
            _details_before => v_event -> 'details_before',
            _details_after => v_event -> 'details_after',
            _ai_metadata => v_event -> 'ai_metadata',
            _session_id => v_event ->> 'session_id',
            _request_id => v_event ->> 'request_id',
            _client_info => v_event -> 'client_info',
            _duration_ms => (v_event ->> 'duration_ms')::integer,
            _severity => (v_event ->> 'severity')::chronicle.severity_level,
            _status => (v_event ->> 'status')::chronicle.event_status,
            _error_code => v_event ->> 'error_code',
            _error_message => v_event ->> 'error_message',
            _action => v_event ->> 'action',
            _actor_role => v_event ->> 'actor_role',
            _impersonator_id => v_event ->> 'impersonator_id',
            _is_ai_action => (v_event ->> 'is_ai_action')::boolean,
            _reason => v_event ->> 'reason',
            _trace_id => v_event ->> 'trace_id',
            _operation_id => v_event ->> 'operation_id',
            _parent_event_id => (v_event ->> 'parent_event_id')::uuid,
            _ai_operation_id => (v_event ->> 'ai_operation_id')::uuid,
            _occurred_at => (v_event ->> 'occurred_at')::timestamptz,
            _event_id => (v_event ->> 'event_id')::uuid
        );
    end loop;
exception when others then
    if v_place = 0 then
        raise;
    end if;
    get stacked diagnostics v_detail = pg_exception_detail, v_hint = pg_exception_hint;
    raise exception 'event % of the set: %', v_place, sqlerrm
        using errcode = sqlstate,
            detail = coalesce(nullif(v_detail, ''), 'Nothing of the set was recorded.'),
            hint = coalesce(nullif(v_hint, ''), 'Mend that event and send the whole set again.');
end
$$;

comment on function chronicle.log_audit_events(jsonb) is
'Records a set of events, all or none, and returns their ids in the order of the set.
_events: a JSON array of objects whose keys are the arguments of chronicle.log_audit_event without
the underscore; ids may be strings or numbers, null counts as left out.
Errors: those of chronicle.log_audit_event, their message naming the place of the event, counted
from 1; 22023 for an unknown field or a wrong shape.';

revoke execute on function chronicle.log_audit_events(jsonb) from public;
grant execute on function chronicle.log_audit_events(jsonb) to chronicle_app;
