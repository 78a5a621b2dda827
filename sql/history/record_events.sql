create or replace function chronicle.record_events(_table_id integer, _record_id text)
returns setof chronicle.row_events
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_events chronicle.row_events[] := array(
        select e
        from chronicle.row_events as e
        where e.record_id = _record_id and e.table_id = _table_id
        order by e.seq
    );
    v_departures chronicle.row_events[];
begin
    if not chronicle.is_auditor()
        and chronicle.count_record_events(_table_id, _record_id) > cardinality(v_events)
    then
        perform chronicle.refuse_hidden_events(format('record %s', _record_id));
    end if;
    v_departures := array(
        select e
        from chronicle.departures(_table_id, _record_id) as d
        inner join chronicle.row_events as e
            on e.event_id = d.event_id and e.occurred_at = d.occurred_at
        where e.record_id <> _record_id
    );
    if cardinality(v_departures) < (
        select count(*) from chronicle.departures(_table_id, _record_id)
    ) then
        perform chronicle.refuse_hidden_events(format('record %s', _record_id));
    end if;
    return query
    select e.* from unnest(v_events || v_departures) as e order by e.seq;
end
$$;

comment on function chronicle.record_events(integer, text) is
'Private. The events by which a row had, got or lost this key, in the order of seq.
Errors: 42501 when row-level security hides one of them.';

revoke execute on function chronicle.record_events(integer, text) from public;
grant execute on function chronicle.record_events(integer, text) to chronicle_reader;
