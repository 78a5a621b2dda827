-- Undoes pgchronicle_0006_capture.

set local role chronicle_owner;

-- Undoing everything goes from the last migration to the first, each by itself. The first of them
-- that would lead to the loss of events must refuse, so that nothing is undone by halves.
do $guard$
begin
    perform chronicle.assert_no_events();
end
$guard$;

drop view chronicle.tracked_tables;
drop function chronicle.capture_gaps(regclass);
drop function chronicle.refresh_tracking(regclass);
drop function chronicle.present_options(integer);
drop function chronicle.disable_tracking(regclass);
drop function chronicle.enable_tracking(
    regclass, text, name, name[], name[], chronicle.capture_mode, name[], chronicle.truncate_mode,
    boolean
);
drop function chronicle.retire_tracked_table(integer);
drop function chronicle.confirm_truncate_capture(regclass, integer);
drop function chronicle.confirm_row_capture(regclass, integer);
drop function chronicle.close_capture_functions(regclass, integer);
drop function chronicle.share_rows(regclass, boolean);
drop function chronicle.place_capture_triggers(regclass, integer);
drop function chronicle.create_truncate_function(regclass, integer);
drop function chronicle.create_capture_functions(regclass, integer);
drop function chronicle.consented_options(regclass, integer);
drop function chronicle.register_tracked_table(regclass, chronicle.table_registry);
drop function chronicle.begin_tracking_period(
    regclass, chronicle.table_registry, boolean
);
drop function chronicle.complete_tracking_options(regclass, chronicle.table_registry);
drop function chronicle.check_owner_consents(regclass);
drop function chronicle.check_owns_table(regclass);
drop function chronicle.check_trackable(regclass);
drop function chronicle.refuse_untracked(regclass);
drop function chronicle.is_captured_whole(regclass);
drop function chronicle.has_options(integer);
drop function chronicle.partition_names(oid);
drop function chronicle.uncovered_partitions(regclass);
drop function chronicle.has_capture_triggers(regclass, text[]);
drop function chronicle.has_key(integer);
drop function chronicle.known_table_id(regclass);
drop function chronicle.tracked_table_id(regclass);
drop function chronicle.primary_key_columns(regclass);
drop function chronicle.truncate_function_body(regclass, chronicle.table_registry);
drop function chronicle.note_interruption(integer);
drop function chronicle.refuse_truncate(oid);
drop function chronicle.runs_foreign_code(oid);
drop function chronicle.unguarded_partitions(oid);
drop function chronicle.capture_function_body(regclass, chronicle.table_registry, text);
drop function chronicle.options_digest(chronicle.table_registry);
drop function chronicle.tracking_options(chronicle.table_registry);
drop function chronicle.refuse_concurrent_change(oid);
drop function chronicle.check_actor(chronicle.event_context, oid);
drop function chronicle.rendering_block(regclass, chronicle.table_registry, text);
drop function chronicle.fallback_statements(regclass, chronicle.table_registry, text);
drop function chronicle.previous_key_statements(regclass, chronicle.table_registry);
drop function chronicle.shape_statements(regclass, chronicle.table_registry, text);
drop function chronicle.row_statements(regclass, chronicle.table_registry, text);
drop function chronicle.update_statements(regclass, chronicle.table_registry);
drop function chronicle.choice_statements(text[], integer);
drop function chronicle.key_statements(text, regclass, chronicle.table_registry);
drop function chronicle.key_expression(text, regclass, name[]);
drop function chronicle.object_expression(name[], text[]);
drop function chronicle.capture_settings(regclass);
drop function chronicle.drifted_key(jsonb, jsonb);
drop function chronicle.masked_image(jsonb, jsonb);
drop function chronicle.drifted_image(jsonb, text);
drop function chronicle.row_fields(text);
drop function chronicle.fitted_id(text);
drop function chronicle.planned_columns(integer, regclass);
drop function chronicle.present_columns(integer, oid);
drop function chronicle.renamed_columns(integer);
drop function chronicle.identified_columns(oid, chronicle.tracking_periods);
drop table chronicle.tracking_periods;
drop function chronicle.is_captured_by(oid, integer);
drop function chronicle.planned_relations(integer, regclass);
drop function chronicle.has_shape(integer);
drop view chronicle.table_names;
drop function chronicle.tracked_relation(integer);
drop function chronicle.is_known_by_oid(integer, oid);
drop function chronicle.table_shape(regclass);
drop function chronicle.capture_columns(regclass, name[]);
drop table chronicle.table_registry;
drop type chronicle.truncate_mode;
drop type chronicle.capture_mode;
