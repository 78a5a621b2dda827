-- Every column that may hold personal data and names nothing: an erasure empties these. Inlines,
-- hence no pinned search_path.
create or replace function chronicle.payload_fields(_event chronicle.events)
returns bytea[]
language sql
stable
as $$
    select array[
        pg_catalog.convert_to(_event.action_description, 'UTF8'),
        pg_catalog.convert_to(_event.action_meta::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.reason, 'UTF8'),
        pg_catalog.convert_to(_event.related_resources::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.details_before::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.details_after::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.payload_error, 'UTF8'),
        pg_catalog.convert_to(_event.ai_metadata::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.error_message, 'UTF8'),
        pg_catalog.convert_to(pg_catalog.text(_event.ip_address), 'UTF8'),
        pg_catalog.convert_to(_event.user_agent, 'UTF8'),
        pg_catalog.convert_to(_event.client_info::pg_catalog.text, 'UTF8')
    ]
$$;

comment on function chronicle.payload_fields(chronicle.events) is
'The columns of an event that an erasure empties: in the order of the table, as UTF-8 text; see
docs/format.md. A seal covers them by their salted digest, chronicle.payload_digest.
_event: a row of chronicle.events.';

revoke execute on function chronicle.payload_fields(chronicle.events) from public;
grant execute on function chronicle.payload_fields(chronicle.events) to
chronicle_sealer, chronicle_reader;
