-- Runs as its caller, the table's owner: only that one can let somebody else read it.
create or replace function chronicle.share_rows(_table regclass, _are_read boolean)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_relation regclass;
    v_schema_name name;
    v_schema_owner name;
begin
    select n.nspname, pg_get_userbyid(n.nspowner) into strict v_schema_name, v_schema_owner
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.oid = _table;
    if _are_read and not has_schema_privilege('chronicle_table_reader', v_schema_name, 'USAGE') then
        if not pg_has_role(current_user, v_schema_owner, 'USAGE') then
            raise exception 'chronicle_table_reader may not use the schema "%"', v_schema_name
                using errcode = 'insufficient_privilege',
                    detail = 'That role reads the rows that a truncate is about to empty.',
                    hint = format(
                        'As "%s": grant usage on schema %I to chronicle_table_reader. '
                        'Or give _truncate => ''event'': a truncate is one event then, '
                        'without the rows.',
                        v_schema_owner, v_schema_name
                    );
        end if;
        execute format('grant usage on schema %I to chronicle_table_reader', v_schema_name);
    end if;

    for v_relation in
        select c.oid
        from pg_catalog.pg_class as c
        where (c.oid = _table or c.oid in (select p.relid from pg_partition_tree(_table) as p))
            and _are_read <> exists (
                select
                from aclexplode(c.relacl) as a
                where a.grantee = 'chronicle_table_reader'::regrole
                    and a.privilege_type = 'SELECT'
            )
    loop
        execute format(
            case
                when _are_read then 'grant select on %s to chronicle_table_reader'
                else 'revoke select on %s from chronicle_table_reader'
            end,
            v_relation
        );
    end loop;
end
$$;

comment on function chronicle.share_rows(regclass, boolean) is
'Private. Lets the role that reads what a truncate empties read a table and its partitions, or lets
it no longer.
Errors: 42501 when that role may not use the schema, and the caller can not allow it.';

revoke execute on function chronicle.share_rows(regclass, boolean) from public;
grant execute on function chronicle.share_rows(regclass, boolean) to chronicle_admin;
