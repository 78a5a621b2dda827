-- Runs as the writer, who keeps the list. One import of a source at a time: a second one waits
-- here, and goes on where the first ends.
create or replace function chronicle.begin_import(_source text)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_last_source_id text;
begin
    insert into chronicle.imports (source) values (_source) on conflict do nothing;
    select i.last_source_id into v_last_source_id
    from chronicle.imports as i
    where i.source = _source
    for update;
    return v_last_source_id;
end
$$;

comment on function chronicle.begin_import(text) is
'Private. Where the last import from a source ended; null when there was none.';

revoke execute on function chronicle.begin_import(text) from public;
grant execute on function chronicle.begin_import(text) to chronicle_admin;
alter function chronicle.begin_import(text) owner to chronicle_writer;
