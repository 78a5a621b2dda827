-- Names prove nothing: a trigger of the same name may fire never, or for another table's function.
create or replace function chronicle.has_capture_triggers(
    _table regclass, _firing text[] default '{A}'
)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
    select count(*) = 4 and count(distinct substring(p.proname from '^capture_([0-9]+)_')) = 1
    from (
        -- The bits of tgtype: 1 row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate.
        values
        ('insert', 1 + 4, ' FOR EACH ROW EXECUTE FUNCTION '),
        ('update', 1 + 16, ' FOR EACH ROW WHEN ((old.* *<> new.*)) EXECUTE FUNCTION '),
        ('delete', 1 + 8, ' FOR EACH ROW EXECUTE FUNCTION '),
        ('truncate', 2 + 32, ' FOR EACH STATEMENT EXECUTE FUNCTION ')
    ) as w (operation, type, ending)
    inner join pg_catalog.pg_trigger as t
        on t.tgrelid = _table
        and t.tgname = '!chronicle_' || w.operation
        and t.tgtype = w.type
        and t.tgenabled::text = any(_firing)
        and t.tgattr = ''
        and t.tgnargs = 0
        and not t.tgdeferrable
        and t.tgnewtable is null
        and t.tgoldtable is null
    inner join pg_catalog.pg_proc as p
        on p.oid = t.tgfoid
        and p.pronamespace = 'chronicle_capture'::regnamespace
        and p.proname ~ ('^capture_[0-9]+_' || w.operation || '$')
    where
        -- Nothing before that ending but names and the time, nothing after it but the function.
        pg_get_triggerdef(t.oid)
        like '%' || w.ending || 'chronicle_capture.' || p.proname || '()'
        -- And so do the copies on partitions.
        and not exists (
            select
            from pg_catalog.pg_trigger as c
            where c.tgfoid = p.oid
                and c.tgenabled::text <> all(_firing)
                and c.tgrelid in (select l.relid from pg_partition_tree(_table) as l)
        )
$$;

comment on function chronicle.has_capture_triggers(regclass, text[]) is
'Private. Whether all capture triggers of a table stand as they were made, and fire. _firing: when,
as in pg_trigger.tgenabled; by default always.';

revoke execute on function chronicle.has_capture_triggers(regclass, text[]) from public;
grant execute on function chronicle.has_capture_triggers(regclass, text[])
to chronicle_admin, chronicle_reader;
