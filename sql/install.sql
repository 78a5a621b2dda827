-- pgchronicle, all of it, in the order in which it is built. This is the table of contents; to
-- build a database from it (for reading and tests; everybody else uses the migrations, which equal
-- it):
--
--     psql --single-transaction --set ON_ERROR_STOP=1 --file sql/install.sql
--
-- Each "migration:" group becomes one migration. Groups after the roles are built as
-- chronicle_owner. The roles that own definer functions may create in the schema only while it is
-- built.

-- migration: 0001_roles_and_schemas
-- Roles with one job each, and the two schemas.
\ir access/roles.sql
\ir schema.sql

-- migration: 0002_types_and_context
-- The closed sets as enums, and the context that says who acts.
set local role chronicle_owner;
\ir log/types.sql
\ir ai/types.sql
\ir email/types.sql
grant create on schema chronicle to chronicle_verifier;
\ir context/event_context.sql
\ir context/random_secret.sql
\ir context/hmac_sha256.sql
\ir context/context_keys.sql
\ir context/context_secrets.sql
\ir context/context_challenge.sql
\ir context/sealed_text.sql
\ir context/is_context_sealed.sql
\ir context/trusted_gateways.sql
\ir context/derive_trusted_gateways.sql
\ir context/resolve_context.sql
\ir context/base64url_json.sql
\ir context/set_signed_context.sql
\ir context/current_context.sql
\ir context/set_context.sql
\ir context/clear_context.sql
revoke create on schema chronicle from chronicle_verifier;

-- migration: 0003_settings_and_registries
-- What an installation is set to, and what the application has declared.
set local role chronicle_owner;
\ir settings/settings.sql
\ir settings/logging_rules.sql
\ir settings/derive_logging_rules.sql
\ir settings/default_settings.sql
\ir log/resource_types.sql
\ir log/actions.sql

-- migration: 0004_log
-- The log itself: the table of events, its guards, its partitions, and the functions that write it.
set local role chronicle_owner;
grant create on schema chronicle to chronicle_writer, chronicle_sealer;
\ir log/uuid_v7.sql
\ir log/uuid_v7_from.sql
\ir log/current_epoch.sql
\ir log/settled_after.sql
\ir log/events.sql
\ir log/reject_change.sql
\ir log/epochs.sql
\ir log/first_epoch.sql
\ir log/erasures.sql
\ir log/check_erasure.sql
\ir log/event_keys.sql
\ir log/assert_no_events.sql
\ir lifecycle/add_partition.sql
\ir lifecycle/partition_name.sql
\ir lifecycle/ensure_partitions.sql
\ir lifecycle/index_profiles.sql
\ir log/is_event_recorded.sql
\ir log/claim_event_id.sql
\ir log/similar_names.sql
\ir log/check_registered.sql
\ir log/refuse_event.sql
\ir log/is_too_long.sql
\ir log/mask_keys.sql
\ir log/changed_keys.sql
\ir log/changes.sql
\ir log/log_audit_event.sql
\ir log/read_event_set.sql
\ir log/record_event_set.sql
\ir log/log_audit_events.sql
\ir log/record_internal_event.sql
\ir log/log_management_event.sql
\ir settings/set_setting.sql
\ir log/register_resource_type.sql
\ir log/register_action.sql
revoke create on schema chronicle from chronicle_writer, chronicle_sealer;

-- migration: 0005_access
-- Who sees which events, and who is believed: administrators, keys, gateways, row-level security.
set local role chronicle_owner;
\ir access/principal.sql
\ir access/administrators.sql
\ir access/administered_organizations.sql
\ir access/is_super_administrator.sql
\ir access/is_auditor.sql
\ir access/add_administrator.sql
\ir access/remove_administrator.sql
\ir context/add_context_key.sql
\ir context/retire_context_key.sql
\ir context/add_trusted_gateway.sql
\ir context/remove_trusted_gateway.sql
\ir access/events_policies.sql
\ir lifecycle/first_partitions.sql

