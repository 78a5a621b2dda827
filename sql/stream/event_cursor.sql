-- Where an epoch ends, the log may have been taken elsewhere, or back: what was written there
-- before anybody said so lies under transaction ids that consumers are past. So of an epoch that is
-- over, all that was not sealed by then comes at its end, in the order of seq: see
-- chronicle.events_since.
create or replace function chronicle.event_cursor(_event chronicle.events)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_position bigint := coalesce(_event.settled_after, _event.transaction_id);
begin
    if _event.epoch < chronicle.current_epoch()
        and _event.seq > (
            select n.sealed_seq from chronicle.epochs as n where n.epoch = _event.epoch + 1
        )
    then
        v_position := 999999999999999999;
    end if;
    return concat(_event.epoch, '.', v_position, '.', _event.seq);
end
$$;

comment on function chronicle.event_cursor(chronicle.events) is
'The cursor behind an event, for chronicle.events_since: epoch, place in the order of settling, seq.
_event: a row of chronicle.events.';

revoke execute on function chronicle.event_cursor(chronicle.events) from public;
grant execute on function chronicle.event_cursor(chronicle.events) to chronicle_reader;
