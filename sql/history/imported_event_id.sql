create or replace function chronicle.imported_event_id(_source text, _source_id text)
returns uuid
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    -- Version 8, variant 1: a UUID of one's own making.
    select encode(
        set_byte(
            set_byte(d.digest, 6, (get_byte(d.digest, 6) & 15) | 128),
            8, (get_byte(d.digest, 8) & 63) | 128
        ),
        'hex'
    )::uuid
    from (
        select substr(
            sha256(convert_to(jsonb_build_array(_source, _source_id)::text, 'UTF8')), 1, 16
        ) as digest
    ) as d
$$;

comment on function chronicle.imported_event_id(text, text) is
'Private. The id that an imported event has, so that it is imported once: the first 16 bytes of the
SHA-256 of the JSON array of both, as a UUID of version 8.';

revoke execute on function chronicle.imported_event_id(text, text) from public;
grant execute on function chronicle.imported_event_id(text, text) to chronicle_writer;
