-- Runs as its caller, as chronicle.enable_tracking does.
create or replace function chronicle.disable_tracking(_table regclass)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table_id constant integer := chronicle.tracked_table_id(_table);
    v_operation text;
begin
    if v_table_id is null then
        raise exception '% is not tracked', coalesce(_table::text, 'null')
            using errcode = 'ZC005',
                hint = 'select * from chronicle.tracked_tables shows what is.';
    end if;
    perform chronicle.check_owns_table(_table);

    foreach v_operation in array array['insert', 'update', 'delete', 'truncate'] loop
        execute format('drop trigger if exists "!chronicle_%s" on %s', v_operation, _table);
    end loop;
    perform chronicle.retire_tracked_table(v_table_id);
end
$$;

comment on function chronicle.disable_tracking(regclass) is
'Ends the capture of a table, which is an event. What was recorded stays. Writers wait for the
moment that it takes. The caller must own the table and have chronicle_admin.
Errors: ZC005 for a table that is not tracked; 42501 for somebody else''s table.';

revoke execute on function chronicle.disable_tracking(regclass) from public;
grant execute on function chronicle.disable_tracking(regclass) to chronicle_admin;
