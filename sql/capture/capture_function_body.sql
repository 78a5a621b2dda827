-- Writes a function that captures one kind of change of one table: static SQL, its columns and key
-- compiled in, so that a row costs no look-up in a catalog and no dynamic statement.
--
-- PL/pgSQL makes an expression ready once a transaction, and a statement with a table at every
-- call. So the defaults of columns are evaluated outside the insert, and an operation has a
-- function of its own: fewer expressions for a single row, more reuse for many.
create or replace function chronicle.capture_function_body(
    _table regclass, _options chronicle.table_registry, _operation text
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_action_type constant text := case _operation
        when 'INSERT' then 'create' when 'UPDATE' then 'update' else 'delete'
    end;
begin
    return format(
        $body$
-- %7$s
declare
    v_before jsonb;
    v_after jsonb;
    v_changed text[];
    v_place integer;
    v_places integer[];
    v_sees_past boolean := false;
    v_related jsonb;
    v_columns jsonb;
    v_meta jsonb;
    v_resource_id text;
    v_previous_id text;
    v_organization_id text;
    v_error text;
    v_event_id uuid;
    v_payload_salt uuid;
    v_seq bigint;
    v_transaction_id bigint;
    v_settled_after bigint;
    v_now timestamptz;
    v_context chronicle.event_context;
begin
    -- The apply worker of logical replication brings rows whose events are replicated, or not
    -- wanted. Any other session in replica mode is an administrator at work, and is recorded.
    if concat(
        current_setting('session_replication_role'), current_setting('transaction_isolation')
    ) <> 'originread committed' then
        if current_setting('session_replication_role') = 'replica'
            and exists (
                select from pg_catalog.pg_stat_subscription as s where s.pid = pg_backend_pid()
            )
        then
            return null;
        end if;
        v_sees_past := current_setting('transaction_isolation') in (
            'repeatable read', 'serializable'
        );
    end if;
%1$s
    -- The system is asked for random bytes once; the salt can not be found from the id.
    v_payload_salt := gen_random_uuid();
    v_event_id := chronicle.uuid_v7_from(v_payload_salt);
    v_seq := nextval('chronicle.events_seq');
    v_transaction_id := pg_current_xact_id()::text;
    v_settled_after := chronicle.settled_after(v_transaction_id);
    v_now := clock_timestamp();

    -- Two statements, because naming fewer columns makes the one without a context cheaper.
    if concat(
        current_setting('chronicle.context', true), current_setting('request.jwt.claims', true)
    ) = '' then
%6$s        insert into chronicle.events (
            event_id, seq, transaction_id, settled_after, occurred_at, recorded_at, payload_salt,
            organization_id,
            actor_type, actor_id, context_state, origin, action_type, action, action_meta,
            resource_type, resource_id, related_resources, table_id, details_before, details_after,
            changed_columns, payload_error
        ) values (
            v_event_id, v_seq, v_transaction_id, v_settled_after, v_now, v_now, v_payload_salt,
            v_organization_id,
            'system', session_user, 'absent', 'captured', %2$L, %3$L, v_meta, %4$L,
            v_resource_id, v_related, %5$s, v_before, v_after,
            v_changed, v_error
        );
        return null;
    end if;

    v_context := chronicle.resolve_context();
%6$s    insert into chronicle.events (
        event_id, seq, transaction_id, settled_after, occurred_at, recorded_at, payload_salt,
        organization_id,
        actor_type,
        actor_id,
        actor_role, impersonator_id,
        is_ai_action,
        context_state, origin, action_type, action, action_meta, reason, resource_type, resource_id,
        related_resources, table_id, details_before, details_after, changed_columns, payload_error,
        ai_operation_id, session_id, request_id, trace_id,
        operation_id, parent_event_id, ip_address, user_agent, client_info
    ) values (
        v_event_id, v_seq, v_transaction_id, v_settled_after, v_now, v_now, v_payload_salt,
        coalesce(v_organization_id, v_context.organization_id),
        coalesce(
            v_context.actor_type,
            case when v_context.actor_id is null then 'system' else 'user' end::chronicle.actor_type
        ),
        case
            when v_context.actor_type is null then coalesce(v_context.actor_id, session_user)
            else v_context.actor_id
        end,
        v_context.actor_role, v_context.impersonator_id,
        coalesce(v_context.actor_type = 'ai', false) or v_context.ai_operation_id is not null,
        v_context.context_state, 'captured', %2$L, %3$L, v_meta, v_context.reason, %4$L,
        v_resource_id,
        v_related, %5$s, v_before, v_after, v_changed, v_error,
        v_context.ai_operation_id, v_context.session_id, v_context.request_id, v_context.trace_id,
        v_context.operation_id, v_context.parent_event_id, v_context.ip_address,
        v_context.user_agent, v_context.client_info
    );
    return null;
end
$body$,
        chronicle.rendering_block(_table, _options, _operation), -- 1
        v_action_type,
        _options.resource_type || '.' || v_action_type, -- 3
        _options.resource_type,
        _options.table_id, -- 5
        case
            when _options.requires_actor
                then E'        perform chronicle.check_actor(v_context, tg_relid);\n'
            else ''
        end,
        chronicle.options_digest(_options) -- 7
    );
end
$$;

comment on function chronicle.capture_function_body(regclass, chronicle.table_registry, text) is
'Private. The text of a trigger function that captures changes of a table. _options: its row of the
registry. _operation: INSERT, UPDATE or DELETE.';

revoke execute on function chronicle.capture_function_body(regclass, chronicle.table_registry, text)
from public;
grant execute on function chronicle.capture_function_body(regclass, chronicle.table_registry, text)
to chronicle_writer;