-- migration: 0006_capture
-- Tables whose changes become events.
set local role chronicle_owner;
grant create on schema chronicle to chronicle_writer, chronicle_table_reader;
\ir capture/types.sql
\ir capture/table_registry.sql
\ir capture/capture_columns.sql
\ir capture/table_shape.sql
\ir capture/is_known_by_oid.sql
\ir capture/tracked_relation.sql
\ir capture/table_names.sql
\ir capture/has_shape.sql
\ir capture/planned_relations.sql
\ir capture/is_captured_by.sql
\ir capture/tracking_periods.sql
\ir capture/identified_columns.sql
\ir capture/renamed_columns.sql
\ir capture/present_columns.sql
\ir capture/planned_columns.sql
\ir capture/fitted_id.sql
\ir capture/row_fields.sql
\ir capture/drifted_image.sql
\ir capture/masked_image.sql
\ir capture/drifted_key.sql
\ir capture/capture_settings.sql
\ir capture/object_expression.sql
\ir capture/key_expression.sql
\ir capture/key_statements.sql
\ir capture/choice_statements.sql
\ir capture/update_statements.sql
\ir capture/row_statements.sql
\ir capture/shape_statements.sql
\ir capture/previous_key_statements.sql
\ir capture/fallback_statements.sql
\ir capture/rendering_block.sql
\ir capture/check_actor.sql
\ir capture/refuse_concurrent_change.sql
\ir capture/tracking_options.sql
\ir capture/options_digest.sql
\ir capture/capture_function_body.sql
\ir capture/unguarded_partitions.sql
\ir capture/runs_foreign_code.sql
\ir capture/refuse_truncate.sql
\ir capture/note_interruption.sql
\ir capture/truncate_function_body.sql
\ir capture/primary_key_columns.sql
\ir capture/tracked_table_id.sql
\ir capture/known_table_id.sql
\ir capture/has_key.sql
\ir capture/has_capture_triggers.sql
\ir capture/uncovered_partitions.sql
\ir capture/partition_names.sql
\ir capture/has_options.sql
\ir capture/is_captured_whole.sql
\ir capture/refuse_untracked.sql
\ir capture/check_trackable.sql
\ir capture/check_owns_table.sql
\ir capture/check_owner_consents.sql
\ir capture/complete_tracking_options.sql
\ir capture/begin_tracking_period.sql
\ir capture/register_tracked_table.sql
\ir capture/consented_options.sql
\ir capture/create_capture_functions.sql
\ir capture/create_truncate_function.sql
\ir capture/place_capture_triggers.sql
\ir capture/share_rows.sql
\ir capture/close_capture_functions.sql
\ir capture/confirm_tracking.sql
\ir capture/retire_tracked_table.sql
\ir capture/enable_tracking.sql
\ir capture/disable_tracking.sql
\ir capture/present_options.sql
\ir capture/refresh_tracking.sql
\ir capture/capture_gaps.sql
\ir capture/tracked_tables.sql
revoke create on schema chronicle from chronicle_writer, chronicle_table_reader;

