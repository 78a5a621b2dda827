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
