-- The salt goes with the payload when it is erased; without it nobody can guess at the digest what
-- a payload of few possible values was.
--
-- The binary form of an array has a header of 20 bytes, and then each element behind its length:
-- FFFFFFFF for null, else int4 big-endian. No quicker way to write that was found (9 microseconds
-- an event for all that is hashed; length and bytes put together one by one take 18). Inlines,
-- hence no pinned search_path.
create or replace function chronicle.payload_digest(_event chronicle.events)
returns bytea
language sql
stable
as $$
    select pg_catalog.sha256(
        E'pgchronicle-payload/v1\\000'::pg_catalog.bytea
        operator(pg_catalog.||) pg_catalog.uuid_send(_event.payload_salt)
        operator(pg_catalog.||) pg_catalog.substr(
            pg_catalog.array_send(chronicle.payload_fields(_event)), 21
        )
    )
$$;

comment on function chronicle.payload_digest(chronicle.events) is
'SHA-256 over salt and payload of an event, as in docs/format.md; 32 bytes. Null once the payload
was erased: then chronicle.erasures keeps it.
_event: a row of chronicle.events.';

revoke execute on function chronicle.payload_digest(chronicle.events) from public;
grant execute on function chronicle.payload_digest(chronicle.events) to
chronicle_sealer, chronicle_reader;
