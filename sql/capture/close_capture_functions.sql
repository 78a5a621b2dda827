-- Of a partitioned table the owner keeps the right to execute the functions for rows: a new
-- partition gets copies of the triggers, and the server asks its maker for that right. They could
-- be misused to record changes that were not made, of that owner's table only, whose changes the
-- owner can make as well.
create or replace function chronicle.close_capture_functions(_table regclass, _table_id integer)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_right record;
begin
    if chronicle.tracked_table_id(_table) is distinct from _table_id then
        raise exception 'the capture triggers of % do not stand', _table
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'Call chronicle.enable_tracking, not what it calls.';
    end if;
    for v_right in
        select p.oid::regprocedure as function_name, pg_get_userbyid(a.grantee) as grantee
        from pg_catalog.pg_proc as p
        cross join lateral aclexplode(p.proacl) as a
        inner join pg_catalog.pg_class as c on c.oid = _table
        where p.pronamespace = 'chronicle_capture'::regnamespace
            and starts_with(p.proname, format('capture_%s_', _table_id))
            and p.proowner = current_user::regrole
            and not (
                c.relkind = 'p' and a.grantee = c.relowner and p.proname !~ '_truncate$'
            )
    loop
        execute format(
            'revoke execute on function %s from %I', v_right.function_name, v_right.grantee
        );
    end loop;
end
$$;

comment on function chronicle.close_capture_functions(regclass, integer) is
'Private. Checks that the capture triggers stand and takes from everybody the right to execute those
of their functions that belong to the caller, except from the owner of a partitioned table.';

revoke execute on function chronicle.close_capture_functions(regclass, integer) from public;
grant execute on function chronicle.close_capture_functions(regclass, integer)
to chronicle_writer, chronicle_table_reader;
