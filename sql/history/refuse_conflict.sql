create or replace function chronicle.refuse_conflict(_why text, _hint text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'a conflict stops the undo'
        using errcode = 'ZC008', detail = _why, hint = _hint;
end
$$;

comment on function chronicle.refuse_conflict(text, text) is
'Private. Raises ZC008: an undo would take back more than it was asked to.';

revoke execute on function chronicle.refuse_conflict(text, text) from public;
grant execute on function chronicle.refuse_conflict(text, text) to chronicle_reader;
