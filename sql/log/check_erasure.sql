-- Every update of an event comes here. The one that is let through empties a payload whose digest
-- was kept before, and touches nothing else. On a copy, the apply worker of logical replication
-- brings it, with the digest before.
create or replace function chronicle.check_erasure()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if (
        current_user = 'chronicle_eraser'
        or exists (
            select from pg_catalog.pg_stat_subscription as s where s.pid = pg_backend_pid()
        )
    )
        and new.payload_salt is null
        and array_remove(chronicle.payload_fields(new), null) = array['erased'::bytea]
        and new.payload_error = 'erased'
        and chronicle.event_fields(new) = chronicle.event_fields(old)
        and exists (
            select
            from chronicle.erasures as x
            where x.event_id = old.event_id
                and x.payload_digest = chronicle.payload_digest(old)
        )
    then
        return new;
    end if;
    raise exception 'update on %.% is refused', tg_table_schema, tg_table_name
        using errcode = 'ZC003',
            detail = 'The log is append-only: what has been recorded is not changed. '
                'An erasure empties a whole payload, and says so.',
            hint = 'To correct an event, log another one with _parent_event_id set to its id. '
                'To erase personal data: chronicle.erase_payload or chronicle.erase_subject.';
end
$$;

comment on function chronicle.check_erasure() is
'Trigger function: lets an erasure through, and refuses every other update with ZC003.';

revoke execute on function chronicle.check_erasure() from public;

create trigger events_check_erasure
before update on chronicle.events
for each row execute function chronicle.check_erasure();

alter table chronicle.events enable always trigger events_check_erasure;

comment on trigger events_check_erasure on chronicle.events is
'Refuses updates but erasures; cloned to every partition.';
