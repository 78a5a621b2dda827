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
    v_document jsonb;
    v_info text;
    v_context chronicle.event_context;
    v_state text := 'asserted';
    v_error text;
begin
    begin
        if octet_length(v_text) > 65536 then
            v_state := 'malformed';
        elsif v_text is not null then
            v_document := v_text;
            if jsonb_typeof(v_document) <> 'object' then
                v_state := 'malformed';
            elsif v_document ? 'context_error' then
                v_state := 'malformed';
                v_error := left(v_document ->> 'context_error', 100);
            elsif not v_document ? 'verified' then
                v_context := jsonb_populate_record(null::chronicle.event_context, v_document);
            elsif chronicle.is_context_sealed(v_document -> 'verified', v_document ->> 'seal') then
                v_state := 'verified';
                v_context := jsonb_populate_record(
                    null::chronicle.event_context, v_document -> 'verified'
                );
                v_context.parent_event_id := v_document ->> 'parent_event_id';
            else
                v_state := 'malformed';
                v_error := 'bad_seal';
            end if;
            if v_context.client_info is not null then
                v_info := v_context.client_info;
                -- A short number may be a long one as text.
                if jsonb_typeof(v_context.client_info) <> 'object'
                    or octet_length(v_info) > 65536
                then
                    v_state := 'malformed';
                elsif v_info ~* chronicle.masked_key_start()
                    and v_info ~* ('"' || chronicle.masked_key() || '":')
                then
                    v_context.client_info := chronicle.mask_keys(
                        v_context.client_info, chronicle.masked_key()
                    );
                end if;
            end if;
        end if;

        -- A context that says why, but not who, leaves "who" to the claims.
        if v_claims is not null and v_context.actor_id is null and v_context.actor_type is null
            and v_state = 'asserted'
        then
            v_document := v_claims;
            if octet_length(v_claims) > 65536 or jsonb_typeof(v_document) <> 'object' then
                v_state := 'malformed';
            end if;
            v_context.actor_id := v_document ->> 'sub';
            v_context.actor_role := v_document ->> 'role';
            v_context.actor_type := case
                when v_context.actor_id is null then 'anonymous' else 'user'
            end;
        end if;

        -- They are indexed, and an index holds no longer entries.
        if greatest(
            octet_length(v_context.actor_id), octet_length(v_context.organization_id)
        ) > 1000 then
            v_state := 'malformed';
        end if;
    exception when data_exception or program_limit_exceeded then
        v_state := 'malformed';
    end;

    if v_state = 'asserted' and v_claims is null
        and (
            v_text is null
            or v_document ? 'parent_event_id' and v_document - 'parent_event_id' = '{}'
        )
    then
        -- Nothing was said, or only what chronicle.revert_event sets, which names nobody.
        v_state := 'absent';
    elsif v_state = 'asserted' and chronicle.is_trusted_gateway() then
        if exists (
            select from chronicle.trusted_gateways as g where g.role_name = session_user
        ) then
            v_state := 'verified';
        end if;
    end if;

    if v_state in ('absent', 'malformed') then
        if v_state = 'malformed' then
            v_context := null;
        end if;
        v_context.actor_type := 'system';
        v_context.actor_id := session_user;
        if v_error is not null then
            v_context.client_info := jsonb_build_object('context_error', v_error);
        end if;
    end if;
    v_context.context_state := v_state;
    return v_context;
end
$$;

comment on function chronicle.resolve_context() is
'Private. The context of this transaction: chronicle.context if set, else the claims of
request.jwt.claims (sub, role), else the database role. context_state says which, and how far to
believe it; it never raises.';

revoke execute on function chronicle.resolve_context() from public;
grant execute on function chronicle.resolve_context() to
chronicle_writer, chronicle_table_reader, chronicle_app, chronicle_reader, chronicle_admin;
