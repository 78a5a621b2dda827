-- What is sealed of an event beside its payload: each column as UTF-8 text that no setting of the
-- session changes, in the order of the table. docs/format.md describes it, for other languages; it
-- never changes for a schema_version. Inlines, hence no pinned search_path.
create or replace function chronicle.event_fields(_event chronicle.events)
returns bytea[]
language sql
stable
as $$
    select array[
        pg_catalog.convert_to(_event.event_id::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.seq::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.transaction_id::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.epoch::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.schema_version::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.settled_after::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(chronicle.microseconds(_event.occurred_at), 'UTF8'),
        pg_catalog.convert_to(chronicle.microseconds(_event.recorded_at), 'UTF8'),
        pg_catalog.convert_to(_event.organization_id, 'UTF8'),
        pg_catalog.convert_to(_event.actor_type::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.actor_id, 'UTF8'),
        pg_catalog.convert_to(_event.actor_role, 'UTF8'),
        pg_catalog.convert_to(_event.impersonator_id, 'UTF8'),
        pg_catalog.convert_to(_event.is_ai_action::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.db_user, 'UTF8'),
        pg_catalog.convert_to(_event.context_state, 'UTF8'),
        pg_catalog.convert_to(_event.origin::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.action_type::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.action, 'UTF8'),
        pg_catalog.convert_to(_event.resource_type, 'UTF8'),
        pg_catalog.convert_to(_event.resource_id, 'UTF8'),
        pg_catalog.convert_to(_event.table_id::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(pg_catalog.to_jsonb(_event.changed_columns)::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.ai_operation_id::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.severity::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.status::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.error_code, 'UTF8'),
        pg_catalog.convert_to(_event.duration_ms::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.session_id, 'UTF8'),
        pg_catalog.convert_to(_event.request_id, 'UTF8'),
        pg_catalog.convert_to(_event.trace_id, 'UTF8'),
        pg_catalog.convert_to(_event.operation_id, 'UTF8'),
        pg_catalog.convert_to(_event.parent_event_id::pg_catalog.text, 'UTF8')
    ]
$$;

comment on function chronicle.event_fields(chronicle.events) is
'The columns of an event that every seal covers, but the payload: in the order of the table, as
UTF-8 text; see docs/format.md. Erasure leaves them.
_event: a row of chronicle.events.';

revoke execute on function chronicle.event_fields(chronicle.events) from public;
grant execute on function chronicle.event_fields(chronicle.events) to
chronicle_sealer, chronicle_reader;
