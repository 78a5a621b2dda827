-- The closed sets as enums, and the context that says who acts.
-- depends: pgchronicle_0001_roles_and_schemas

set local role chronicle_owner;

-- Each enum closes a set that pgchronicle owns. What the application owns (resource types, actions)
-- stays text.
create type chronicle.actor_type as enum (
    'user', 'employee', 'customer', 'admin', 'service', 'ai', 'system', 'anonymous'
);

comment on type chronicle.actor_type is
'What kind of actor caused an event.';

create type chronicle.action_type as enum (
    'create', 'read', 'update', 'delete', 'execute', 'other'
);

comment on type chronicle.action_type is
'What was done, in one of six kinds; the column action says it in the application''s own words.';

create type chronicle.severity_level as enum ('info', 'warning', 'error', 'critical');

comment on type chronicle.severity_level is
'How much an event matters to the person on call.';

create type chronicle.event_status as enum ('success', 'failure');

comment on type chronicle.event_status is
'Whether what the event tells of succeeded.';

create type chronicle.event_origin as enum ('logged', 'captured', 'snapshot', 'imported');

comment on type chronicle.event_origin is
'How an event came into the log: logged by an application, captured from a tracked table,
a snapshot of a row that was there before tracking began, or imported from an older log.';

create type chronicle.ai_agent_type as enum (
    'assistant', 'editor', 'researcher', 'coder', 'analyst', 'writer', 'reviewer', 'custom'
);

comment on type chronicle.ai_agent_type is
'What kind of AI agent performed an operation.';

create type chronicle.ai_operation_status as enum ('running', 'completed', 'failed', 'cancelled');

comment on type chronicle.ai_operation_status is
'Where an AI operation stands. It leaves running once, for one of the other three, and stays
there.';

create type chronicle.email_event_type as enum (
    'send', 'delivery', 'delivery_delay', 'bounce', 'complaint', 'reject', 'open', 'click',
    'subscription', 'rendering_failure'
);

comment on type chronicle.email_event_type is
'What an e-mail provider reports about a message.';

grant create on schema chronicle to chronicle_verifier;

-- The context as columns of their types, so that reading it is one call and validates it whole.
create type chronicle.event_context as (
    actor_id text,
    actor_type chronicle.actor_type,
    actor_role text,
    impersonator_id text,
    organization_id text,
    session_id text,
    request_id text,
    trace_id text,
    operation_id text,
    ip_address inet,
    user_agent text,
    client_info jsonb,
    reason text,
    ai_operation_id uuid,
    parent_event_id uuid,
    context_state text
);

comment on type chronicle.event_context is
'Who acts, for whom and why: the keys of the setting chronicle.context, with context_state beside
them.';

create or replace function chronicle.random_secret()
returns bytea
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
    select sha256(
        uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
    )
$$;

comment on function chronicle.random_secret() is
'Private. 32 bytes that nobody can guess: the digest of 366 random bits of the server.';

revoke execute on function chronicle.random_secret() from public;

-- In plain SQL, since there is no pgcrypto: RFC 2104, the two blocks made beforehand. It inlines
-- into the statements that read the blocks, so that neither a block nor what comes of it is ever a
-- parameter of a plan, which any session can have printed (debug_print_plan); hence no pinned
-- search_path.
create or replace function chronicle.hmac_sha256(
    _inner_block bytea, _outer_block bytea, _message text
)
returns bytea
language sql
stable
as $$
    select pg_catalog.sha256(
        _outer_block operator(pg_catalog.||) pg_catalog.sha256(
            _inner_block operator(pg_catalog.||) pg_catalog.convert_to(_message, 'UTF8')
        )
    )
$$;

comment on function chronicle.hmac_sha256(bytea, bytea, text) is
'Private. HMAC-SHA256 (RFC 2104) of a text in UTF-8. _inner_block, _outer_block: the key, padded to
64 bytes, combined with 0x36 and 0x5c.';

revoke execute on function chronicle.hmac_sha256(bytea, bytea, text) from public;
grant execute on function chronicle.hmac_sha256(bytea, bytea, text) to chronicle_verifier;

create table chronicle.context_keys (
    key_id text constraint context_keys_pkey primary key,
    created_at timestamptz not null default clock_timestamp()
);

