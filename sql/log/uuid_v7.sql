-- The server's own uuidv7() exists from version 18 on. No pinned search_path: it is the default of
-- events.event_id and must inline there; with a SET clause a call costs four times as much, and an
-- argument with a default that is used twice keeps it from inlining as well. Every name and
-- operator is qualified instead.
create or replace function chronicle.uuid_v7()
returns uuid
language sql
volatile
parallel safe
as $$
    select pg_catalog.encode(
        -- gen_random_uuid() has version 4, binary 0100; two more bits make it 7, binary 0111.
        pg_catalog.set_bit(
            pg_catalog.set_bit(
                pg_catalog.overlay(
                    pg_catalog.uuid_send(pg_catalog.gen_random_uuid()),
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
                52, 1
            ),
            53, 1
        ),
        'hex'
    )::pg_catalog.uuid
$$;

comment on function chronicle.uuid_v7() is
'A new UUID version 7 (RFC 9562): the first 48 bits are the time in milliseconds since 1970, so that
ids sort by the time they were made. Order within a millisecond is random; events.seq orders
events.';

revoke execute on function chronicle.uuid_v7() from public;
grant execute on function chronicle.uuid_v7() to chronicle_writer;
