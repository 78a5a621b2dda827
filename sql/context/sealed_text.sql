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
