-- For callers that have random bytes already: asking the system for them is the dearest part. It
-- inlines where it is given a variable, so it goes without a pinned search_path, and every name and
-- operator is qualified instead.
create or replace function chronicle.uuid_v7_from(_random bytea)
returns uuid
language sql
volatile
parallel safe
as $$
    select pg_catalog.encode(
        -- The version, binary 0111, and the variant, binary 10, each at the top of its byte.
        pg_catalog.set_byte(
            pg_catalog.set_byte(
                pg_catalog.overlay(
                    pg_catalog.substr(_random, 1, 16),
                    pg_catalog.substr(
                        pg_catalog.int8send(
                            pg_catalog.floor(
                                pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())
                                operator(pg_catalog.*) 1000
                            )::pg_catalog.int8
                        ),
                        3
                    ),
                    1, 6
                ),
                6,
                (pg_catalog.get_byte(_random, 6) operator(pg_catalog.&) 15)
                operator(pg_catalog.|) 112
            ),
            8,
            (pg_catalog.get_byte(_random, 8) operator(pg_catalog.&) 63) operator(pg_catalog.|) 128
        ),
        'hex'
    )::pg_catalog.uuid
$$;

comment on function chronicle.uuid_v7_from(bytea) is
'Private. A new UUID version 7, as chronicle.uuid_v7.
_random: at least 16 random bytes, of which 74 bits show in the id.';

revoke execute on function chronicle.uuid_v7_from(bytea) from public;
grant execute on function chronicle.uuid_v7_from(bytea) to chronicle_writer;
