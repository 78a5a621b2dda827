create or replace function chronicle.refuse_hidden_events(_what text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'some events of % are hidden from "%"', _what, current_user
        using errcode = 'insufficient_privilege',
            detail = 'They concern organizations that this role does not administer; '
                'without them the answer would be wrong.',
            hint = 'Ask as a role that administers all of them, or as a chronicle_auditor.';
end
$$;

comment on function chronicle.refuse_hidden_events(text) is
'Private. Raises 42501: row-level security hides events that are needed. _what: whose.';

revoke execute on function chronicle.refuse_hidden_events(text) from public;
grant execute on function chronicle.refuse_hidden_events(text) to chronicle_reader;
