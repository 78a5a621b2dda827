create or replace function chronicle.refuse_concurrent_change(_relation oid)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'could not serialize access due to concurrent change of table %',
        _relation::regclass
        using errcode = 'serialization_failure',
            detail = 'Its columns were changed after this transaction began, '
                'so what they are called can not be told.',
            hint = 'Retry the transaction.';
end
$$;

comment on function chronicle.refuse_concurrent_change(oid) is
'Private. Raises 40001: a tracked table was altered after the transaction''s snapshot was taken.';

revoke execute on function chronicle.refuse_concurrent_change(oid) from public;
grant execute on function chronicle.refuse_concurrent_change(oid)
to chronicle_writer, chronicle_table_reader;
