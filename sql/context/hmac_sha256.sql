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