-- migration: 0007_history
-- Reading the log back.
set local role chronicle_owner;
grant create on schema chronicle to chronicle_reader, chronicle_sealer, chronicle_writer;
\ir history/row_changes.sql
\ir history/row_events.sql
\ir history/merge_images.sql
\ir history/column_periods.sql
\ir history/translate_image.sql
\ir history/without_retyped.sql
\ir history/without_changed.sql
\ir history/typed_image.sql
\ir history/is_interrupted.sql
\ir history/period_of_event.sql
\ir history/present_image.sql
\ir history/departures.sql
\ir history/has_departures.sql
\ir history/are_record_events_hidden.sql
\ir history/are_table_events_hidden.sql
\ir history/refuse_hidden_events.sql
\ir history/refuse_incomplete.sql
\ir history/table_with_history.sql
\ir history/canonical_key.sql
\ir history/live_row_query.sql
\ir history/record_condition.sql
\ir history/live_image.sql
\ir history/check_key_is_immediate.sql
\ir history/record_events.sql
\ir history/record_lines.sql
\ir history/record_change.sql
\ir history/rebuilt_line.sql
\ir history/record_history.sql
\ir history/is_departure_erased.sql
\ir history/check_time_is_known.sql
\ir history/record_as_of.sql
\ir history/table_of.sql
\ir history/check_changes_are_known.sql
\ir history/typed_columns.sql
\ir history/net_changes.sql
\ir history/as_of_query.sql
\ir history/rows_as_of.sql
\ir history/are_transaction_events_hidden.sql
\ir history/refuse_conflict.sql
\ir history/undo_step.sql
\ir history/later_change.sql
\ir history/undo_steps.sql
\ir history/ranked_steps.sql
\ir history/undo_statement.sql
\ir history/check_cascades.sql
\ir history/planned_undo.sql
\ir history/plan_event_undo.sql
\ir history/plan_transaction_undo.sql
\ir history/transaction_events.sql
\ir history/record_revert.sql
\ir history/set_parent_event.sql
\ir history/carry_out_undo.sql
\ir history/revert_event.sql
\ir history/epoch_of.sql
\ir history/revert_transaction.sql
\ir history/snapshots.sql
\ir history/record_snapshot_rows.sql
\ir history/key_order.sql
\ir history/snapshot_query.sql
\ir history/check_can_be_read_whole.sql
\ir history/snapshot_table.sql
\ir history/imports.sql
\ir history/imported_event.sql
\ir history/check_imported_event.sql
\ir history/imported_event_id.sql
\ir history/is_event_imported.sql
\ir history/begin_import.sql
\ir history/record_imported_events.sql
\ir history/check_import.sql
\ir history/import_events.sql
revoke create on schema chronicle from chronicle_reader, chronicle_sealer, chronicle_writer;

-- migration: 0008_stream
-- The log as a stream without gaps.
set local role chronicle_owner;
\ir stream/event_cursor.sql
\ir stream/stream_head.sql
\ir stream/events_since.sql

-- migration: 0009_seals
-- Seals over the log: whoever keeps a checkpoint can tell whether anything was changed since.
set local role chronicle_owner;
grant create on schema chronicle to chronicle_sealer;
\ir seal/seal_state.sql
\ir seal/seal_batches.sql
\ir seal/seal_leaves.sql
\ir seal/seal_nodes.sql
\ir seal/microseconds.sql
\ir seal/event_fields.sql
\ir seal/payload_fields.sql
\ir seal/payload_digest.sql
\ir seal/event_leaf.sql
\ir seal/event_leaves.sql
\ir seal/merkle_parents.sql
\ir seal/merkle_root.sql
\ir seal/merkle_path.sql
\ir seal/iso_day.sql
\ir seal/batch_record.sql
\ir seal/append_batch.sql
\ir seal/is_log_moved.sql
\ir seal/sealing_problem.sql
\ir seal/check_can_seal.sql
\ir seal/bucket_start.sql
\ir seal/seal_range.sql
\ir seal/is_sealing_due.sql
\ir seal/seal_events.sql
\ir seal/log_size.sql
\ir seal/subtree_hash.sql
\ir seal/checkpoint.sql
\ir seal/log_path.sql
\ir seal/consistency_proof.sql
\ir seal/batch_of.sql
\ir seal/log_finding.sql
\ir seal/find_batch_faults.sql
\ir seal/find_hidden_faults.sql
\ir seal/find_unsealed_faults.sql
\ir seal/find_erasure_faults.sql
\ir seal/find_epoch_faults.sql
\ir seal/find_tree_faults.sql
\ir seal/verify_log.sql
\ir seal/sealed_place.sql
\ir seal/inclusion_proof.sql
\ir seal/sealing_state.sql
\ir seal/seal_status.sql
\ir seal/greatest_seq.sql
\ir seal/begin_epoch.sql
\ir seal/check_can_erase.sql
\ir seal/erase_events.sql
\ir seal/erase_payload.sql
\ir seal/erase_subject.sql
\ir seal/enable_erasure.sql
revoke create on schema chronicle from chronicle_sealer;
