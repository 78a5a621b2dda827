-- Runs as the owner of the table of administrators. The row and the event that tells of it are one.
create or replace function chronicle.add_administrator(
    _principal text, _organization_id text default null
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if nullif(_principal, '') is null or _organization_id = '' then
        raise exception 'a principal is needed, and no empty organization'
            using errcode = 'null_value_not_allowed',
                hint = 'The principal is a database role, or an actor as in user:ada. '
                    'Leave the organization out for a super administrator.';
    end if;

    insert into chronicle.administrators (principal, organization_id)
    values (_principal, _organization_id)
    on conflict do nothing;
    if found then
        perform chronicle.log_management_event(
            'create', 'chronicle.administrator.add', 'chronicle.administrator', _principal,
            null, jsonb_build_object('organization_id', _organization_id)
        );
    end if;
end
$$;

comment on function chronicle.add_administrator(text, text) is
'Lets a principal read the events of an organization, or system-wide events, and records that. They
also need to be granted chronicle_reader. Harmless to repeat.
_principal: a database role, or a verified actor as in user:ada. _organization_id: null makes a
super administrator.
Errors: 22004 without a principal.';

revoke execute on function chronicle.add_administrator(text, text) from public;
grant execute on function chronicle.add_administrator(text, text) to chronicle_admin;
