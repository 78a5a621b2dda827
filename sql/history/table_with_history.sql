create or replace function chronicle.table_with_history(_table regclass)
returns integer
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table_id constant integer := chronicle.known_table_id(_table);
begin
    if v_table_id is null then
        perform chronicle.refuse_untracked(_table);
    end if;
    if chronicle.tracked_relation(v_table_id) <> _table then
        raise exception '% is a partition', _table
            using errcode = 'wrong_object_type',
                hint = format(
                    'Its rows have their history under %s.',
                    chronicle.tracked_relation(v_table_id)::regclass
                );
    end if;
    if exists (
        select
        from chronicle.table_registry as r
        where r.table_id = v_table_id and r.key_columns = '{}'
    ) then
        raise exception '% has no key', _table
            using errcode = 'object_not_in_prerequisite_state',
                detail = 'Nothing tells which of its rows an event concerns.',
                hint = 'Give it a primary key, or name columns that identify a row: '
                    'chronicle.enable_tracking(..., _key_columns => ''{...}''). '
                    'chronicle.row_changes has what was recorded.';
    end if;
    if not has_table_privilege(_table, 'SELECT') then
        raise exception 'permission denied for table %', _table
            using errcode = 'insufficient_privilege',
                hint = 'Who asks for the history of a table needs SELECT on it.';
    end if;
    if row_security_active(_table) then
        raise exception 'row-level security of % hides rows from "%"', _table, current_user
            using errcode = 'insufficient_privilege',
                detail = 'A row that is hidden could not be told from one that was deleted.',
                hint = 'Ask as a role that sees every row of the table: its owner, '
                    'unless row-level security is forced, or one with BYPASSRLS.';
    end if;
    return v_table_id;
end
$$;

comment on function chronicle.table_with_history(regclass) is
'Private. The table_id of a table whose records have a history that the caller may ask for.
Errors: ZC005 for a table that never was tracked; 42809 for a partition; 55000 for one without a
key; 42501 without SELECT on the
table, and where its own row-level security applies to the caller.';

revoke execute on function chronicle.table_with_history(regclass) from public;
grant execute on function chronicle.table_with_history(regclass) to chronicle_reader;
