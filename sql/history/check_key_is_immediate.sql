-- While a deferrable key is not looked at, two rows may have the same one, and events that name
-- rows by their key do not tell them apart.
create or replace function chronicle.check_key_is_immediate(_table regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (
        select
        from pg_catalog.pg_index as i
        where i.indrelid = _table and i.indisprimary and not i.indimmediate
    ) then
        perform chronicle.refuse_incomplete(
            _table,
            'Keys of records were changed, and its primary key is deferrable: records may have '
            'changed places.'
        );
    end if;
end
$$;

comment on function chronicle.check_key_is_immediate(regclass) is
'Private. Raises ZC007 for a table with a deferrable primary key.';

revoke execute on function chronicle.check_key_is_immediate(regclass) from public;
grant execute on function chronicle.check_key_is_immediate(regclass) to chronicle_reader;
