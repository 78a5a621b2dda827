create or replace function chronicle.erase_payload(_event_id uuid, _legal_basis text)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_resource_type text;
begin
    perform chronicle.check_can_erase(_legal_basis);
    select e.resource_type into v_resource_type
    from chronicle.events as e
    where e.event_id = _event_id;
    if not found then
        raise exception 'there is no event %', _event_id
            using errcode = 'no_data_found',
                detail = 'Nothing was erased.',
                hint = 'Its partition may have been dropped; and check the id.';
    end if;
    if v_resource_type in ('chronicle.payload', 'chronicle.epoch') then
        raise exception 'event % is not erased: it tells what was done to the log', _event_id
            using errcode = 'invalid_parameter_value',
                hint = 'Without it, the seals could not be checked.';
    end if;
    return chronicle.erase_events(array[_event_id], _legal_basis, _event_id::text) > 0;
end
$$;

comment on function chronicle.erase_payload(uuid, text) is
'Empties what of an event may hold personal data: both states, description, meta, reason, related
resources, AI metadata, error message, address, user agent, client info. Ids, times and what was
done stay, and so does a digest: every seal over the event still holds. An event tells who erased it
and on what basis. Returns false if it was erased before. Copies elsewhere are not reached: exports,
replicas that lag, backups, and the old row until VACUUM; see docs/seals.md.
_event_id: the event. _legal_basis: why it must go, in words for an auditor.
Errors: 55000 until chronicle.enable_erasure was called; 22023 without a legal basis, and for events
that tell of erasures and epochs; P0002 no such event.
Example: select chronicle.erase_payload(''…'', ''GDPR Art. 17(1)(b), request 4711'');';

revoke execute on function chronicle.erase_payload(uuid, text) from public;
grant execute on function chronicle.erase_payload(uuid, text) to chronicle_admin;
