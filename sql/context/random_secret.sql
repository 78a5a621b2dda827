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
