-- The events of one row, each with the whole row before and after it. Backwards from the row as it
-- stands, or from its delete: that needs no beginning, and survives retention. Then forwards from
-- what was recorded whole, for what the present can not tell: columns that were dropped or given
-- another type since, and rows whose end was missed.
--
-- An event's names are those of its period; a drifted one has those of the period that followed.
create or replace function chronicle.rebuilt_line(
    _events chronicle.row_events[],
    _periods chronicle.tracking_periods[],
    _live jsonb
)
returns setof chronicle.record_change
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_last constant integer := cardinality(_events);
    v_event chronicle.row_events;
    v_spans chronicle.tracking_periods[];
    v_given_before jsonb[];
    v_given_after jsonb[];
    v_before jsonb[];
    v_after jsonb[];
    v_state jsonb;
    v_span chronicle.tracking_periods := _periods[cardinality(_periods)];
    v_recorded text[];
    v_change chronicle.record_change;
begin
    for i in 1 .. v_last loop
        v_event := _events[i];
        v_spans[i] := chronicle.period_of_event(_periods, v_event.seq, v_event.columns);
        v_given_before[i] := v_event.details_before;
        v_given_after[i] := v_event.details_after;
        if v_event.payload_error is not null then
            v_given_before[i] := chronicle.typed_image(v_given_before[i], v_spans[i]);
            v_given_after[i] := chronicle.typed_image(v_given_after[i], v_spans[i]);
        end if;
    end loop;

    -- Backwards: v_state is the row after event i, as far as known.
    v_state := _live;
    for i in reverse v_last .. 1 loop
        v_event := _events[i];
        v_state := chronicle.translate_image(v_state, v_span, v_spans[i]);
        v_span := v_spans[i];
        -- Missed changes lie between the two.
        if i < v_last and chronicle.is_interrupted(_periods, v_event.seq, _events[i + 1].seq) then
            v_state := null;
        end if;
        if v_event.key_after is not null then
            v_after[i] := coalesce(v_state, '{}') || coalesce(v_given_after[i], '{}');
        end if;
        if v_event.action in ('INSERT', 'SNAPSHOT') then
            v_before[i] := case v_event.action when 'SNAPSHOT' then v_after[i] end;
        elsif v_event.key_after is null then
            v_before[i] := coalesce(v_given_before[i], '{}');
        elsif v_given_before[i] is not null then
            v_before[i] := v_after[i] || v_given_before[i];
        else
            v_before[i] := chronicle.without_changed(v_after[i], v_event.changed_columns);
        end if;
        -- All the columns that there were.
        if v_event.is_drifted then
            v_before[i] := v_given_before[i];
            v_after[i] := v_given_after[i];
        end if;
        v_state := v_before[i];
    end loop;

    -- Forwards: v_state is the row before event i, as far as known.
    v_state := null;
    for i in 1 .. v_last loop
        v_event := _events[i];
        if i > 1 then
            v_state := case
                when not chronicle.is_interrupted(_periods, _events[i - 1].seq, v_event.seq)
                    then chronicle.translate_image(
                        chronicle.without_retyped(
                            v_state, v_spans[i - 1], v_spans[i]
                        ),
                        v_spans[i - 1], v_spans[i]
                    )
            end;
        end if;
        if v_before[i] is not null and not v_event.is_drifted then
            v_before[i] := v_before[i] || coalesce(v_state, '{}')
                || coalesce(v_given_before[i], '{}');
        end if;
        v_state := v_before[i];
        if v_given_after[i] is null then
            v_state := chronicle.without_changed(v_state, v_event.changed_columns);
        end if;
        if v_after[i] is not null and not v_event.is_drifted then
            v_after[i] := v_after[i] || coalesce(v_state, '{}')
                || coalesce(v_given_after[i], '{}');
        end if;
        v_state := v_after[i];
    end loop;

    for i in 1 .. v_last loop
        v_event := _events[i];
        v_recorded := (v_spans[i]).recorded_columns;
        v_change.event_id := v_event.event_id;
        v_change.seq := v_event.seq;
        v_change.occurred_at := v_event.occurred_at;
        v_change.transaction_id := v_event.transaction_id;
        v_change.epoch := v_event.epoch;
        v_change.origin := v_event.origin;
        v_change.action := v_event.action;
        v_change.record_id := v_event.record_id;
        v_change.old_values := case when v_event.action <> 'SNAPSHOT' then v_before[i] end;
        v_change.new_values := v_after[i];
        v_change.changed_columns := v_event.changed_columns;
        v_change.is_complete := v_event.is_drifted
            and coalesce(v_event.details_before, v_event.details_after) is not null
            or coalesce(v_before[i] ?& v_recorded, true)
            and coalesce(v_after[i] ?& v_recorded, true);
        v_change.organization_id := v_event.organization_id;
        v_change.actor_type := v_event.actor_type;
        v_change.actor_id := v_event.actor_id;
        v_change.db_user := v_event.db_user;
        v_change.context_state := v_event.context_state;
        v_change.request_id := v_event.request_id;
        v_change.reason := v_event.reason;
        v_change.parent_event_id := v_event.parent_event_id;
        v_change.payload_error := v_event.payload_error;
        return next v_change;
    end loop;
end
$$;

comment on function chronicle.rebuilt_line(
    chronicle.row_events[], chronicle.tracking_periods[], jsonb
) is
'Private. Events of one row, in their order, with the whole row before and after each.
_periods: as chronicle.column_periods gives them. _live: the row as it stands, under the names of
the last period; null when it is not known.';

revoke execute on function chronicle.rebuilt_line(
    chronicle.row_events[], chronicle.tracking_periods[], jsonb
) from public;
grant execute on function chronicle.rebuilt_line(
    chronicle.row_events[], chronicle.tracking_periods[], jsonb
) to chronicle_reader;
