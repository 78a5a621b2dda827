-- A key may have belonged to several rows, one after the other, and a row may have had several
-- keys. A line is the life of one row: it begins with an insert, or when tracking did, follows the
-- row through changes of its key, and ends with a delete.
create or replace function chronicle.record_lines(_table_id integer, _record_id text)
returns table (line integer, event chronicle.row_events)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_own chronicle.row_events;
    v_other chronicle.row_events;
    v_key text;
    v_seq bigint;
    v_is_open boolean := false;
    v_lines integer := 0;
    -- Rows that left and came back: the line, by the event that brings them.
    v_returns jsonb := '{}';
begin
    for v_own in
        select e.* from chronicle.record_events(_table_id, _record_id) as e order by e.seq
    loop
        if v_returns ? v_own.seq::text then
            line := v_returns ->> v_own.seq::text;
        elsif not v_is_open or v_own.key_before is distinct from _record_id then
            v_lines := v_lines + 1;
            line := v_lines;
        end if;

        -- It came under another key: what happened to it before, backwards.
        v_key := case
            when not v_returns ? v_own.seq::text then nullif(v_own.key_before, _record_id)
        end;
        v_seq := v_own.seq;
        while v_key is not null loop
            for v_other in
                select e.*
                from chronicle.record_events(_table_id, v_key) as e
                where e.seq < v_seq and e.key_after = v_key
                order by e.seq desc
            loop
                event := v_other;
                return next;
                v_seq := v_other.seq;
                exit when v_other.key_before is distinct from v_key;
            end loop;
            v_key := case
                when v_other.key_before is distinct from v_key and v_other.seq = v_seq
                    then v_other.key_before
            end;
        end loop;

        event := v_own;
        return next;
        v_is_open := v_own.key_after is not distinct from _record_id;

        -- It left for another key: what happened to it afterwards.
        v_key := nullif(v_own.key_after, _record_id);
        v_seq := v_own.seq;
        while v_key is not null loop
            v_other := null;
            for v_other in
                select e.*
                from chronicle.record_events(_table_id, v_key) as e
                where e.seq > v_seq
                order by e.seq
            loop
                -- Another row has got the key: this one's end was missed.
                exit when v_other.key_before is distinct from v_key;
                v_seq := v_other.seq;
                if v_other.key_after = _record_id then
                    v_returns := v_returns || jsonb_build_object(v_seq, line);
                    v_other := null;
                    exit;
                end if;
                event := v_other;
                return next;
                exit when v_other.key_after is distinct from v_key;
            end loop;
            v_key := case
                when v_other.seq = v_seq and v_other.key_after is distinct from v_key
                    then v_other.key_after
            end;
        end loop;
    end loop;
end
$$;

comment on function chronicle.record_lines(integer, text) is
'Private. The events of every row that ever had this key, with the number of the row; of its life
under other keys as well. Order the events of a line by seq.';

revoke execute on function chronicle.record_lines(integer, text) from public;
grant execute on function chronicle.record_lines(integer, text) to chronicle_reader;
