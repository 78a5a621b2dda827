-- A change that was taken back again is none: what counts is whether the row is the one that it
-- was.
create or replace function chronicle.later_change(
    _table regclass, _table_id integer, _record_id text, _seq bigint, _live jsonb
)
returns uuid
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_periods constant chronicle.tracking_periods[] := array(
        select p from chronicle.column_periods(_table_id) as p order by p.from_seq
    );
    v_first chronicle.row_events;
    v_then jsonb;
begin
    select e.* into v_first
    from chronicle.record_events(_table_id, _record_id) as e
    where e.seq > _seq and e.origin = 'captured'
    order by e.seq
    limit 1;
    if v_first.event_id is null then
        return null;
    end if;
    if v_first.key_before = _record_id then
        select chronicle.translate_image(
            h.old_values,
            chronicle.period_of_event(v_periods, v_first.seq, v_first.columns),
            v_periods[cardinality(v_periods)]
        )
        into v_then
        from chronicle.record_history(_table, _record_id) as h
        where h.event_id = v_first.event_id and h.is_complete;
        if v_then is null then
            return v_first.event_id;
        end if;
    end if;
    -- Neither there then nor now, or the same then and now.
    return case
        when coalesce(
            (_live || v_then)::text = _live::text, v_then is null and _live is null
        ) then null
        else v_first.event_id
    end;
end
$$;

comment on function chronicle.later_change(regclass, integer, text, bigint, jsonb) is
'Private. The first change of a record after an event, if the record is not what it was then.
_live: what it is now; null for no row.';

revoke execute on function chronicle.later_change(regclass, integer, text, bigint, jsonb)
from public;
grant execute on function chronicle.later_change(regclass, integer, text, bigint, jsonb)
to chronicle_reader;
