create or replace function chronicle.refuse_untracked(_table regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception '% is not tracked', coalesce(_table::text, 'null')
        using errcode = 'ZC005',
            hint = 'select * from chronicle.tracked_tables shows what is.';
end
$$;

comment on function chronicle.refuse_untracked(regclass) is
'Private. Raises ZC005.';

revoke execute on function chronicle.refuse_untracked(regclass) from public;
grant execute on function chronicle.refuse_untracked(regclass)
to chronicle_reader, chronicle_admin;
