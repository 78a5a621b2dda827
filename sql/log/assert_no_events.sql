-- For rollbacks, which would destroy what they do not see: forced row-level security hides every
-- event from the owner. With a policy that shows them, row_security = off would raise whatever the
-- policy says; so, in the transaction that is about to drop the table, the force is taken off, and
-- row_security = off raises if anything is filtered all the same. Whatever is undone afterwards, so
-- is this.
create or replace function chronicle.assert_no_events()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
begin
    -- Nobody writes an event between this look and the drop.
    alter table chronicle.events no force row level security;
    if exists (select from chronicle.events) then
        raise exception 'the log holds events, and this would destroy them'
            using errcode = 'ZC004',
                detail = 'Nothing was undone.',
                hint = 'Keep what you need elsewhere first. '
                    'To remove pgchronicle with its log, on purpose: '
                    'stop tracking every table, then, as chronicle_owner, '
                    'drop schema chronicle_capture, chronicle cascade; '
                    'and delete from _yoyo_migration where migration_id like ''pgchronicle\_%''.';
    end if;
    alter table chronicle.events force row level security;
end
$$;

comment on function chronicle.assert_no_events() is
'Private. Raises ZC004 if the log holds any event, seen or hidden, and keeps writers out until the
transaction ends. Every rollback begins with it.';

revoke execute on function chronicle.assert_no_events() from public;
