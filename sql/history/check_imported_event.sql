create or replace function chronicle.check_imported_event(_event chronicle.imported_event)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_missing constant text := case
        when coalesce(_event.source_id, '') = '' then 'source_id'
        when _event.occurred_at is null then 'occurred_at'
        when _event.actor_type is null then 'actor_type'
        when _event.action_type is null then 'action_type'
        when coalesce(_event.resource_type, '') = '' then 'resource_type'
    end;
    v_document record;
begin
    if v_missing is not null then
        raise exception 'the row "%" has no %', _event.source_id, v_missing
            using errcode = 'null_value_not_allowed',
                detail = 'source_id, occurred_at, actor_type, action_type and resource_type '
                    'are required.',
                hint = format('Give it in the query: ... as %s.', v_missing);
    end if;
    for v_document in
        select d.name, d.type
        from (
            values
            ('action_meta', jsonb_typeof(_event.action_meta), 'object'),
            ('details_before', jsonb_typeof(_event.details_before), 'object'),
            ('details_after', jsonb_typeof(_event.details_after), 'object'),
            ('ai_metadata', jsonb_typeof(_event.ai_metadata), 'object'),
            ('client_info', jsonb_typeof(_event.client_info), 'object'),
            ('related_resources', jsonb_typeof(_event.related_resources), 'array')
        ) as d (name, type, wanted)
        where d.type <> d.wanted
    loop
        raise exception 'in the row "%", % is of JSON type %',
            _event.source_id, v_document.name, v_document.type
            using errcode = 'invalid_parameter_value',
                hint = 'Documents are JSON objects, related_resources is an array.';
    end loop;
    if starts_with(_event.resource_type, 'chronicle.') or starts_with(_event.action, 'chronicle.')
    then
        raise exception 'in the row "%", a name begins with "chronicle."', _event.source_id
            using errcode = 'reserved_name',
                hint = 'Give the resource type or action another name.';
    end if;
    if not isfinite(_event.occurred_at)
        or _event.occurred_at < '0001-01-01 00:00:00+00'
        or _event.occurred_at > clock_timestamp() + interval '5 minutes'
        or _event.duration_ms < 0
    then
        raise exception 'in the row "%", occurred_at % or duration_ms % is out of range',
            _event.source_id, _event.occurred_at, _event.duration_ms
            using errcode = 'invalid_parameter_value',
                hint = 'Times lie between the year 1 and now, durations are not negative.';
    end if;
    if greatest(
        octet_length(_event.resource_type), octet_length(_event.resource_id),
        octet_length(_event.actor_id), octet_length(_event.organization_id)
    ) > 1000 then
        raise exception 'in the row "%", an id or the resource type has more than 1000 bytes',
            _event.source_id
            using errcode = 'program_limit_exceeded',
                hint = 'Use its digest, and put the long one into action_meta.';
    end if;
    if chronicle.is_too_long(array[
        _event.action_meta, _event.related_resources, _event.details_before, _event.details_after,
        _event.ai_metadata, _event.client_info
    ]) then
        raise exception 'in the row "%", the documents are longer than 256 MB, written as text',
            _event.source_id
            using errcode = 'program_limit_exceeded',
                hint = 'Leave out what is so long, or keep it elsewhere and import its digest.';
    end if;
end
$$;

comment on function chronicle.check_imported_event(chronicle.imported_event) is
'Private. Raises what keeps an event from being imported.
Errors: 22004 for a missing field; 22023 for a wrong one; 42939 for a reserved name; 54000 for too
long an id or documents.';

revoke execute on function chronicle.check_imported_event(chronicle.imported_event) from public;
grant execute on function chronicle.check_imported_event(chronicle.imported_event)
to chronicle_writer;