comment on table chronicle.context_keys is
'The keys whose tokens chronicle.set_signed_context accepts. The secrets are apart, where nobody
reads them. chronicle.add_context_key and chronicle.retire_context_key change it, and record that.';
comment on column chronicle.context_keys.key_id is
'What a token names as "kid".';
comment on column chronicle.context_keys.created_at is
'When the key was added.';

revoke all on chronicle.context_keys from public;
grant select on chronicle.context_keys to chronicle_admin;

-- The keys of context tokens, as the blocks that an HMAC takes, and under an empty name the key
-- by which a transaction recognizes what it has verified. chronicle_verifier alone reads them. No
-- check constraint: the error of one would show the row.
create table chronicle.context_secrets (
    key_id text constraint context_secrets_pkey primary key,
    inner_block bytea not null,
    outer_block bytea not null
);

comment on table chronicle.context_secrets is
'Private. What makes tokens and verified contexts unforgeable. Written by
chronicle.add_context_key.';
comment on column chronicle.context_secrets.key_id is
'As in chronicle.context_keys; empty for the key that never leaves the database.';
comment on column chronicle.context_secrets.inner_block is
'The key, padded to 64 bytes, each combined with 0x36.';
comment on column chronicle.context_secrets.outer_block is
'The same with 0x5c.';

-- Against who reads all tables by a role of the server's (pg_read_all_data).
alter table chronicle.context_secrets enable row level security;

create policy context_secrets_verifier_reads on chronicle.context_secrets
for select to chronicle_verifier using (true);

comment on policy context_secrets_verifier_reads on chronicle.context_secrets is
'Nobody else reads them, whatever they are granted.';

revoke all on chronicle.context_secrets from public;
grant select on chronicle.context_secrets to chronicle_verifier;

-- Which transaction this is, without giving it a transaction id, which a reader does not need and
-- which would hold the stream back. Only transactions that come in one and the same message of the
-- simple protocol share their time of beginning: those of one client, then, who may do in the first
-- whatever they do in the second.
--
-- Every event of a verified context asks for it: it inlines, hence no pinned search_path.
create or replace function chronicle.context_challenge()
returns text
language sql
stable
as $$
    select pg_catalog.concat(
        pg_catalog.pg_backend_pid(),
        '.',
        pg_catalog.encode(
            pg_catalog.timestamptz_send(pg_catalog.transaction_timestamp()), 'hex'
        )
    )
$$;

comment on function chronicle.context_challenge() is
'Names this transaction of this session. It is no secret: a token that carries it as "nonce" is
good here and nowhere else. Ask within the transaction block in which the token will be used.';

revoke execute on function chronicle.context_challenge() from public;
grant execute on function chronicle.context_challenge()
to chronicle_verifier, chronicle_app, chronicle_reader;

-- What a seal says: that these claims were verified in this transaction. No token can be taken for
-- one, since a token's text holds no space. It inlines, hence no pinned search_path.
create or replace function chronicle.sealed_text(_claims jsonb)
returns text
language sql
stable
as $$
    select pg_catalog.concat('verified in ', chronicle.context_challenge(), ': ', _claims)
$$;

comment on function chronicle.sealed_text(jsonb) is
'Private. What the seal of a verified context is the HMAC of.';

revoke execute on function chronicle.sealed_text(jsonb) from public;
grant execute on function chronicle.sealed_text(jsonb) to chronicle_verifier;

-- Runs as the one role that reads the key. One statement: see chronicle.hmac_sha256. Digests are
-- compared instead of the codes themselves, so that the time it takes tells nothing.
create or replace function chronicle.is_context_sealed(_claims jsonb, _seal text)
returns boolean
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
begin
    return coalesce(
        (
            select sha256(convert_to(_seal, 'UTF8')) = sha256(convert_to(
                encode(
                    chronicle.hmac_sha256(
                        s.inner_block, s.outer_block, chronicle.sealed_text(_claims)
                    ),
                    'hex'
                ),
                'UTF8'
            ))
            from chronicle.context_secrets as s
            where s.key_id = ''
        ),
        false
    );
end
$$;

comment on function chronicle.is_context_sealed(jsonb, text) is
'Private. Whether chronicle.set_signed_context verified these claims in this transaction.';

