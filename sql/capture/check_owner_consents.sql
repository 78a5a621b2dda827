-- The functions with rights of their own can not see who called them: current_user is their owner,
-- and every chronicle_admin may call them. So the caller shows that they act for the table's owner
-- by what only that one can do: chronicle.enable_tracking grants TRIGGER on the table to
-- chronicle_writer, and takes it back before it ends.
create or replace function chronicle.check_owner_consents(_table regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (
        select
        from pg_catalog.pg_class as c
        cross join lateral aclexplode(c.relacl) as a
        where c.oid = _table
            and a.grantee = 'chronicle_writer'::regrole
            and a.privilege_type = 'TRIGGER'
            -- Not from somebody who may pass on a right of the owner's.
            and a.grantor = c.relowner
    ) then
        raise exception 'the owner of % has not asked for this', _table
            using errcode = 'insufficient_privilege',
                hint = 'Call chronicle.enable_tracking, not what it calls.';
    end if;
end
$$;

comment on function chronicle.check_owner_consents(regclass) is
'Private. Raises 42501 unless chronicle_writer holds TRIGGER on the table, which the owner grants
while tracking is enabled.';

revoke execute on function chronicle.check_owner_consents(regclass) from public;
grant execute on function chronicle.check_owner_consents(regclass)
to chronicle_writer, chronicle_table_reader;
