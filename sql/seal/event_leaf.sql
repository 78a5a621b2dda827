-- 00 before a leaf and 01 before an inner node keep one from being taken for the other (RFC 9162,
-- 2.1.1). Inlines, hence no pinned search_path; see chronicle.payload_digest for array_send.
create or replace function chronicle.event_leaf(_event chronicle.events, _payload_digest bytea)
returns bytea
language sql
stable
as $$
    select pg_catalog.sha256(
        E'\\000pgchronicle-event/v1\\000'::pg_catalog.bytea
        operator(pg_catalog.||) pg_catalog.substr(
            pg_catalog.array_send(
                chronicle.event_fields(_event) operator(pg_catalog.||) _payload_digest
            ),
            21
        )
    )
$$;

comment on function chronicle.event_leaf(chronicle.events, bytea) is
'What a seal keeps of an event: SHA-256 over its columns and the digest of its payload, as in
docs/format.md; 32 bytes.
_event: a row of chronicle.events. _payload_digest: from chronicle.payload_digest, or from
chronicle.erasures.
Example: select chronicle.event_leaf(e, chronicle.payload_digest(e)) from chronicle.events as e;';

revoke execute on function chronicle.event_leaf(chronicle.events, bytea) from public;
grant execute on function chronicle.event_leaf(chronicle.events, bytea) to
chronicle_sealer, chronicle_reader;
