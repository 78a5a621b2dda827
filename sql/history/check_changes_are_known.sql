create or replace function chronicle.check_changes_are_known(
    _table regclass, _table_id integer, _at timestamptz
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_problem text;
begin
    if not chronicle.is_auditor() and chronicle.are_table_events_hidden(
        _table_id, _at, chronicle.administered_organizations(), chronicle.is_super_administrator()
    ) then
        perform chronicle.refuse_hidden_events(_table::text);
    end if;

    select format(
        'Event %s of %s %s.',
        e.event_id,
        e.occurred_at,
        case when e.record_id is null then 'names no record' else 'lacks values' end
    )
    into v_problem
    from chronicle.row_events as e
    where e.table_id = _table_id
        and e.occurred_at > _at
        and e.origin = 'captured'
        and (
            e.record_id is null and e.action <> 'TRUNCATE'
            or e.record_id is not null
            and e.action <> 'INSERT'
            and (e.details_before is null or e.payload_error is not null and not e.is_drifted)
        )
    limit 1;
    if found then
        perform chronicle.refuse_incomplete(_table, v_problem);
    end if;

    if exists (
        select
        from chronicle.tracking_periods as p
        inner join chronicle.table_registry as r on r.table_id = p.table_id
        where p.table_id = _table_id
            and p.key_columns <> r.key_columns
            and (cardinality(p.key_columns) > 1 or cardinality(r.key_columns) > 1)
            and p.from_seq >= (
                select max(b.from_seq)
                from chronicle.tracking_periods as b
                where b.table_id = _table_id and b.began_at <= _at
            )
    ) then
        perform chronicle.refuse_incomplete(_table, 'Its records have gone by another key since.');
    end if;
end
$$;

comment on function chronicle.check_changes_are_known(regclass, integer, timestamptz) is
'Private. Raises 42501 when changes after a time are hidden from the caller, and ZC007 when some of
them can not be undone.';

revoke execute on function chronicle.check_changes_are_known(regclass, integer, timestamptz)
from public;
grant execute on function chronicle.check_changes_are_known(regclass, integer, timestamptz)
to chronicle_reader;
