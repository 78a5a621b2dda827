-- Stands apart so that the writing path holds one test and no text. The order is that of the
-- reader: what is missing first, then what is wrong.
create or replace function chronicle.refuse_event(
    _actor_type chronicle.actor_type,
    _action_type chronicle.action_type,
    _occurred_at timestamptz,
    _duration_ms integer,
    _names text[],
    _document_types jsonb,
    _size bigint,
    _size_limit integer
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_field text := case
        when _actor_type is null then '_actor_type'
        when _action_type is null then '_action_type'
        when nullif(_names[1], '') is null then '_resource_type'
    end;
    v_type text;
    v_length integer;
begin
    if v_field is not null then
        raise exception 'an event needs %', v_field
            using errcode = 'null_value_not_allowed',
                detail = '_actor_type, _action_type and _resource_type are required.',
                hint = case v_field
                    when '_actor_type' then 'Pass it, or say who acts with chronicle.set_context.'
                    else format('Pass %s => ''...''.', v_field)
                end;
    end if;

    select n.field, octet_length(n.name) into v_field, v_length
    from unnest(
        _names, array['_resource_type', '_resource_id', '_actor_id', '_organization_id']
    ) as n (name, field)
    where octet_length(n.name) > 1000 and n.field is not null
    limit 1;
    if found then
        raise exception '% has % bytes, more than 1000', v_field, v_length
            using errcode = 'program_limit_exceeded',
                detail = 'It is indexed, and an index holds no longer entries.',
                hint = 'Use a shorter name or its digest here, '
                    'and put the long one into _action_meta.';
    elsif starts_with(_names[1], 'chronicle.') or starts_with(_names[5], 'chronicle.') then
        raise exception 'the name % is reserved', case
            when starts_with(_names[1], 'chronicle.') then _names[1] else _names[5]
        end
            using errcode = 'reserved_name',
                detail = 'Events about "chronicle." tell what was done to pgchronicle itself.',
                hint = 'Give the resource type or action another name.';
    elsif _duration_ms < 0 then
        raise exception '_duration_ms is %, less than 0', _duration_ms
            using errcode = 'invalid_parameter_value',
                hint = 'A duration is a number of milliseconds. '
                    'Did the clock go back? Leave it out.';
    elsif not isfinite(_occurred_at) then
        raise exception '_occurred_at is %', _occurred_at
            using errcode = 'invalid_parameter_value',
                hint = 'Leave it out if the event happens now.';
    elsif _occurred_at < '0001-01-01 00:00:00+00' then
        raise exception '_occurred_at lies before the year 1: %', _occurred_at
            using errcode = 'invalid_parameter_value',
                detail = 'Many languages have no such time, and could not read the event.',
                hint = 'Leave it out if the event happens now.';
    elsif _occurred_at > clock_timestamp() + interval '5 minutes' then
        raise exception '_occurred_at lies in the future: %', _occurred_at
            using errcode = 'invalid_parameter_value',
                detail = format(
                    'The server''s clock says %s; five minutes ahead are allowed.',
                    clock_timestamp()
                ),
                hint = 'Leave it out if the event happens now.';
    elsif _size > _size_limit then
        raise exception 'the event has % bytes, more than %', _size, _size_limit
            using errcode = 'program_limit_exceeded',
                hint = 'Store the document elsewhere and log where it is and its digest, '
                    'or raise the setting payload_limit_bytes.';
    end if;

    select f.key, f.value #>> '{}' into v_field, v_type
    from jsonb_each(_document_types) as f
    where f.value <> 'null'
        and f.value <> case f.key
            when '_related_resources' then '"array"' else '"object"'
        end::jsonb
    order by f.key
    limit 1;
    raise exception '% must be a JSON %, not %',
        v_field, case v_field when '_related_resources' then 'array' else 'object' end, v_type
        using errcode = 'invalid_parameter_value',
            hint = case
                when v_field = '_related_resources'
                    then 'For example [{"resource_type": "ticket", "resource_id": "7"}].'
                else 'Wrap the value: jsonb_build_object(''value'', ...).'
            end;
end
$$;

comment on function chronicle.refuse_event(
    chronicle.actor_type, chronicle.action_type, timestamptz, integer, text[], jsonb, bigint,
    integer
) is
'Private. Raises what is wrong with an event that chronicle.log_audit_event was given.
_names: resource type, resource, actor, organization and action.
Errors: 42939 for a reserved name; 22004 for a missing field, 22023 for a wrong one, 54000 for too
large an event.';

revoke execute on function chronicle.refuse_event(
    chronicle.actor_type, chronicle.action_type, timestamptz, integer, text[], jsonb, bigint,
    integer
) from public;
grant execute on function chronicle.refuse_event(
    chronicle.actor_type, chronicle.action_type, timestamptz, integer, text[], jsonb, bigint,
    integer
) to chronicle_writer;
