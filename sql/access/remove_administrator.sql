-- Runs as the owner of the table of administrators. The row and the event that tells of it are one.
create or replace function chronicle.remove_administrator(
    _principal text, _organization_id text default null
)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from chronicle.administrators as a
    where a.principal = _principal and a.organization_id is not distinct from _organization_id;
    if not found then
        raise exception '"%" is not an administrator of %',
            _principal, coalesce('organization "' || _organization_id || '"', 'the system')
            using errcode = 'no_data_found',
                hint = 'select * from chronicle.administrators shows who is.';
    end if;

    perform chronicle.log_management_event(
        'delete', 'chronicle.administrator.remove', 'chronicle.administrator', _principal,
        jsonb_build_object('organization_id', _organization_id), null
    );
end
$$;

comment on function chronicle.remove_administrator(text, text) is
'Takes back what chronicle.add_administrator gave, and records that.
_principal: a database role, or a verified actor as in user:ada. _organization_id: null for a super
administrator.
Errors: P0002 when they are none.';

revoke execute on function chronicle.remove_administrator(text, text) from public;
grant execute on function chronicle.remove_administrator(text, text) to chronicle_admin;
