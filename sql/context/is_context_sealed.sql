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
