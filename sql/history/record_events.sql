create or replace function chronicle.record_events(_table_id integer, _record_id text)
returns setof chronicle.row_events
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_is_auditor constant boolean := chronicle.is_auditor();
    v_organizations constant text[] := case
        when not v_is_auditor then chronicle.administered_organizations()
    end;
begin
    if not v_is_auditor and chronicle.are_record_events_hidden(
        _table_id, _record_id, v_organizations, chronicle.is_super_administrator()
    ) then
        perform chronicle.refuse_hidden_events(format('record %s', _record_id));
    end if;
    return query
    select e.*
    from chronicle.row_events as e
    where e.record_id = _record_id and e.table_id = _table_id;

    -- The record may have left this key for another.
    if v_is_auditor then
        return query
        select e.*
        from chronicle.departures(_table_id, _record_id) as d
        inner join chronicle.row_events as e
            on e.event_id = d.event_id and e.occurred_at = d.occurred_at
        where e.record_id <> _record_id;
    elsif chronicle.has_departures(_table_id, _record_id) then
        return query
        select e.*
        from chronicle.row_events as e
        where e.table_id = _table_id
            and e.key_before = _record_id
            and e.record_id <> _record_id
            and (e.organization_id = any(v_organizations) or e.organization_id is null);
    end if;
end
$$;

comment on function chronicle.record_events(integer, text) is
'Private. The events by which a row had, got or lost this key, in the order of seq.
Errors: 42501 when row-level security hides one of them.';

revoke execute on function chronicle.record_events(integer, text) from public;
grant execute on function chronicle.record_events(integer, text) to chronicle_reader;
