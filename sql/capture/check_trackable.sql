create or replace function chronicle.check_trackable(_table regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_class pg_catalog.pg_class;
    v_kind text;
begin
    if _table is null then
        raise exception 'a table is needed'
            using errcode = 'null_value_not_allowed',
                hint = 'For example: chronicle.enable_tracking(''shop.orders'').';
    end if;
    select * into v_class from pg_catalog.pg_class as c where c.oid = _table;
    if not found then
        raise exception 'there is no table with oid %', _table::oid
            using errcode = 'undefined_table',
                hint = 'Name the table, as in chronicle.enable_tracking(''shop.orders'').';
    end if;

    v_kind := case
        when v_class.relnamespace in ('chronicle'::regnamespace, 'chronicle_capture'::regnamespace)
            then 'part of pgchronicle'
        when v_class.relnamespace in (
            'pg_catalog'::regnamespace, 'information_schema'::regnamespace
        )
            then 'a system catalog'
        when v_class.relkind = 'v' then 'a view'
        when v_class.relkind = 'm' then 'a materialized view'
        when v_class.relkind = 'f' then 'a foreign table'
        when v_class.relkind = 'S' then 'a sequence'
        when v_class.relkind in ('i', 'I') then 'an index'
        when v_class.relkind not in ('r', 'p') then 'no table'
        when v_class.relpersistence = 't' then 'a temporary table'
        when v_class.relpersistence = 'u' then 'an unlogged table'
    end;
    if v_kind is not null then
        raise exception '% can not be tracked: it is %', _table, v_kind
            using errcode = 'wrong_object_type',
                detail = case v_class.relpersistence
                    when 'u' then 'A crash empties an unlogged table, and no event would say so.'
                    else 'Ordinary and partitioned tables can be tracked.'
                end,
                hint = case
                    when v_kind in ('a view', 'a materialized view')
                        then 'Track the tables it reads.'
                    when v_kind = 'an unlogged table'
                        then format('First: alter table %s set logged.', _table)
                    else 'Name an ordinary table.'
                end;
    end if;
    if v_class.relispartition then
        raise exception '% is a partition', _table
            using errcode = 'wrong_object_type',
                detail = 'Its changes belong to the history of the partitioned table.',
                hint = format(
                    'Track that one: chronicle.enable_tracking(%L).',
                    pg_partition_root(_table)::regclass::text
                );
    end if;
end
$$;

comment on function chronicle.check_trackable(regclass) is
'Private. Raises what keeps a table from being tracked.
Errors: 22004 for null; 42P01 for no table; 42809 for something that is no ordinary table of the
application.';

revoke execute on function chronicle.check_trackable(regclass) from public;
grant execute on function chronicle.check_trackable(regclass) to chronicle_admin;
