-- Returns a type only so that a query can call it where a row would stand.
create or replace function chronicle.refuse_incomplete(_table regclass, _why text)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'the history of % is incomplete', _table
        using errcode = 'ZC007',
            detail = _why,
            hint = 'Ask for a later time, or read what was recorded: '
                'chronicle.record_history, chronicle.row_changes.';
end
$$;

comment on function chronicle.refuse_incomplete(regclass, text) is
'Private. Raises ZC007: what is asked for can not be known. _why: a sentence.';

revoke execute on function chronicle.refuse_incomplete(regclass, text) from public;
grant execute on function chronicle.refuse_incomplete(regclass, text) to chronicle_reader;
