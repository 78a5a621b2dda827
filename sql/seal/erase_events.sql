-- The digests are kept first, in the same statement that reads the payloads; then the triggers let
-- the payloads go. Who erases the same event meanwhile waits, and then finds it erased.
create or replace function chronicle.erase_events(
    _event_ids uuid[], _legal_basis text, _resource_id text
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
    v_recorded_by uuid;
begin
    select array_agg(e.event_id) into v_ids
    from (
        select e.event_id
        from chronicle.events as e
        where e.event_id = any(_event_ids) and e.payload_salt is not null
        for update
    ) as e;
    if v_ids is null then
        return 0;
    end if;

    v_recorded_by := chronicle.record_internal_event(
        'logged', 'delete', 'chronicle.payload.erase', 'chronicle.payload', _resource_id, null,
        null, null,
        _action_meta => jsonb_build_object(
            'legal_basis', _legal_basis, 'events', cardinality(v_ids)
        )
    );
    insert into chronicle.erasures (
        event_id, occurred_at, payload_digest, erased_at, legal_basis, recorded_by
    )
    select
        e.event_id,
        e.occurred_at,
        chronicle.payload_digest(e),
        r.occurred_at,
        _legal_basis,
        r.event_id
    from chronicle.events as e
    cross join (
        select x.event_id, x.occurred_at
        from chronicle.events as x
        where x.event_id = v_recorded_by
    ) as r
    where e.event_id = any(v_ids);
    update chronicle.events
    set payload_salt = null,
        action_description = null,
        action_meta = null,
        reason = null,
        related_resources = null,
        details_before = null,
        details_after = null,
        payload_error = 'erased',
        ai_metadata = null,
        error_message = null,
        ip_address = null,
        user_agent = null,
        client_info = null
    where event_id = any(v_ids);
    -- Whoever sends the event once more is told that the id is taken.
    update chronicle.event_keys
    set content_digest = sha256(uuid_send(gen_random_uuid()))
    where event_id = any(v_ids);
    return cardinality(v_ids);
end
$$;

comment on function chronicle.erase_events(uuid[], text, text) is
'Private. Erases the payloads of events, and records that; returns of how many.
_resource_id: what the event that tells of it is about.';

revoke execute on function chronicle.erase_events(uuid[], text, text) from public;
