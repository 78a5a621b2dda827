create or replace function chronicle.event_cursor(_event chronicle.events)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        '%s.%s.%s',
        _event.epoch, coalesce(_event.settled_after, _event.transaction_id), _event.seq
    )
$$;

comment on function chronicle.event_cursor(chronicle.events) is
'The cursor behind an event, for chronicle.events_since: epoch, place in the order of settling, seq.
_event: a row of chronicle.events.';

revoke execute on function chronicle.event_cursor(chronicle.events) from public;
grant execute on function chronicle.event_cursor(chronicle.events) to chronicle_reader;
