-- A value of some bytes may have a thousand times as many as text (1e100000), and what can not be
-- written as text can be neither read nor sealed: one such event would stop the sealing of all.
create or replace function chronicle.is_too_long(_documents jsonb[])
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select sum(octet_length(d.document::text)) from unnest(_documents) as d (document)
    ) > 268435456;
exception when program_limit_exceeded or out_of_memory then
    return true;
end
$$;

comment on function chronicle.is_too_long(jsonb[]) is
'Private. Whether documents have more than 256 MB together, written as text.';

revoke execute on function chronicle.is_too_long(jsonb[]) from public;
grant execute on function chronicle.is_too_long(jsonb[]) to
chronicle_writer, chronicle_table_reader;
