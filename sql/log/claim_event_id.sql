-- Two sessions with one id: the second waits at the insert for the first to end, and then finds its
-- digest or the id free. Under REPEATABLE READ it gets a serialization failure instead, and is
-- retried.
create or replace function chronicle.claim_event_id(_event_id uuid, _content jsonb)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_digest constant bytea := sha256(convert_to(_content::text, 'UTF8'));
begin
    insert into chronicle.event_keys (event_id, content_digest) values (_event_id, v_digest)
    on conflict (event_id) do nothing;
    if found then
        -- Ids that the server makes are of version 7, and of imported events 8; to look for another
        -- would lock partitions for nothing.
        if substr(_event_id::text, 15, 1) in ('7', '8')
            and chronicle.is_event_recorded(_event_id)
        then
            raise exception 'the event id % is taken', _event_id
                using errcode = 'ZC001',
                    detail = 'An event that got its id from the server, or an import, has it.',
                    hint = 'Make a new id for each event, and repeat it only to retry that event.';
        end if;
        return true;
    end if;

    if v_digest <> (
        select k.content_digest from chronicle.event_keys as k where k.event_id = _event_id
    ) then
        raise exception 'the event id % was used for another event', _event_id
            using errcode = 'ZC001',
                detail = 'What is recorded under it differs in content, in actor or in context.',
                hint = 'Make a new id for each event, and repeat it only to retry that event.';
    end if;
    return false;
end
$$;

comment on function chronicle.claim_event_id(uuid, jsonb) is
'Private. Claims an id that a caller gave. Returns whether the event is still to be recorded.
_content: all that makes the event what it is. Errors: ZC001 when the id belongs to another event.';

revoke execute on function chronicle.claim_event_id(uuid, jsonb) from public;
grant execute on function chronicle.claim_event_id(uuid, jsonb) to chronicle_writer;
