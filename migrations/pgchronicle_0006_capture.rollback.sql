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
drop function chronicle.disable_tracking(regclass);
drop function chronicle.enable_tracking(regclass, text, name, name[], name[]);
drop function chronicle.retire_tracked_table(integer);
drop function chronicle.confirm_tracking(regclass, integer);
drop function chronicle.create_capture_functions(regclass, integer);
drop function chronicle.register_tracked_table(regclass, text, name, name[], name[]);
drop function chronicle.check_owner_consents(regclass);
drop function chronicle.check_owns_table(regclass);
drop function chronicle.check_trackable(regclass);
drop function chronicle.tracking_options(chronicle.table_registry);
drop function chronicle.has_capture_triggers(regclass);
drop function chronicle.tracked_table_id(regclass);
drop function chronicle.capture_function_body(regclass, chronicle.table_registry, text);
drop function chronicle.rendering_block(regclass, chronicle.table_registry, text);
drop function chronicle.update_statements(regclass, chronicle.table_registry);
drop function chronicle.key_statements(text, regclass, chronicle.table_registry);
drop function chronicle.key_expression(text, name[]);
drop function chronicle.object_expression(name[], text[]);
drop function chronicle.capture_settings(regclass);
drop function chronicle.capture_columns(regclass, name[]);
drop function chronicle.planned_shape(integer, regclass);
drop function chronicle.has_shape(integer);
drop view chronicle.table_names;
drop function chronicle.table_shape(regclass);
drop table chronicle.table_registry;
