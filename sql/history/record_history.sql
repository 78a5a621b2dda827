-- Runs as its caller: row-level security decides which events it sees, and the table's own rights
-- whether it may be read.
create or replace function chronicle.record_history(_table regclass, _record_id text)
returns setof chronicle.record_change
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table_id constant integer := chronicle.table_with_history(_table);
    v_record_id constant text := chronicle.canonical_key(v_table_id, _record_id);
    v_periods constant chronicle.tracking_periods[] := array(
        select p from chronicle.column_periods(v_table_id) as p order by p.from_seq
    );
    v_line record;
    v_last chronicle.row_events;
    v_live jsonb;
    v_changes chronicle.record_change[] := '{}';
begin
    if exists (
        select
        from chronicle.record_events(v_table_id, v_record_id) as e
        where e.key_before <> e.key_after
    ) then
        perform chronicle.check_key_is_immediate(_table);
    end if;
    for v_line in
        select
            array_agg(l.event order by (l.event).seq) as events,
            -- The later row to have a key is the one that may have it now.
            row_number() over (
                partition by (array_agg(l.event order by (l.event).seq desc))[1].key_after
                order by l.line desc
            ) = 1 as is_latest
        from chronicle.record_lines(v_table_id, v_record_id) as l
        group by l.line
        order by l.line
    loop
        v_last := v_line.events[cardinality(v_line.events)];
        v_live := null;
        if v_last.key_after is not null
            and v_line.is_latest
            and not chronicle.is_interrupted(v_periods, v_last.seq, 9223372036854775807)
        then
            v_live := chronicle.live_image(_table, v_table_id, v_last.key_after);
            -- What stands there is not what was recorded last: it can not be built upon.
            if not v_last.is_drifted
                and v_periods[cardinality(v_periods)].from_seq <= v_last.seq
                and v_live::text <> (v_live || v_last.details_after)::text
            then
                v_live := null;
            end if;
        end if;
        v_changes := v_changes || array(
            select r from chronicle.rebuilt_line(v_line.events, v_periods, v_live) as r
        );
    end loop;
    return query select c.* from unnest(v_changes) as c order by c.seq;
end
$$;

comment on function chronicle.record_history(regclass, text) is
'The changes of a record in the order of seq, each with the whole row before and after it, under the
names that its columns had then. Rebuilt backwards from the row as it stands, or from its delete, so
that it needs no beginning. A row''s life under other keys is part of it, and so is every row that
had the key before. Runs with the caller''s rights.
_record_id: the key as text; of a composite key a JSON object of its columns.
Errors: ZC005 for a table that never was tracked; 55000 for one without a key; 42501 without SELECT
on the table, where its own row-level security applies to the caller, or when events of the record
are hidden from the caller.';

revoke execute on function chronicle.record_history(regclass, text) from public;
grant execute on function chronicle.record_history(regclass, text) to chronicle_reader;
