-- Names prove nothing: a trigger of the same name may fire never, or for another table's function.
create or replace function chronicle.has_capture_triggers(_table regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select count(*) = 4 and count(distinct substring(p.proname from '^capture_([0-9]+)_')) = 1
    from (
        -- The bits of tgtype: 1 row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate.
        values
        ('insert', 1 + 4, null),
        ('update', 1 + 16, 'WHEN ((old.* *<> new.*))'),
        ('delete', 1 + 8, null),
        ('truncate', 2 + 32, null)
    ) as w (operation, type, condition)
    inner join pg_catalog.pg_trigger as t
        on t.tgrelid = _table
        and t.tgname = '!chronicle_' || w.operation
        and t.tgtype = w.type
        and t.tgenabled = 'A'
        and t.tgattr = ''
        and (t.tgqual is null) = (w.condition is null)
        and (w.condition is null or position(w.condition in pg_get_triggerdef(t.oid)) > 0)
    inner join pg_catalog.pg_proc as p
        on p.oid = t.tgfoid
        and p.pronamespace = 'chronicle_capture'::regnamespace
        and p.proname ~ ('^capture_[0-9]+_' || w.operation || '$')
$$;

comment on function chronicle.has_capture_triggers(regclass) is
'Private. Whether all capture triggers of a table stand as they were made, and fire always.';

revoke execute on function chronicle.has_capture_triggers(regclass) from public;
grant execute on function chronicle.has_capture_triggers(regclass)
to chronicle_admin, chronicle_reader;