revoke execute on function chronicle.is_context_sealed(jsonb, text) from public;
grant execute on function chronicle.is_context_sealed(jsonb, text) to
chronicle_writer, chronicle_table_reader, chronicle_app, chronicle_reader, chronicle_admin;
alter function chronicle.is_context_sealed(jsonb, text) owner to chronicle_verifier;

-- A change of owner turns the old owner's right into the new one's, so it is granted again by that
-- one.
set local role chronicle_verifier;
grant execute on function chronicle.is_context_sealed(jsonb, text) to chronicle_owner;
set local role chronicle_owner;

create table chronicle.trusted_gateways (
    role_name text constraint trusted_gateways_pkey primary key,
    constraint trusted_gateways_role_name_is_not_empty check (role_name <> '')
);

comment on table chronicle.trusted_gateways is
'Login roles whose sessions are believed about who acts: whoever can run SQL over such a session can
claim to be anyone. chronicle.add_trusted_gateway and chronicle.remove_trusted_gateway change it,
and record that.';
comment on column chronicle.trusted_gateways.role_name is
'As in session_user.';

revoke all on chronicle.trusted_gateways from public;
grant select on chronicle.trusted_gateways to
chronicle_writer, chronicle_table_reader, chronicle_app, chronicle_reader, chronicle_admin;

-- What every event has to know of the table, as a function that returns a constant and inlines; as
-- chronicle.derive_logging_rules does for settings. Hence no pinned search_path.
create or replace function chronicle.is_trusted_gateway()
returns boolean
language sql
stable
as $$
    select false
$$;

comment on function chronicle.is_trusted_gateway() is
'Private. Whether the role that logged in was in chronicle.trusted_gateways when that last changed.
A copy of the schema without its data says so too: ask the table as well.';

revoke execute on function chronicle.is_trusted_gateway() from public;
grant execute on function chronicle.is_trusted_gateway() to
chronicle_writer, chronicle_table_reader, chronicle_app, chronicle_reader, chronicle_admin;

create or replace function chronicle.derive_trusted_gateways()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    execute format(
        'create or replace function chronicle.is_trusted_gateway() '
        'returns pg_catalog.bool language sql stable as %L',
        format(
            'select session_user operator(pg_catalog.=) any (%L::pg_catalog.text[])',
            (
                select coalesce(array_agg(g.role_name order by g.role_name), '{}')
                from chronicle.trusted_gateways as g
            )
        )
    );
    return null;
end
$$;

comment on function chronicle.derive_trusted_gateways() is
'Trigger function: writes the function anew by which events know chronicle.trusted_gateways.';

revoke execute on function chronicle.derive_trusted_gateways() from public;

create trigger trusted_gateways_derive
after insert or update or delete or truncate on chronicle.trusted_gateways
for each statement execute function chronicle.derive_trusted_gateways();

comment on trigger trusted_gateways_derive on chronicle.trusted_gateways is
'Keeps in step what events know of the gateways.';

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

create or replace function chronicle.base64url_json(_text text)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select convert_from(
        decode(
            translate(_text, '-_', '+/') || repeat('=', (4 - octet_length(_text) % 4) % 4), 'base64'
        ),
        'UTF8'
    )::jsonb
$$;

comment on function chronicle.base64url_json(text) is
'Private. The JSON in a part of a token. Errors: 22023, 22021, 22P02, 22P05 for what is none.';

revoke execute on function chronicle.base64url_json(text) from public;
grant execute on function chronicle.base64url_json(text) to chronicle_verifier;

-- Runs as the one role that reads the keys. A token is a JWT (RFC 7515, RFC 7519) with HS256; the
-- signature is checked before anything of the claims is read, and compared as text, so that a token
-- has one form. The exception block holds no write.
--
-- What was verified stays in chronicle.context, sealed with a code that this transaction recognizes
-- and no session can make.
create or replace function chronicle.set_signed_context(_token text)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_not_claims constant text[] := array['context_state', 'parent_event_id'];
    v_state text := 'malformed';
    v_now constant numeric := extract(epoch from clock_timestamp());
    v_header jsonb;
    v_payload jsonb;
    v_is_signed boolean;
    v_issued numeric;
    v_expires numeric;
    v_context chronicle.event_context;
    v_claims jsonb;
    v_document jsonb;
