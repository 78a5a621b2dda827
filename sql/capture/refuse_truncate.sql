create or replace function chronicle.refuse_truncate(_relation oid)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'truncate of % is refused', _relation::regclass
        using errcode = 'object_not_in_prerequisite_state',
            detail = 'The table is tracked with _truncate => ''refuse''.',
            hint = format('Record every row: delete from %s.', _relation::regclass);
end
$$;

comment on function chronicle.refuse_truncate(oid) is
'Private. Raises 55000: the table is tracked with _truncate => ''refuse''.';

revoke execute on function chronicle.refuse_truncate(oid) from public;
grant execute on function chronicle.refuse_truncate(oid) to chronicle_table_reader;
