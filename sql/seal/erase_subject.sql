-- Reads the whole log where no index leads to the subject: it is asked for rarely, and must miss
-- nothing.
create or replace function chronicle.erase_subject(
    _legal_basis text,
    _actor_id text default null,
    _actor_type chronicle.actor_type default null,
    _resource_type text default null,
    _resource_id text default null,
    _organization_id text default null
)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_ids uuid[];
begin
    perform chronicle.check_can_erase(_legal_basis);
    if coalesce(_actor_id, _resource_id) is null
        or _actor_type is not null and _actor_id is null
        or _resource_type is not null and _resource_id is null
    then
        raise exception 'whose events to erase is not said'
            using errcode = 'invalid_parameter_value',
                detail = 'Nothing was erased.',
                hint = 'Pass _actor_id for what somebody did, _resource_id for what was done to '
                    'something, or both; a type narrows its id down.';
    end if;

    select array_agg(e.event_id) into v_ids
    from chronicle.events as e
    where e.payload_salt is not null
        and e.resource_type not in ('chronicle.payload', 'chronicle.epoch')
        and (_organization_id is null or e.organization_id = _organization_id)
        and (
            e.actor_id = _actor_id and (_actor_type is null or e.actor_type = _actor_type)
            -- The type is that of whom they acted for.
            or e.impersonator_id = _actor_id
            or (
                e.resource_id = _resource_id
                or e.related_resources -> 0 ->> 'relation' = 'previous_key'
                and e.related_resources -> 0 ->> 'resource_id' = _resource_id
            )
            and (_resource_type is null or e.resource_type = _resource_type)
        );
    return chronicle.erase_events(
        v_ids, _legal_basis,
        array_to_string(array[_actor_id, _resource_id], ', ')
    );
end
$$;

comment on function chronicle.erase_subject(
    text, text, chronicle.actor_type, text, text, text
) is
'chronicle.erase_payload for every event of a subject: what they did, what was done to their record,
or both. One event tells of it. Returns how many were erased; those that were erased before do not
count. What open transactions are about to record is not reached: call it again when they are over.
_legal_basis: why they must go, in words for an auditor. _actor_id, _actor_type: by whom, also in
somebody else''s place. _resource_type, _resource_id: about what; a key that the record had before
counts. _organization_id: only events of that organization.
Errors: 55000 until chronicle.enable_erasure was called; 22023 without a legal basis or a subject.
Example: select chronicle.erase_subject(''GDPR Art. 17(1)(b), request 4711'',
_actor_id => ''ada'', _resource_type => ''shop.customers'', _resource_id => ''17'');';

revoke execute on function chronicle.erase_subject(
    text, text, chronicle.actor_type, text, text, text
) from public;
grant execute on function chronicle.erase_subject(
    text, text, chronicle.actor_type, text, text, text
) to chronicle_admin;
