create or replace function chronicle.normalized_key(_key text)
returns text
language sql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
    select translate(lower(_key), '_-', '')
$$;

comment on function chronicle.normalized_key(text) is
'Private. A key as masking compares it: in lower case, without "_" and "-".';

revoke execute on function chronicle.normalized_key(text) from public;
grant execute on function chronicle.normalized_key(text) to chronicle_writer;
