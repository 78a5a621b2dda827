-- Undoes pgchronicle_0007_history.

set local role chronicle_owner;

-- Undoing everything goes from the last migration to the first, each by itself. The first of them
-- that would lead to the loss of events must refuse, so that nothing is undone by halves.
do $guard$
begin
    perform chronicle.assert_no_events();
end
$guard$;

drop function chronicle.import_events(text, text, integer);
drop function chronicle.check_import(text, text, integer);
drop function chronicle.record_imported_events(text, jsonb, text);
drop function chronicle.begin_import(text);
drop function chronicle.is_event_imported(uuid);
drop function chronicle.imported_event_id(text, text);
drop function chronicle.check_imported_event(chronicle.imported_event);
drop type chronicle.imported_event;
drop table chronicle.imports;
drop function chronicle.snapshot_table(regclass, integer);
drop function chronicle.check_can_be_read_whole(regclass, integer, integer);
drop function chronicle.snapshot_query(
    regclass, chronicle.table_registry, text[], text[]
);
drop function chronicle.key_order(regclass, name[]);
drop function chronicle.record_snapshot_rows(
    regclass, text[], text[], jsonb[], text[], boolean
);
drop table chronicle.snapshots;
drop function chronicle.revert_transaction(bigint, integer, boolean);
drop function chronicle.epoch_of(bigint, integer);
drop function chronicle.revert_event(uuid, boolean);
drop function chronicle.carry_out_undo(text, uuid);
drop function chronicle.set_parent_event(uuid);
drop function chronicle.record_revert(uuid, bigint, integer);
drop function chronicle.transaction_events(bigint, integer);
drop function chronicle.plan_transaction_undo(bigint, integer, boolean);
drop function chronicle.plan_event_undo(uuid, boolean);
drop function chronicle.planned_undo(chronicle.row_events[], text, boolean);
drop function chronicle.check_cascades(chronicle.undo_step[]);
drop function chronicle.undo_statement(chronicle.undo_step[]);
drop function chronicle.ranked_steps(chronicle.undo_step[]);
drop function chronicle.undo_steps(regclass, integer, text, boolean);
drop function chronicle.later_change(regclass, integer, text, bigint, jsonb);
drop type chronicle.undo_step;
drop function chronicle.refuse_conflict(text, text);
drop function chronicle.are_transaction_events_hidden(bigint, integer, text[], boolean);
drop function chronicle.rows_as_of(anyelement, timestamptz);
drop function chronicle.as_of_query(regclass, integer, timestamptz);
drop function chronicle.net_changes(integer, text);
drop function chronicle.typed_columns(regclass, integer);
drop function chronicle.check_changes_are_known(regclass, integer, timestamptz);
drop function chronicle.table_of(regtype);
drop function chronicle.record_as_of(regclass, text, timestamptz);
drop function chronicle.check_time_is_known(regclass, integer, timestamptz);
drop function chronicle.is_departure_erased(integer, bigint, timestamptz);
drop function chronicle.record_history(regclass, text);
drop function chronicle.rebuilt_line(
    chronicle.row_events[], chronicle.tracking_periods[], jsonb
);
drop type chronicle.record_change;
drop function chronicle.record_lines(integer, text);
drop function chronicle.record_events(integer, text);
drop function chronicle.check_key_is_immediate(regclass);
drop function chronicle.live_image(regclass, integer, text);
drop function chronicle.record_condition(regclass, integer, text);
drop function chronicle.live_row_query(regclass, integer);
drop function chronicle.canonical_key(integer, text);
drop function chronicle.table_with_history(regclass);
drop function chronicle.refuse_incomplete(regclass, text);
drop function chronicle.refuse_hidden_events(text);
drop function chronicle.are_table_events_hidden(integer, timestamptz, text[], boolean);
drop function chronicle.are_record_events_hidden(integer, text, text[], boolean);
drop function chronicle.has_departures(integer, text);
drop function chronicle.departures(integer, text);
drop function chronicle.present_image(
    jsonb, bigint, jsonb, chronicle.tracking_periods[]
);
drop function chronicle.period_of_event(chronicle.tracking_periods[], bigint, jsonb);
drop function chronicle.is_interrupted(chronicle.tracking_periods[], bigint, bigint);
drop function chronicle.typed_image(jsonb, chronicle.tracking_periods);
drop function chronicle.without_changed(jsonb, text[]);
drop function chronicle.without_retyped(
    jsonb, chronicle.tracking_periods, chronicle.tracking_periods
);
drop function chronicle.translate_image(
    jsonb, chronicle.tracking_periods, chronicle.tracking_periods
);
drop function chronicle.column_periods(integer);
drop aggregate chronicle.merge_images(jsonb);
drop view chronicle.row_events;
drop view chronicle.row_changes;
