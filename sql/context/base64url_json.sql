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
