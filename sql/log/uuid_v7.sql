-- The server's own uuidv7() exists from version 18 on. No pinned search_path: it is the default of
-- events.event_id and must inline there; with a SET clause a call costs four times as much. Every
-- name and operator is qualified instead.
create or replace function chronicle.uuid_v7(
    _random bytea default pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
)
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

comment on function chronicle.uuid_v7(bytea) is
'A new UUID version 7 (RFC 9562): the first 48 bits are the time in milliseconds since 1970, so that
ids sort by the time they were made. Order within a millisecond is random; events.seq orders events.
_random: at least 16 random bytes, of which 74 bits show in the id.';

revoke execute on function chronicle.uuid_v7(bytea) from public;
grant execute on function chronicle.uuid_v7(bytea) to chronicle_writer;
