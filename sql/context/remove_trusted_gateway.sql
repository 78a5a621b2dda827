-- Runs as the owner of the list.
create or replace function chronicle.remove_trusted_gateway(_role_name text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Before the row: two that first wrote and then locked would wait for each other.
    lock table chronicle.trusted_gateways in share row exclusive mode;

    delete from chronicle.trusted_gateways as g where g.role_name = _role_name;
    if not found then
        raise exception '"%" is not a trusted gateway', coalesce(_role_name, 'null')
            using errcode = 'no_data_found',
                hint = 'select * from chronicle.trusted_gateways shows which are.';
    end if;

    perform chronicle.log_management_event(
        'delete', 'chronicle.trusted_gateway.remove', 'chronicle.trusted_gateway', _role_name,
        null, null
    );
end
$$;

comment on function chronicle.remove_trusted_gateway(text) is
'Takes back what chronicle.add_trusted_gateway gave, and records that. It holds at once, except for
transactions that are open and have asked already.
_role_name: in chronicle.trusted_gateways. Errors: P0002 when it is none.';

revoke execute on function chronicle.remove_trusted_gateway(text) from public;
grant execute on function chronicle.remove_trusted_gateway(text) to chronicle_admin;
