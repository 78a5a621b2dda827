create or replace function chronicle.fitted_id(_id text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when octet_length(_id) > 1000
            then 'sha256:' || encode(sha256(convert_to(_id, 'UTF8')), 'hex')
        else _id
    end
$$;

comment on function chronicle.fitted_id(text) is
'Private. An id as captured events hold it: itself, or its digest if it has more than 1000 bytes.';

revoke execute on function chronicle.fitted_id(text) from public;
grant execute on function chronicle.fitted_id(text)
to chronicle_writer, chronicle_table_reader, chronicle_reader, chronicle_admin;
