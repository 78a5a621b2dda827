-- Never raises: a context that can not be read must not break the application's write. The
-- exception block holds no write, so it takes no transaction id.
create or replace function chronicle.resolve_context()
returns chronicle.event_context
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_text constant text := nullif(current_setting('chronicle.context', true), '');
    v_claims constant text := nullif(current_setting('request.jwt.claims', true), '');
    v_context chronicle.event_context;
    v_is_malformed boolean := false;
begin
    begin
        if v_text is not null then
            v_context := jsonb_populate_record(null::chronicle.event_context, v_text::jsonb);
            v_is_malformed := octet_length(v_text) > 65536
                or jsonb_typeof(v_text::jsonb) <> 'object'
                or coalesce(jsonb_typeof(v_context.client_info) <> 'object', false);
        end if;

        -- A context that says why, but not who, leaves "who" to the claims.
        if v_claims is not null and v_context.actor_id is null and v_context.actor_type is null then
            v_is_malformed := v_is_malformed
                or octet_length(v_claims) > 65536
                or jsonb_typeof(v_claims::jsonb) <> 'object';
            v_context.actor_id := v_claims::jsonb ->> 'sub';
            v_context.actor_role := v_claims::jsonb ->> 'role';
            v_context.actor_type := case
                when v_context.actor_id is null then 'anonymous' else 'user'
            end;
        end if;

        -- They are indexed, and an index holds no longer entries.
        v_is_malformed := v_is_malformed or coalesce(
            greatest(
                octet_length(v_context.actor_id), octet_length(v_context.organization_id)
            ) > 1000,
            false
        );
    exception when data_exception or program_limit_exceeded then
        v_is_malformed := true;
    end;

    if v_is_malformed or (v_text is null and v_claims is null) then
        v_context := null;
        v_context.actor_type := 'system';
        v_context.actor_id := session_user;
        v_context.context_state := case when v_is_malformed then 'malformed' else 'absent' end;
    elsif v_context.parent_event_id is not null and v_claims is null
        and v_text::jsonb - 'parent_event_id' = '{}'
    then
        -- Set by chronicle.revert_event; it names nobody.
        v_context.actor_type := 'system';
        v_context.actor_id := session_user;
        v_context.context_state := 'absent';
    else
        v_context.context_state := 'asserted';
    end if;
    return v_context;
end
$$;

comment on function chronicle.resolve_context() is
'Private. The context of this transaction: chronicle.context if set, else the claims of
request.jwt.claims (sub, role), else the database role. context_state says which; it never raises.';

revoke execute on function chronicle.resolve_context() from public;
grant execute on function chronicle.resolve_context()
to chronicle_writer, chronicle_table_reader, chronicle_app;
