create or replace function chronicle.has_capture_triggers(_table regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select count(*) = 4
    from pg_catalog.pg_trigger as t
    inner join pg_catalog.pg_proc as p on p.oid = t.tgfoid
    where t.tgrelid = _table
        and t.tgname in (
            '!chronicle_insert', '!chronicle_update', '!chronicle_delete', '!chronicle_truncate'
        )
        and t.tgenabled = 'A'
        and p.pronamespace = 'chronicle_capture'::regnamespace
$$;

comment on function chronicle.has_capture_triggers(regclass) is
'Private. Whether all capture triggers of a table stand and fire always.';

revoke execute on function chronicle.has_capture_triggers(regclass) from public;
grant execute on function chronicle.has_capture_triggers(regclass)
to chronicle_admin, chronicle_reader;
