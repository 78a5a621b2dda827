-- Writes the function that captures one table: static SQL, its columns and key compiled in, so that a
-- row costs no look-up in a catalog and no dynamic statement. The exception block surrounds rendering
-- alone; it holds no write, so it takes no transaction id.
create or replace function chronicle.capture_function_body(_table regclass, _options chronicle.table_registry)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_user_typed constant name[] := array(
        select c.column_name from chronicle.capture_columns(_table) as c where c.is_user_type
    );
    v_comparisons text;
    v_changed_columns text;
    -- Nothing, where there is no column to take the organization from.
    v_organization constant text := case
        when _options.organization_column is null then ''
        else format(
            E'\n            v_organization_id := nullif(format(''%%%%s'', %%s.%I), '''');',
            _options.organization_column
        )
    end;
    v_whole_row constant text := case
        when cardinality(_options.masked_columns || _options.excluded_columns) > 0 then 'null'
        else 'case when tg_op not in (''TRUNCATE'', %L) then jsonb_build_object(''row'', format(''%%s'', %s)) end'
    end;
begin
    select
        string_agg(
            format(
                E'            if %s then\n'
                || E'                v_changed := array_append(v_changed, %L);\n'
                || E'                v_before := v_before || %s;\n'
                || E'                v_after := v_after || %s;\n%s'
                || E'            end if;\n',
                x.comparison,
                x.column_name,
                chronicle.row_expression('old', array[x.column_name], _options.masked_columns, v_user_typed),
                chronicle.row_expression('new', array[x.column_name], _options.masked_columns, v_user_typed),
                case when x.column_name = any(_options.key_columns) then format(
                    E'                v_related := jsonb_build_array(jsonb_build_object(''relation'', '
                    || E'''previous_key'', ''resource_type'', %L, ''resource_id'', %s));\n',
                    _options.resource_type, chronicle.key_expression('old', _options.key_columns)
                ) else '' end
            ),
            '' order by x.place
        ),
        string_agg(format('case when %s then %L end', x.comparison, x.column_name), ', ' order by x.place)
    into v_comparisons, v_changed_columns
    from (
        select
            c.column_name,
            c.place,
            format(
                case
                    when c.is_compared_by_image
                        then 'row(old.%1$I)::record operator(pg_catalog.*<>) row(new.%1$I)::record'
                    else 'old.%1$I is distinct from new.%1$I'
                end,
                c.column_name
            ) as comparison
        from chronicle.capture_columns(_table) as c
        where c.column_name = any(_options.captured_columns)
    ) as x;

    return format(
        $body$
declare
    v_before jsonb;
    v_after jsonb;
    v_changed text[];
    v_related jsonb;
    v_resource_id text;
    v_organization_id text;
    v_error text;
    v_context chronicle.event_context;
begin
    -- The apply worker of logical replication brings rows whose events are replicated, or not wanted.
    -- Any other session in replica mode is an administrator at work, and is recorded.
    if current_setting('session_replication_role') = 'replica' and exists (
        select from pg_catalog.pg_stat_subscription as s where s.pid = pg_backend_pid()
    ) then
        return null;
    end if;

    begin
        if tg_op = 'INSERT' then
            v_resource_id := %11$s;%13$s
            v_after := %2$s;
        elsif tg_op = 'DELETE' then
            v_resource_id := %10$s;%14$s
            v_before := %1$s;
        elsif tg_op = 'UPDATE' then
            v_resource_id := %11$s;%13$s
            v_before := '{}';
            v_after := '{}';
            v_changed := '{}';
%3$s            if v_changed = '{}' then
                return null;
            end if;
        end if;
    exception
    -- A column was renamed, dropped or retyped since. The write must go on; its event says so, and keeps the
    -- row in its text form unless that would show what is not to be recorded.
    when undefined_column or undefined_function or datatype_mismatch then
        v_error := sqlstate || ': the table has changed since it was tracked: ' || sqlerrm;
        v_changed := null;
        v_before := %15$s;
        v_after := %16$s;
    when data_exception or program_limit_exceeded or out_of_memory then
        v_error := sqlstate || ': ' || sqlerrm;
        v_before := null;
        v_after := null;
        if tg_op = 'UPDATE' then
            v_changed := array_remove(array[%4$s]::text[], null);
        end if;
    end;

    if coalesce(current_setting('chronicle.context', true), '') <> ''
        or coalesce(current_setting('request.jwt.claims', true), '') <> ''
    then
        v_context := chronicle.resolve_context();
    end if;

    insert into chronicle.events (
        organization_id, actor_type, actor_id, actor_role, impersonator_id, is_ai_action, context_state,
        origin, action_type, action, reason, resource_type, resource_id, related_resources, table_id,
        details_before, details_after, changed_columns, payload_error, ai_operation_id, session_id,
        request_id, trace_id, operation_id, ip_address, user_agent, client_info
    ) values (
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
        coalesce(v_context.context_state, 'absent'),
        'captured',
        case tg_op when 'INSERT' then 'create' when 'UPDATE' then 'update' else 'delete' end::chronicle.action_type,
        case tg_op when 'INSERT' then %5$L when 'UPDATE' then %6$L when 'DELETE' then %7$L else %8$L end,
        v_context.reason,
        %9$L,
        v_resource_id,
        v_related,
        %12$s,
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
        chronicle.row_expression('old', _options.captured_columns, _options.masked_columns, v_user_typed),
        chronicle.row_expression('new', _options.captured_columns, _options.masked_columns, v_user_typed),
        v_comparisons,
        v_changed_columns,
        _options.resource_type || '.create',
        _options.resource_type || '.update',
        _options.resource_type || '.delete',
        _options.resource_type || '.truncate',
        _options.resource_type,
        chronicle.key_expression('old', _options.key_columns),
        chronicle.key_expression('new', _options.key_columns),
        _options.table_id,
        format(v_organization, 'new'),
        format(v_organization, 'old'),
        format(v_whole_row, 'INSERT', 'old'),
        format(v_whole_row, 'DELETE', 'new')
    );
end
$$;

comment on function chronicle.capture_function_body(regclass, chronicle.table_registry) is
'Private. The text of the trigger function that captures a table. _options: its row of the registry.';

revoke execute on function chronicle.capture_function_body(regclass, chronicle.table_registry) from public;
grant execute on function chronicle.capture_function_body(regclass, chronicle.table_registry)
to chronicle_writer;
