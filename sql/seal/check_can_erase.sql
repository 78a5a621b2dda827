create or replace function chronicle.check_can_erase(_legal_basis text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if current_user <> 'chronicle_eraser' then
        raise exception 'erasure is not enabled'
            using errcode = 'object_not_in_prerequisite_state',
                detail = 'No role may change an event, and nothing was erased.',
                hint = 'As the role that installed pgchronicle: select chronicle.enable_erasure();';
    end if;
    if _legal_basis is null or btrim(_legal_basis) = '' then
        raise exception '_legal_basis is missing'
            using errcode = 'invalid_parameter_value',
                detail = 'An erasure is recorded with the reason for it.',
                hint = 'For example: ''GDPR Art. 17(1)(b), request 4711''.';
    end if;
end
$$;

comment on function chronicle.check_can_erase(text) is
'Private. Refuses to erase where that is not enabled (55000), or without a legal basis (22023).';

revoke execute on function chronicle.check_can_erase(text) from public;
