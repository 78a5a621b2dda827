-- AFTER triggers fire by name: ! sorts before letters and digits, so that an insert is recorded
-- before what another trigger makes of it. The update trigger compares images before it calls the
-- function, so an update that changes nothing costs next to nothing.
--
-- Row triggers are copied to partitions by the server; those for truncate are not, and a foreign
-- table can not have one.
create or replace function chronicle.place_capture_triggers(_table regclass, _table_id integer)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_operation text;
    v_relation regclass;
begin
    foreach v_operation in array array['insert', 'update', 'delete'] loop
        execute format(
            'create or replace trigger "!chronicle_%1$s" after %1$s on %2$s for each row %3$s'
            'execute function chronicle_capture.capture_%4$s_%1$s()',
            v_operation,
            _table,
            case v_operation when 'update' then 'when (old.* operator(pg_catalog.*<>) new.*) ' end,
            _table_id
        );
        execute format('alter table %s enable always trigger "!chronicle_%s"', _table, v_operation);
    end loop;

    for v_relation in
        select c.oid
        from pg_catalog.pg_class as c
        where c.relkind <> 'f'
            and (c.oid = _table or c.oid in (select p.relid from pg_partition_tree(_table) as p))
    loop
        execute format(
            'create or replace trigger "!chronicle_truncate" before truncate on %s '
            'execute function chronicle_capture.capture_%s_truncate()', v_relation, _table_id
        );
        execute format(
            'alter table %s enable always trigger "!chronicle_truncate"', v_relation
        );
    end loop;
end
$$;

comment on function chronicle.place_capture_triggers(regclass, integer) is
'Private. Puts the capture triggers on a table, and those for truncate on its partitions.';

revoke execute on function chronicle.place_capture_triggers(regclass, integer) from public;
grant execute on function chronicle.place_capture_triggers(regclass, integer) to chronicle_admin;
