create or replace function chronicle.check_owns_table(_table regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_owner constant name := (
        select pg_get_userbyid(c.relowner) from pg_catalog.pg_class as c where c.oid = _table
    );
begin
    if not pg_has_role(current_user, v_owner, 'USAGE') then
        raise exception 'must be owner of table %', _table
            using errcode = 'insufficient_privilege',
                detail = format('It belongs to "%s"; you are "%s".', v_owner, current_user),
                hint = format(
                    'Call this as "%1$s", after: grant chronicle_admin to %1$I.', v_owner
                );
    end if;
end
$$;

comment on function chronicle.check_owns_table(regclass) is
'Private. Raises 42501 unless the caller has the rights of the table''s owner.';

revoke execute on function chronicle.check_owns_table(regclass) from public;
grant execute on function chronicle.check_owns_table(regclass) to chronicle_admin;
