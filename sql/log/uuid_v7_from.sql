-- For callers that have something random already: asking the system for it is the dearest part. It
-- inlines where it is given a variable, so it goes without a pinned search_path, and every name and
-- operator is qualified instead. Put together as text, which takes fewer calls than bytes do.
create or replace function chronicle.uuid_v7_from(_random uuid)
returns uuid
language sql
volatile
parallel safe
as $$
    select pg_catalog.overlay(
        pg_catalog.overlay(
            pg_catalog.substr(
                pg_catalog.encode(pg_catalog.sha256(pg_catalog.uuid_send(_random)), 'hex'), 1, 32
            ),
            pg_catalog.lpad(
                pg_catalog.to_hex(
                    pg_catalog.floor(
                        pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())
                        operator(pg_catalog.*) 1000
                    )::pg_catalog.int8
                ),
                12, '0'
            ) operator(pg_catalog.||) '7', -- the version
            1, 13
        ),
        '8', 17, 1 -- the variant
    )::pg_catalog.uuid
$$;

comment on function chronicle.uuid_v7_from(uuid) is
'Private. A new UUID version 7, as chronicle.uuid_v7. _random: a random UUID that nobody is told; 72
bits of its digest show in the id, from which it can not be found.';

revoke execute on function chronicle.uuid_v7_from(uuid) from public;
grant execute on function chronicle.uuid_v7_from(uuid) to chronicle_writer;