begin
    begin
        if octet_length(_token) <= 65536
            and _token ~ '^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}$'
        then
            v_header := chronicle.base64url_json(split_part(_token, '.', 1));
        end if;

        if v_header ->> 'alg' = 'HS256'
            and jsonb_typeof(v_header -> 'kid') = 'string'
            and v_header ->> 'kid' <> ''
            and not v_header ? 'crit'
        then
            -- One statement: see chronicle.hmac_sha256.
            select
                sha256(convert_to(right(_token, 43), 'UTF8')) = sha256(convert_to(
                    translate(
                        encode(
                            chronicle.hmac_sha256(
                                s.inner_block, s.outer_block, left(_token, -44)
                            ),
                            'base64'
                        ),
                        '+/=', '-_'
                    ),
                    'UTF8'
                ))
            into v_is_signed
            from chronicle.context_secrets as s
            where s.key_id = v_header ->> 'kid';

            if v_is_signed is null then
                v_state := 'unknown_key';
            elsif not v_is_signed then
                v_state := 'bad_signature';
            else
                v_payload := chronicle.base64url_json(split_part(_token, '.', 2));
            end if;
        end if;

        if jsonb_typeof(v_payload -> 'iat') = 'number'
            and jsonb_typeof(v_payload -> 'exp') = 'number'
            and coalesce(jsonb_typeof(v_payload -> 'nbf'), 'number') = 'number'
            and jsonb_typeof(v_payload -> 'actor_id') in ('string', 'number')
            and coalesce(jsonb_typeof(v_payload -> 'client_info'), 'null') in ('object', 'null')
        then
            v_issued := v_payload ->> 'iat';
            v_expires := v_payload ->> 'exp';
            v_context := jsonb_populate_record(
                null::chronicle.event_context, v_payload - v_not_claims
            );

            if greatest(v_issued, (v_payload ->> 'nbf')::numeric) > v_now + 60
                or v_expires - v_issued not between 0 and 300
                or v_context.actor_type is null
                or coalesce(v_context.actor_id, '') = ''
                or greatest(
                    octet_length(v_context.actor_id), octet_length(v_context.organization_id)
                ) > 1000
            then
                null;
            elsif v_expires <= v_now then
                v_state := 'expired';
            elsif v_payload ->> 'nonce' is distinct from chronicle.context_challenge() then
                v_state := 'wrong_transaction';
            else
                v_state := 'verified';
                select jsonb_object_agg(f.key, f.value) into v_claims
                from jsonb_each(to_jsonb(v_context)) as f
                where f.value <> 'null';
                -- As text, claims may be longer than the token that brought them.
                if octet_length(v_claims::text) > 65000 then
                    v_state := 'malformed';
                end if;
            end if;
        end if;
    exception when data_exception or program_limit_exceeded then
        v_state := 'malformed';
    end;

    if v_state = 'verified' then
        select
            jsonb_build_object(
                'verified', v_claims,
                'seal', encode(
                    chronicle.hmac_sha256(
                        s.inner_block, s.outer_block, chronicle.sealed_text(v_claims)
                    ),
                    'hex'
                )
            )
        into v_document
        from chronicle.context_secrets as s
        where s.key_id = '';
    else
        v_document := jsonb_build_object('context_error', v_state);
    end if;
    perform set_config('chronicle.context', v_document::text, true);
    return v_state;
end
$$;

comment on function chronicle.set_signed_context(text) is
'Says who acts until the transaction ends, by a token that proves it; replaces what was said before.
Returns "verified", or what is wrong, and then the events of the transaction are marked malformed:
malformed, unknown_key, bad_signature, expired, or wrong_transaction (the nonce is not what
chronicle.context_challenge gives here). It raises no error.
_token: a JWT with HS256, "kid" a key of chronicle.context_keys, and as claims the arguments of
chronicle.set_context without the underscore, of which actor_id and actor_type are required, with
nonce, iat and exp, at most 300 seconds apart. Pass it as a parameter: then it stands in no log.';

revoke execute on function chronicle.set_signed_context(text) from public;
grant execute on function chronicle.set_signed_context(text) to chronicle_app, chronicle_reader;
alter function chronicle.set_signed_context(text) owner to chronicle_verifier;

create or replace function chronicle.current_context()
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select jsonb_object_agg(f.key, f.value)
    from chronicle.resolve_context() as c
    cross join lateral jsonb_each(to_jsonb(c)) as f
    where f.value <> 'null'
$$;

