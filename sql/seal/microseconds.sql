-- Inlines into what is hashed of every event, hence no pinned search_path. A bigint would not hold
-- the last of all times, and a time that can not be written down would stop the sealing.
create or replace function chronicle.microseconds(_at timestamptz)
returns text
language sql
stable
as $$
    select (
        pg_catalog.extract('epoch', _at) operator(pg_catalog.*) 1000000
    )::pg_catalog.numeric(38, 0)::pg_catalog.text
$$;

comment on function chronicle.microseconds(timestamptz) is
'Private. A time as sealed: microseconds since 1970-01-01 UTC, decimal.';

revoke execute on function chronicle.microseconds(timestamptz) from public;
grant execute on function chronicle.microseconds(timestamptz) to
chronicle_sealer, chronicle_reader;
