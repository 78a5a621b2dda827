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