comment on function chronicle.current_context() is
'What events of this transaction will say about who acts: the keys of chronicle.set_context that
have a value, and context_state (asserted, verified, absent, malformed).';

revoke execute on function chronicle.current_context() from public;
grant execute on function chronicle.current_context() to chronicle_app, chronicle_reader;

-- Only ever local to the transaction: behind a transaction pooler a setting of the session would
-- reach the next client. The ids are anycompatible for the same reason as in
-- chronicle.log_audit_event.
create or replace function chronicle.set_context(
    _actor_id anycompatible default null,
    _actor_type chronicle.actor_type default null,
    _actor_role text default null,
    _impersonator_id text default null,
    _organization_id anycompatible default null,
    _session_id text default null,
    _request_id text default null,
    _trace_id text default null,
    _operation_id text default null,
    _ip_address inet default null,
    _user_agent text default null,
    _client_info jsonb default null,
    _reason text default null,
    _ai_operation_id uuid default null
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    -- Nulls inside _client_info are the caller's and stay.
    v_context constant jsonb := jsonb_strip_nulls(
        jsonb_build_object(
            'actor_id', nullif(format('%s', _actor_id), ''),
            'actor_type', _actor_type,
            'actor_role', _actor_role,
            'impersonator_id', _impersonator_id,
            'organization_id', nullif(format('%s', _organization_id), ''),
            'session_id', _session_id,
            'request_id', _request_id,
            'trace_id', _trace_id,
            'operation_id', _operation_id,
            'ip_address', _ip_address,
            'user_agent', _user_agent,
            'reason', _reason,
            'ai_operation_id', _ai_operation_id
        )
    );
    v_text text;
begin
    if jsonb_typeof(_client_info) <> 'object' then
        raise exception '_client_info must be a JSON object, not %', jsonb_typeof(_client_info)
            using errcode = 'invalid_parameter_value',
                hint = 'Wrap the value: jsonb_build_object(''value'', ...).';
    end if;
    if greatest(
        octet_length(v_context ->> 'actor_id'), octet_length(v_context ->> 'organization_id')
    ) > 1000 then
        raise exception '_actor_id or _organization_id has more than 1000 bytes'
            using errcode = 'program_limit_exceeded',
                detail = 'They are indexed, and an index holds no longer entries.',
                hint = 'Use a shorter name or its digest here, '
                    'and put the long one into _client_info.';
    end if;
    v_text := case
        when _client_info is null then v_context
        else v_context || jsonb_build_object('client_info', _client_info)
    end::text;
    if octet_length(v_text) > 65536 then
        raise exception 'the context has % bytes, more than 65536', octet_length(v_text)
            using errcode = 'program_limit_exceeded',
                hint = 'Every event of the transaction carries the context: log large things once, '
                    'with log_audit_event.';
    end if;

    perform set_config('chronicle.context', v_text, true);
end
$$;

comment on function chronicle.set_context(
    anycompatible, chronicle.actor_type, text, text, anycompatible, text, text, text, text, inet,
    text, jsonb, text, uuid
) is
'Says who acts until the transaction ends; replaces what was said before. A rolled back savepoint
brings the earlier context back, a released one does not. Outside a transaction block it is over at
once. The arguments are columns of chronicle.events; _actor_id and _organization_id take text, uuid
or integers, both of one type. What is said is asserted, not verified: any session can say it; over
the session of a trusted gateway it counts as verified.
Errors: 22023 when _client_info is no object; 54000 above 65536 bytes, or 1000 for the ids.';

revoke execute on function chronicle.set_context(
    anycompatible, chronicle.actor_type, text, text, anycompatible, text, text, text, text, inet,
    text, jsonb, text, uuid
) from public;
grant execute on function chronicle.set_context(
    anycompatible, chronicle.actor_type, text, text, anycompatible, text, text, text, text, inet,
    text, jsonb, text, uuid
) to chronicle_app, chronicle_reader;

create or replace function chronicle.clear_context()
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
    select set_config('chronicle.context', '', true)
$$;

comment on function chronicle.clear_context() is
'Forgets what chronicle.set_context said, for the rest of the transaction.';

revoke execute on function chronicle.clear_context() from public;
grant execute on function chronicle.clear_context() to chronicle_app, chronicle_reader;

revoke create on schema chronicle from chronicle_verifier;
