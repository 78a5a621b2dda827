-- Runs as the owner of the list. The row and the event that tells of it are one.
create or replace function chronicle.add_trusted_gateway(_role_name text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (
        select from pg_catalog.pg_roles as r where r.rolname = _role_name and r.rolcanlogin
    ) then
        raise exception 'there is no role "%" that can log in', coalesce(_role_name, 'null')
            using errcode = 'undefined_object',
                hint = 'A gateway is the role with which a service logs in, such as the '
                    '"authenticator" of PostgREST, not one that it plays.';
    end if;

    -- Before the row: two that first wrote and then locked would wait for each other.
    lock table chronicle.trusted_gateways in share row exclusive mode;

    insert into chronicle.trusted_gateways (role_name) values (_role_name) on conflict do nothing;
    if found then
        perform chronicle.log_management_event(
            'create', 'chronicle.trusted_gateway.add', 'chronicle.trusted_gateway', _role_name,
            null, null
        );
    end if;
end
$$;

comment on function chronicle.add_trusted_gateway(text) is
'Believes what is said over sessions of a login role about who acts, by chronicle.set_context or
request.jwt.claims, and records that. Whoever can run SQL over such a session can claim to be
anyone. Harmless to repeat.
_role_name: as in session_user. Errors: 42704 when there is no such role, or it can not log in.';

revoke execute on function chronicle.add_trusted_gateway(text) from public;
grant execute on function chronicle.add_trusted_gateway(text) to chronicle_admin;
