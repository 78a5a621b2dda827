-- Fires before the truncate, since afterwards there is nothing to read. Every partition has the
-- trigger as well: a truncate of the parent fires it on each, and each records its own rows. So on
-- the parent only the rows of those partitions are left to be read that were made since.
--
-- The role that reads may read every tracked table, so no code of one table's owner must run with
-- its rights. Hence row-level security and constraint exclusion are off, the one raising instead of
-- asking a policy, and a table that makes the planner evaluate somebody's function is not read.
create or replace function chronicle.truncate_function_body(
    _table regclass, _options chronicle.table_registry
)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        $body$
declare
    v_context constant chronicle.event_context := chronicle.resolve_context();
    v_relation record;
    v_query text;
    v_limit bigint := 0;
    v_rows bigint := 0;
    v_recorded bigint := 0;
    v_obstacle text;
    v_before jsonb;
    v_after jsonb;
    v_changed text[];
    v_columns jsonb;
    v_meta jsonb;
    v_sees_past constant boolean := false;
    v_resource_id text;
    v_organization_id text;
    v_error text;
begin
    if current_setting('session_replication_role') = 'replica'
        and exists (select from pg_catalog.pg_stat_subscription as s where s.pid = pg_backend_pid())
    then
        return null;
    end if;
    -- A partition that was detached is a table of its own, and has lost its other triggers.
    if not exists (
        select from pg_catalog.pg_trigger as t
        where t.tgrelid = tg_relid and t.tgname = '!chronicle_insert'
    ) then
        return null;
    end if;
%1$s    select c.oid::regclass as name, c.relkind, c.relispartition into strict v_relation
    from pg_catalog.pg_class as c
    where c.oid = tg_relid;
    if '%2$s' = 'rows' then
        v_obstacle := case
            -- What is read is of the transaction's beginning; what is emptied is of now.
            when current_setting('transaction_isolation') in ('repeatable read', 'serializable')
                then 'under this isolation level the transaction does not see every row'
            when not has_table_privilege(tg_relid, 'SELECT')
                then 'chronicle_table_reader may not read the table'
            when row_security_active(tg_relid)
                then 'row-level security hides rows of the table from chronicle_table_reader'
            when exists (
                select
                from pg_partition_tree(tg_relid) as p
                inner join pg_catalog.pg_class as f on f.oid = p.relid
                where f.relkind = 'f'
            )
                then 'a partition is on another server'
            when chronicle.runs_foreign_code(tg_relid)
                then 'an index, statistics or the partition key of the table call functions of a '
                    'user, and chronicle_table_reader runs none'
        end;
        if v_obstacle is null then
            select s.value::bigint into v_limit
            from chronicle.settings as s
            where s.name = 'truncate_row_limit';
            -- Where only the schema was restored.
            v_limit := coalesce(v_limit, 100000);
        end if;
        v_query := case
            when v_relation.relkind <> 'p' then format('from only %%s', v_relation.name)
            else format(
                'from %%s where tableoid = any(%%L::oid[])',
                v_relation.name, chronicle.unguarded_partitions(tg_relid)
            )
        end;
    end if;

    -- The number of rows is told even where they can not be.
    if v_query is not null and v_obstacle is null then
        for old in execute 'select * ' || v_query loop
            v_rows := v_rows + 1;
            exit when v_rows > v_limit;
            v_error := null;
            v_meta := null;
%3$s
            perform chronicle.record_internal_event(
                'captured', 'delete', %5$L, %6$L, v_resource_id,
                coalesce(v_organization_id, v_context.organization_id), v_before, null, v_meta,
                _table_id => %4$s, _payload_error => v_error
            );
            v_recorded := v_recorded + 1;
        end loop;
        if v_rows > v_recorded then
            execute 'select count(*) ' || v_query into v_rows;
        end if;
    end if;
    if v_obstacle is not null or v_query is null or v_rows > v_recorded then
        perform chronicle.note_interruption(%4$s);
    end if;
    perform chronicle.record_internal_event(
        'captured', 'delete', %5$L, %6$L, null, v_context.organization_id, null, null,
        jsonb_strip_nulls(jsonb_build_object(
            'rows', case when v_query is not null and v_obstacle is null then v_rows end,
            'recorded', v_recorded,
            'partition', case when v_relation.relispartition then v_relation.name::text end
        )),
        _table_id => %4$s, _payload_error => v_obstacle
    );
    return null;
end
$body$,
        concat(
            case
                when _options.requires_actor
                    then E'    perform chronicle.check_actor(v_context, tg_relid);\n'
            end,
            case
                when _options.truncate = 'refuse' then
                    E'    perform chronicle.refuse_truncate(tg_relid);\n'
            end
        ), -- 1
        _options.truncate,
        chronicle.rendering_block(_table, _options, 'DELETE'), -- 3
        _options.table_id,
        _options.resource_type || '.truncate', -- 5
        _options.resource_type
    )
$$;

comment on function chronicle.truncate_function_body(regclass, chronicle.table_registry) is
'Private. The text of a trigger function that records a truncate of a table. _options: its row of
the registry.';

revoke execute on function chronicle.truncate_function_body(regclass, chronicle.table_registry)
from public;
grant execute on function chronicle.truncate_function_body(regclass, chronicle.table_registry)
to chronicle_table_reader;
