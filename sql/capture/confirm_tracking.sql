-- Runs as the writer, who owns the capture function and is the one to close it.
create or replace function chronicle.confirm_tracking(_table regclass, _table_id integer)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_grantee text;
begin
    for v_grantee in
        select quote_ident(pg_get_userbyid(a.grantee))
        from pg_catalog.pg_proc as p
        cross join lateral aclexplode(p.proacl) as a
        where p.pronamespace = 'chronicle_capture'::regnamespace
            and p.proname = 'capture_' || _table_id
        group by 1
    loop
        execute format(
            'revoke execute on function chronicle_capture.capture_%s() from %s',
            _table_id, v_grantee
        );
    end loop;

    if chronicle.tracked_table_id(_table) is distinct from _table_id then
        raise exception 'the capture triggers of % do not stand', _table
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'Call chronicle.enable_tracking, not what it calls.';
    end if;
end
$$;

comment on function chronicle.confirm_tracking(regclass, integer) is
'Private. Closes a capture function to everybody and checks that the triggers stand.';

revoke execute on function chronicle.confirm_tracking(regclass, integer) from public;
grant execute on function chronicle.confirm_tracking(regclass, integer) to chronicle_admin;
alter function chronicle.confirm_tracking(regclass, integer) owner to chronicle_writer;
