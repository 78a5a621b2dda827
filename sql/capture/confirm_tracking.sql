-- Runs as the writer, who owns the capture functions and is the one to close them. Of a partitioned
-- table the owner keeps the right to execute them: a new partition gets copies of the triggers, and
-- the server asks its maker for that right. They could be misused to record changes that were not
-- made, of that owner's table only, whose changes the owner can make as well.
create or replace function chronicle.confirm_tracking(_table regclass, _table_id integer)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_owner name;
    v_is_partitioned boolean;
    v_right record;
begin
    if chronicle.tracked_table_id(_table) is distinct from _table_id then
        raise exception 'the capture triggers of % do not stand', _table
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'Call chronicle.enable_tracking, not what it calls.';
    end if;
    select pg_get_userbyid(c.relowner), c.relkind = 'p' into strict v_owner, v_is_partitioned
    from pg_catalog.pg_class as c
    where c.oid = _table;

    for v_right in
        select p.oid::regprocedure as function_name, pg_get_userbyid(a.grantee) as grantee
        from pg_catalog.pg_proc as p
        cross join lateral aclexplode(p.proacl) as a
        where p.pronamespace = 'chronicle_capture'::regnamespace
            and p.proname like format('capture\_%s\_%%', _table_id)
            and not (v_is_partitioned and a.grantee = v_owner::regrole)
    loop
        execute format(
            'revoke execute on function %s from %I', v_right.function_name, v_right.grantee
        );
    end loop;
end
$$;

comment on function chronicle.confirm_tracking(regclass, integer) is
'Private. Checks that the capture triggers stand and closes their functions to everybody, except for
the owner of a partitioned table.';

revoke execute on function chronicle.confirm_tracking(regclass, integer) from public;
grant execute on function chronicle.confirm_tracking(regclass, integer) to chronicle_admin;
alter function chronicle.confirm_tracking(regclass, integer) owner to chronicle_writer;
