-- Runs as the writer. What the events tell is the caller's word, an administrator's, and origin and
-- db_user say so.
create or replace function chronicle.record_imported_events(
    _source text, _events jsonb, _last_source_id text
)
returns table (events_imported bigint, events_total bigint)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_event chronicle.imported_event;
    v_event_id uuid;
    v_masked_key constant text := chronicle.masked_key();
    v_changed_columns text[];
begin
    events_imported := 0;
    for v_event in
        select (jsonb_populate_record(null::chronicle.imported_event, e.event)).*
        from jsonb_array_elements(_events) with ordinality as e (event, place)
        order by e.place
    loop
        perform chronicle.check_imported_event(v_event);
        v_event_id := chronicle.imported_event_id(_source, v_event.source_id);
        if chronicle.is_event_recorded(v_event_id) then
            if not chronicle.is_event_imported(v_event_id) then
                raise exception 'event id % belongs to another event', v_event_id
                    using errcode = 'ZC001',
                        detail = format(
                            'It is the one of row "%s" of %s, and somebody has logged an event '
                            'with it.', v_event.source_id, _source
                        ),
                        hint = 'Import under another name of the source.';
            end if;
            continue;
        end if;
        v_changed_columns := chronicle.changed_keys(
            v_event.details_before, v_event.details_after
        );
        if concat(
            v_event.action_meta, v_event.related_resources, v_event.details_before,
            v_event.details_after, v_event.ai_metadata, v_event.client_info
        ) ~* ('"' || v_masked_key || '":')
        then
            v_event.action_meta := chronicle.mask_keys(v_event.action_meta, v_masked_key);
            v_event.related_resources := chronicle.mask_keys(
                v_event.related_resources, v_masked_key
            );
            v_event.details_before := chronicle.mask_keys(v_event.details_before, v_masked_key);
            v_event.details_after := chronicle.mask_keys(v_event.details_after, v_masked_key);
            v_event.ai_metadata := chronicle.mask_keys(v_event.ai_metadata, v_masked_key);
            v_event.client_info := chronicle.mask_keys(v_event.client_info, v_masked_key);
        end if;
        insert into chronicle.events (
            event_id, occurred_at, organization_id, actor_type, actor_id, actor_role,
            impersonator_id, is_ai_action, context_state, origin, action_type, action,
            action_description, action_meta, reason, resource_type, resource_id,
            related_resources, details_before, details_after, changed_columns, ai_metadata,
            ai_operation_id, severity, status, error_code, error_message, duration_ms, session_id,
            request_id, trace_id, operation_id, parent_event_id, ip_address, user_agent,
            client_info
        ) values (
            v_event_id, v_event.occurred_at, nullif(v_event.organization_id, ''),
            v_event.actor_type, nullif(v_event.actor_id, ''), v_event.actor_role,
            v_event.impersonator_id,
            coalesce(
                v_event.is_ai_action,
                v_event.actor_type = 'ai' or v_event.ai_operation_id is not null
            ),
            'asserted', 'imported', v_event.action_type,
            coalesce(
                nullif(v_event.action, ''), v_event.resource_type || '.' || v_event.action_type
            ),
            v_event.action_description, v_event.action_meta, v_event.reason,
            v_event.resource_type, nullif(v_event.resource_id, ''), v_event.related_resources,
            v_event.details_before, v_event.details_after, v_changed_columns, v_event.ai_metadata,
            v_event.ai_operation_id, coalesce(v_event.severity, 'info'),
            coalesce(v_event.status, 'success'), v_event.error_code, v_event.error_message,
            v_event.duration_ms, v_event.session_id, v_event.request_id, v_event.trace_id,
            v_event.operation_id, v_event.parent_event_id, v_event.ip_address,
            v_event.user_agent, v_event.client_info
        );
        events_imported := events_imported + 1;
    end loop;

    update chronicle.imports as i
    set
        last_source_id = coalesce(_last_source_id, i.last_source_id),
        events_imported = i.events_imported + record_imported_events.events_imported,
        last_at = clock_timestamp()
    where i.source = _source
    returning i.events_imported into strict events_total;
    perform chronicle.log_management_event(
        'create', 'chronicle.import', 'chronicle.import', left(_source, 200), null,
        jsonb_build_object(
            'events', events_imported, 'total', events_total, 'last_source_id', _last_source_id
        )
    );
    return next;
end
$$;

comment on function chronicle.record_imported_events(text, jsonb, text) is
'Private. Records events of elsewhere that are not recorded yet, and that it did.
_events: objects with the fields of chronicle.imported_event.
Errors: as chronicle.check_imported_event.';

revoke execute on function chronicle.record_imported_events(text, jsonb, text) from public;
grant execute on function chronicle.record_imported_events(text, jsonb, text)
to chronicle_admin;
alter function chronicle.record_imported_events(text, jsonb, text) owner to chronicle_writer;
