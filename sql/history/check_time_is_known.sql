create or replace function chronicle.check_time_is_known(
    _table regclass, _table_id integer, _at timestamptz
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_first timestamptz;
    v_interrupted timestamptz;
    v_partition text;
begin
    if _at is null then
        raise exception 'a time is needed'
            using errcode = 'null_value_not_allowed',
                hint = 'For example: now() - interval ''1 hour''.';
    end if;
    select
        min(p.began_at),
        max(greatest(p.ended_at, case when not p.is_continuation then p.began_at end))
    into v_first, v_interrupted
    from chronicle.tracking_periods as p
    where p.table_id = _table_id;
    if _at < v_first then
        perform chronicle.refuse_incomplete(
            _table, format('It has been tracked since %s.', v_first)
        );
    end if;
    if _at < v_interrupted then
        perform chronicle.refuse_incomplete(
            _table,
            format(
                'Tracking was interrupted, or a truncate recorded without its rows, until %s.',
                v_interrupted
            )
        );
    end if;
    select l.name into v_partition
    from (
        select p.partitions
        from chronicle.tracking_periods as p
        where p.table_id = _table_id
        order by p.from_seq desc
        limit 1
    ) as p
    cross join lateral unnest(p.partitions) as l (name)
    where l.name <> all(chronicle.partition_names(_table))
    limit 1;
    if found then
        perform chronicle.refuse_incomplete(
            _table,
            format('Its partition %s was detached, dropped or renamed, with its rows.', v_partition)
        );
    end if;
end
$$;

comment on function chronicle.check_time_is_known(regclass, integer, timestamptz) is
'Private. Raises ZC007 for a time before tracking began, or before it was interrupted.';

revoke execute on function chronicle.check_time_is_known(regclass, integer, timestamptz)
from public;
grant execute on function chronicle.check_time_is_known(regclass, integer, timestamptz)
to chronicle_reader;
