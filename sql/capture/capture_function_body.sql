-- Writes the function that captures one table: static SQL, its columns and key compiled in, so that
-- a row costs no look-up in a catalog and no dynamic statement. The exception block surrounds
-- rendering alone; it holds no write, so it takes no transaction id.
--
-- Each row is first asked whether it still has the shape that the function knows, which costs a
-- microsecond for a dozen columns: nothing must be lost, compared wrongly or rendered with a
-- foreign cast when the table has changed since.
create or replace function chronicle.capture_function_body(
    _table regclass, _options chronicle.table_registry
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_user_typed constant name[] := array(
        select c.column_name from chronicle.capture_columns(_table) as c where c.is_user_type
    );
    -- The text form of the row shows every column.
    v_shows_rows constant text := case
        when cardinality(_options.masked_columns || _options.excluded_columns) = 0 then 'true'
        else 'false'
    end;
    v_update text;
    v_changed text;
begin
    select
        string_agg(
            format(
                E'            if %s then\n'
                '                v_changed := array_append(v_changed, %L);\n'
                '                v_before := v_before || %s;\n'
                '                v_after := v_after || %s;\n'
                '            end if;\n',
                c.comparison,
                c.column_name,
                chronicle.row_expression(
                    'old', array[c.column_name], _options.masked_columns, v_user_typed
                ),
                chronicle.row_expression(
                    'new', array[c.column_name], _options.masked_columns, v_user_typed
                )
            ),
            '' order by c.place
        ) filter (where c.column_name = any(_options.captured_columns)),
        string_agg(
            format('case when %s then %L end', c.comparison, c.column_name), ', ' order by c.place
        ) filter (where c.column_name = any(_options.captured_columns))
    into v_update, v_changed
    from chronicle.capture_columns(_table) as c;

    return format(
        $body$
declare
    v_random bytea;
    v_event_id uuid;
    v_payload_salt uuid;
    v_seq bigint;
    v_transaction_id bigint;
    v_now timestamptz;
    v_action_type chronicle.action_type;
    v_action text;
    v_before jsonb;
    v_after jsonb;
    v_changed text[];
    v_related jsonb;
    v_resource_id text;
    v_organization_id text;
    v_error text;
    v_context chronicle.event_context;
begin
    -- The apply worker of logical replication brings rows whose events are replicated, or not
    -- wanted. Any other session in replica mode is an administrator at work, and is recorded. Two
    -- conditions, because one with a query in it would start that query for every row.
    if current_setting('session_replication_role') = 'replica' then
        if exists (
            select from pg_catalog.pg_stat_subscription as s where s.pid = pg_backend_pid()
        ) then
            return null;
        end if;
    end if;

    begin
        if tg_op = 'DELETE' then
            v_resource_id := %1$s;
            v_organization_id := %2$s;
            if not (%3$s) then
                raise exception 'a column has another type' using errcode = 'datatype_mismatch';
            end if;
            v_before := %4$s;
        elsif tg_op in ('INSERT', 'UPDATE') then
            v_resource_id := %5$s;
            v_organization_id := %6$s;
            if not (%7$s) then
                raise exception 'a column has another type' using errcode = 'datatype_mismatch';
            end if;
        end if;

        if tg_op = 'INSERT' then
            v_after := %8$s;
        elsif tg_op = 'UPDATE' then
            v_before := '{}';
            v_after := '{}';
            v_changed := '{}';
%9$s            -- Only columns that are not recorded have changed.
            if v_changed = '{}' then
                return null;
            end if;
            if v_resource_id <> %1$s then
                v_related := jsonb_build_array(jsonb_build_object(
                    'relation', 'previous_key', 'resource_type', %10$L, 'resource_id', %1$s
                ));
            end if;
        end if;
    exception
    -- The write goes on. Its event says what is wrong, and holds the row in its text form unless
    -- that would show what is not to be recorded.
    when undefined_column or undefined_function or undefined_object or datatype_mismatch then
        v_error := sqlstate || ': the table has changed since it was tracked: ' || sqlerrm;
        v_changed := null;
        v_before := case
            when %11$s and tg_op <> 'INSERT' then jsonb_build_object('row', format('%%s', old))
        end;
        v_after := case
            when %11$s and tg_op <> 'DELETE' then jsonb_build_object('row', format('%%s', new))
        end;
    when data_exception or program_limit_exceeded or out_of_memory then
        v_error := sqlstate || ': ' || sqlerrm;
        v_before := null;
        v_after := null;
        if tg_op = 'UPDATE' then
            v_changed := array_remove(array[%12$s]::text[], null);
        end if;
    end;

    -- They are indexed, and an index holds no longer entries. The row itself has the value.
    if octet_length(v_resource_id) > 1000 then
        v_resource_id := 'sha256:' || encode(sha256(convert_to(v_resource_id, 'UTF8')), 'hex');
    end if;
    if octet_length(v_organization_id) > 1000 then
        v_organization_id := 'sha256:'
            || encode(sha256(convert_to(v_organization_id, 'UTF8')), 'hex');
    end if;

    v_action_type := case tg_op
        when 'INSERT' then 'create' when 'UPDATE' then 'update' else 'delete'
    end;
    v_action := case tg_op
        when 'INSERT' then %13$L when 'UPDATE' then %14$L when 'DELETE' then %15$L else %16$L
    end;

    -- What the defaults of the columns would give. PL/pgSQL keeps an expression ready for the whole
    -- transaction; in the insert it would be made ready for every row. The system is asked for
    -- random bytes once; the halves of their digest say nothing about each other.
    v_random := sha256(uuid_send(gen_random_uuid()));
    v_event_id := chronicle.uuid_v7(v_random);
    v_payload_salt := encode(substr(v_random, 17), 'hex');
    v_seq := nextval('chronicle.events_seq');
    v_transaction_id := pg_current_xact_id()::text;
    v_now := clock_timestamp();

    -- Two statements, because naming fewer columns makes the one without a context cheaper.
    if coalesce(current_setting('chronicle.context', true), '') = ''
        and coalesce(current_setting('request.jwt.claims', true), '') = ''
    then
        insert into chronicle.events (
            event_id, seq, transaction_id, occurred_at, recorded_at, payload_salt, organization_id,
            actor_type, actor_id, context_state, origin, action_type, action, resource_type,
            resource_id, related_resources, table_id, details_before, details_after,
            changed_columns, payload_error
        ) values (
            v_event_id, v_seq, v_transaction_id, v_now, v_now, v_payload_salt, v_organization_id,
            'system', session_user, 'absent', 'captured', v_action_type,
            v_action, %10$L, v_resource_id, v_related, %17$s, v_before, v_after, v_changed, v_error
        );
        return null;
    end if;

    v_context := chronicle.resolve_context();
    insert into chronicle.events (
        event_id, seq, transaction_id, occurred_at, recorded_at, payload_salt, organization_id,
        actor_type, actor_id, actor_role, impersonator_id, is_ai_action, context_state, origin,
        action_type, action, reason, resource_type, resource_id, related_resources,
        table_id, details_before, details_after, changed_columns, payload_error, ai_operation_id,
        session_id, request_id, trace_id, operation_id, ip_address, user_agent,
        client_info
    ) values (
        v_event_id,
        v_seq,
        v_transaction_id,
        v_now,
        v_now,
        v_payload_salt,
        coalesce(v_organization_id, v_context.organization_id),
        coalesce(
            v_context.actor_type,
            case when v_context.actor_id is null then 'system' else 'user' end::chronicle.actor_type
        ),
        case
            when v_context.actor_type is null then coalesce(v_context.actor_id, session_user)
            else v_context.actor_id
        end,
        v_context.actor_role,
        v_context.impersonator_id,
        coalesce(v_context.actor_type = 'ai', false) or v_context.ai_operation_id is not null,
        v_context.context_state,
        'captured',
        v_action_type,
        v_action,
        v_context.reason,
        %10$L,
        v_resource_id,
        v_related,
        %17$s,
        v_before,
        v_after,
        v_changed,
        v_error,
        v_context.ai_operation_id,
        v_context.session_id,
        v_context.request_id,
        v_context.trace_id,
        v_context.operation_id,
        v_context.ip_address,
        v_context.user_agent,
        v_context.client_info
    );
    return null;
end
$body$,
        chronicle.key_expression('old', _options.key_columns), -- 1
        chronicle.organization_expression('old', _options.organization_column), -- 2
        chronicle.shape_expression('old', _table), -- 3
        chronicle.row_expression(
            'old', _options.captured_columns, _options.masked_columns, v_user_typed
        ), -- 4
        chronicle.key_expression('new', _options.key_columns), -- 5
        chronicle.organization_expression('new', _options.organization_column), -- 6
        chronicle.shape_expression('new', _table), -- 7
        chronicle.row_expression(
            'new', _options.captured_columns, _options.masked_columns, v_user_typed
        ), -- 8
        v_update, -- 9
        _options.resource_type, -- 10
        v_shows_rows, -- 11
        v_changed, -- 12
        _options.resource_type || '.create', -- 13
        _options.resource_type || '.update', -- 14
        _options.resource_type || '.delete', -- 15
        _options.resource_type || '.truncate', -- 16
        _options.table_id -- 17
    );
end
$$;

comment on function chronicle.capture_function_body(regclass, chronicle.table_registry) is
'Private. The text of the trigger function that captures a table. _options: its row of the
registry.';

revoke execute on function chronicle.capture_function_body(regclass, chronicle.table_registry)
from public;
grant execute on function chronicle.capture_function_body(regclass, chronicle.table_registry)
to chronicle_writer;
