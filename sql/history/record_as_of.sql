create or replace function chronicle.record_as_of(
    _table regclass, _record_id text, _at timestamptz
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table_id constant integer := chronicle.table_with_history(_table);
    v_record_id constant text := chronicle.canonical_key(v_table_id, _record_id);
    v_periods constant chronicle.tracking_periods[] := array(
        select p from chronicle.column_periods(v_table_id) as p order by p.from_seq
    );
    v_then chronicle.tracking_periods := (
        select p
        from unnest(v_periods) as p
        where p.began_at <= _at
        order by p.from_seq desc
        limit 1
    );
    v_change record;
    v_span chronicle.tracking_periods;
    v_image jsonb;
    v_earlier jsonb;
    v_is_there boolean := false;
    v_seq bigint := 0;
begin
    perform chronicle.check_time_is_known(_table, v_table_id, _at);
    for v_change in
        select h.*, e.key_before, e.key_after, e.columns
        from chronicle.record_history(_table, v_record_id) as h
        inner join chronicle.row_events as e
            on e.event_id = h.event_id and e.occurred_at = h.occurred_at
        where h.origin = 'captured' and v_record_id in (e.key_before, e.key_after)
        order by h.seq
    loop
        v_span := chronicle.period_of_event(v_periods, v_change.seq, v_change.columns);
        -- The first change after that time tells how things stood before it.
        if v_change.occurred_at > _at then
            if v_change.key_before is distinct from v_record_id
                and not (
                    (v_is_there or v_seq = 0)
                    and chronicle.is_departure_erased(v_table_id, v_seq, v_change.occurred_at)
                )
            then
                return null;
            elsif v_change.key_before is distinct from v_record_id then
                perform chronicle.refuse_incomplete(
                    _table, format('When record %s went is not known.', v_record_id)
                );
            elsif v_earlier is null and not v_change.is_complete then
                perform chronicle.refuse_incomplete(
                    _table,
                    format('Not every column of record %s is known at that time.', v_record_id)
                );
            end if;
            v_image := v_change.old_values;
            exit;
        end if;
        v_earlier := null;
        v_is_there := v_change.key_after is not distinct from v_record_id;
        v_seq := v_change.seq;
        if v_change.key_after = v_record_id and v_change.is_complete then
            -- It may have taken up columns before the log did.
            if v_span.from_seq > v_then.from_seq then
                v_then := v_span;
            end if;
            v_earlier := chronicle.translate_image(
                chronicle.without_retyped(v_change.new_values, v_span, v_then), v_span, v_then
            );
        end if;
        v_span := null;
    end loop;
    if v_image is null then
        v_image := chronicle.live_image(_table, v_table_id, v_record_id);
        v_span := v_periods[cardinality(v_periods)];
        if v_image is null
            and (
                v_is_there and v_earlier is null
                or v_is_there and chronicle.is_departure_erased(v_table_id, v_seq, _at)
                -- It may have been there before there were events.
                or v_seq = 0 and chronicle.is_departure_erased(v_table_id, 0, 'infinity')
            )
        then
            perform chronicle.refuse_incomplete(
                _table,
                format('How record %s was then, or when it went, is not known.', v_record_id)
            );
        end if;
    end if;
    return coalesce(chronicle.translate_image(v_image, v_span, v_then), v_earlier) || coalesce(
        v_earlier, '{}'
    );
end
$$;

comment on function chronicle.record_as_of(regclass, text, timestamptz) is
'A record as it stood at a time, as capture would have recorded it, under the names that its columns
had then; null when there was no such record. A time means what had been done by then, by the clock
of each change, not what had been committed. Runs with the caller''s rights.
_record_id: the key that it had then, as for chronicle.record_history. _at: the time.
Errors: ZC007 when that can not be known; as chronicle.record_history.';

revoke execute on function chronicle.record_as_of(regclass, text, timestamptz) from public;
grant execute on function chronicle.record_as_of(regclass, text, timestamptz)
to chronicle_reader;
