-- Runs as its caller, as chronicle.enable_tracking does.
create or replace function chronicle.disable_tracking(_table regclass)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table_id constant integer := chronicle.tracked_table_id(_table);
    v_relation regclass;
begin
    if v_table_id is null then
        perform chronicle.refuse_untracked(_table);
    end if;
    perform chronicle.check_owns_table(_table);

    execute format('lock table %s in share row exclusive mode', _table);
    for v_relation in
        select t.tgrelid
        from pg_catalog.pg_trigger as t
        inner join pg_catalog.pg_proc as p on p.oid = t.tgfoid
        where p.pronamespace = 'chronicle_capture'::regnamespace
            and p.proname = format('capture_%s_truncate', v_table_id)
    loop
        execute format('drop trigger "!chronicle_truncate" on %s', v_relation);
    end loop;
    execute format('drop trigger if exists "!chronicle_insert" on %s', _table);
    execute format('drop trigger if exists "!chronicle_update" on %s', _table);
    execute format('drop trigger if exists "!chronicle_delete" on %s', _table);
    perform chronicle.share_rows(_table, false);
    perform chronicle.retire_tracked_table(v_table_id);
end
$$;

comment on function chronicle.disable_tracking(regclass) is
'Ends the capture of a table, which is an event. What was recorded stays. Writers wait for the
moment that it takes. The caller must own the table and have chronicle_admin.
Errors: ZC005 for a table that is not tracked; 42501 for somebody else''s table.';

revoke execute on function chronicle.disable_tracking(regclass) from public;
grant execute on function chronicle.disable_tracking(regclass) to chronicle_admin;
