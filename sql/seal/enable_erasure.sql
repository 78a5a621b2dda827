-- Runs with the caller's rights, for only who may make roles can call it. The role exists from here
-- on and not before: in an installation that never erases, no role but a superuser could be given
-- the right to change an event.
create or replace function chronicle.enable_erasure()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_role constant text := current_setting('role');
    v_function text;
    v_stranger text;
begin
    if not exists (select from pg_catalog.pg_roles as r where r.rolname = 'chronicle_eraser') then
        begin
            create role chronicle_eraser nologin;
        exception when insufficient_privilege then
            raise exception 'role "%" may not make the role chronicle_eraser', current_user
                using errcode = 'insufficient_privilege',
                    hint = 'Call it as the role that installed pgchronicle, with CREATEROLE.';
        end;
        grant chronicle_eraser to chronicle_owner;
    end if;
    if not pg_has_role('chronicle_owner', 'chronicle_eraser', 'MEMBER') then
        raise exception 'the role chronicle_eraser exists, and chronicle_owner is no member of it'
            using errcode = 'invalid_role_specification',
                hint = 'As an administrator of the role: '
                    'grant chronicle_eraser to chronicle_owner;';
    end if;

    -- Who made it before us, for themselves, would read the whole log with it.
    select string_agg(quote_ident(r.rolname), ', ' order by r.rolname) into v_stranger
    from pg_catalog.pg_roles as r
    where r.rolname = 'chronicle_eraser' and r.rolcanlogin
        or r.oid in (
            select m.member
            from pg_catalog.pg_auth_members as m
            where m.roleid = 'chronicle_eraser'::regrole
        )
        and not pg_has_role(r.oid, 'chronicle_owner', 'MEMBER');
    if v_stranger is not null then
        raise exception 'the role chronicle_eraser is somebody else''s: %', v_stranger
            using errcode = 'invalid_role_specification',
                detail = 'It can log in, or has members who are not members of chronicle_owner.',
                hint = 'Find out who made it. Then revoke it from them, or drop it, and call this '
                    'again.';
    end if;

    perform set_config('role', 'chronicle_owner', true);
    grant usage, create on schema chronicle to chronicle_eraser;
    grant select, update (
        payload_salt, action_description, action_meta, reason, related_resources, details_before,
        details_after, payload_error, ai_metadata, error_message, ip_address, user_agent,
        client_info
    ) on chronicle.events to chronicle_eraser;
    grant select, insert on chronicle.erasures to chronicle_eraser;
    grant select, update (content_digest) on chronicle.event_keys to chronicle_eraser;
    grant execute on function chronicle.event_fields(chronicle.events),
    chronicle.payload_fields(chronicle.events), chronicle.payload_digest(chronicle.events),
    chronicle.microseconds(timestamptz), chronicle.check_can_erase(text) to chronicle_eraser;
    if not exists (
        select
        from pg_catalog.pg_policy as p
        where p.polrelid = 'chronicle.events'::regclass and p.polname = 'events_eraser_reads'
    ) then
        create policy events_eraser_reads on chronicle.events
        for select to chronicle_eraser using (true);
        create policy events_eraser_updates on chronicle.events
        for update to chronicle_eraser using (true) with check (true);
        create policy erasures_eraser_writes on chronicle.erasures
        to chronicle_eraser using (true) with check (true);
        comment on policy erasures_eraser_writes on chronicle.erasures is
        'An erasure keeps the digest of what it erases.';
        comment on policy events_eraser_reads on chronicle.events is
        'An erasure finds the events of a subject wherever they are.';
        comment on policy events_eraser_updates on chronicle.events is
        'An erasure empties payloads; nothing else gets past the triggers.';
        perform chronicle.log_management_event(
            'create', 'chronicle.erasure.enable', 'chronicle.erasure', 'chronicle_eraser', null,
            null
        );
    end if;
    for v_function in
        select p.oid::regprocedure::text
        from pg_catalog.pg_proc as p
        where p.pronamespace = 'chronicle'::regnamespace
            and p.proname in ('erase_events', 'erase_payload', 'erase_subject')
            and p.proowner <> 'chronicle_eraser'::regrole
    loop
        execute format('alter function %s owner to chronicle_eraser', v_function);
    end loop;
    revoke create on schema chronicle from chronicle_eraser;

    perform set_config('role', 'chronicle_writer', true);
    grant execute on function chronicle.record_internal_event(
        chronicle.event_origin, chronicle.action_type, text, text, text, text, jsonb, jsonb, jsonb,
        integer, uuid, text
    ) to chronicle_eraser;
    perform set_config('role', v_role, true);
end
$$;

comment on function chronicle.enable_erasure() is
'Makes chronicle.erase_payload and chronicle.erase_subject work: a role chronicle_eraser, which owns
them and may empty payloads and nothing else; an event tells of it. Harmless to repeat. For the role
that installed pgchronicle. Errors: 42501 for one that may not make roles.
Example: select chronicle.enable_erasure();';

revoke execute on function chronicle.enable_erasure() from public;
grant execute on function chronicle.enable_erasure() to chronicle_admin;
