-- An event may be given away once no other can come that belongs before it. Sequence numbers and
-- clocks do not tell that: a transaction that took its number first may commit last. Behind the
-- oldest transaction that is open (pg_snapshot_xmin) nothing is open, so all is seen that ever will
-- be. The horizon and the rows come from one snapshot, since the function is stable.
--
-- Runs with the caller's rights: row-level security decides what a consumer gets.
--
-- The planner does not see how near the cursor is to the end: it takes the rest of the log for a
-- large part of it, and would read and sort that. So sorting is off where an index gives the order,
-- and so is compiling, which its cost would seem to pay for; and partitions are planned once a
-- session, not at every poll.
create or replace function chronicle.events_since(
    _cursor text default null, _limit integer default 1000
)
returns setof chronicle.events
language plpgsql
stable
rows 1000
set search_path = pg_catalog, pg_temp
set enable_sort = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
    v_snapshot constant pg_snapshot := pg_current_snapshot();
    v_horizon constant bigint := pg_snapshot_xmin(v_snapshot)::text;
    v_next constant bigint := pg_snapshot_xmax(v_snapshot)::text;
    -- By the same snapshot, in which the next one may not have begun.
    v_now constant integer := coalesce((select max(e.epoch) from chronicle.epochs as e), 1);
    v_epoch integer := 0;
    v_position bigint := 0;
    v_seq bigint := 0;
    v_until bigint;
    v_sealed_seq bigint;
    v_left bigint := _limit;
    v_given bigint;
begin
    if _limit is null or _limit not between 1 and 100000 then
        raise exception '_limit is %, not 1 to 100000', coalesce(_limit::text, 'null')
            using errcode = 'invalid_parameter_value',
                hint = 'Ask again from the cursor of the last event to get more.';
    end if;
    if _cursor is not null then
        if _cursor !~ '^[0-9]{1,9}\.[0-9]{1,18}\.[0-9]{1,18}$' then
            raise exception 'the cursor is not one of this stream'
                using errcode = 'invalid_parameter_value',
                    detail = format('It is %L.', left(_cursor, 100)),
                    hint = 'Pass what chronicle.event_cursor or chronicle.stream_head gave, '
                        'or null to begin.';
        end if;
        v_epoch := split_part(_cursor, '.', 1);
        v_position := split_part(_cursor, '.', 2);
        v_seq := split_part(_cursor, '.', 3);
    end if;

    -- A standby may be behind what its primary has given out; it has nothing to give then.
    if not pg_is_in_recovery()
        and (
            (v_epoch, v_position) > (v_now, v_next)
            or exists (
                select
                from chronicle.events as e
                where e.epoch = v_now
                    and e.transaction_id >= v_next
                    and e.transaction_id <> coalesce(
                        pg_current_xact_id_if_assigned()::text, '0'
                    )::bigint
            )
        )
    then
        raise exception 'the stream is ahead of this server'
            using errcode = 'object_not_in_prerequisite_state',
                detail = format(
                    'The next transaction here is number %s; '
                    'the cursor or the log has one above that.',
                    v_next
                ),
                hint = 'A log that was restored or copied from another server: '
                    'select chronicle.begin_epoch(''…''), and go on from the same cursor. '
                    'A cursor of another log: begin here from chronicle.stream_head().';
    end if;

    -- Epoch after epoch; of one that is over, what was not sealed by then comes last.
    for v_part in greatest(v_epoch, 1) .. v_now loop
        v_until := case v_part when v_now then v_horizon else 999999999999999999 end;
        if v_part > v_epoch then
            v_position := 0;
            v_seq := 0;
        end if;
        v_sealed_seq := (
            select n.sealed_seq
            from chronicle.epochs as n
            where n.epoch = v_part + 1
        );

        return query
        select *
        from (
            (
                select *
                from chronicle.events as e
                where e.settled_after is null
                    and e.epoch = v_part
                    and (e.transaction_id, e.seq) > (v_position, v_seq)
                    and e.transaction_id < v_until
                    and (v_sealed_seq is null or e.seq <= v_sealed_seq)
                order by e.transaction_id, e.seq
                limit v_left
            )
            union all
            (
                select *
                from chronicle.events as e
                where e.settled_after is not null
                    and e.epoch = v_part
                    and (e.settled_after, e.seq) > (v_position, v_seq)
                    and e.settled_after < v_until
                    and (v_sealed_seq is null or e.seq <= v_sealed_seq)
                order by e.settled_after, e.seq
                limit v_left
            )
        ) as e
        order by coalesce(e.settled_after, e.transaction_id), e.seq
        limit v_left;
        get diagnostics v_given = row_count;
        v_left := v_left - v_given;
        exit when v_left = 0;

        if v_sealed_seq is not null then
            return query
            select *
            from chronicle.events as e
            where e.epoch = v_part
                and e.seq > greatest(
                    v_sealed_seq, case v_position when 999999999999999999 then v_seq end
                )
            order by e.seq
            limit v_left;
            get diagnostics v_given = row_count;
            v_left := v_left - v_given;
            exit when v_left = 0;
        end if;
    end loop;
end
$$;

comment on function chronicle.events_since(text, integer) is
'The log as a stream without gaps: every committed event that the caller may see comes exactly once,
those of a record in the order of its changes. Ask again from the cursor of the last event, and keep
that. Events come once every transaction is over that was open when theirs was: an open one holds
the stream back, and loses nothing. seq alone orders a record where a transaction under REPEATABLE
READ inserted a key anew, or truncated, what another had changed meanwhile. What a crash takes from
writers with synchronous_commit off may have been given before; and after chronicle.begin_epoch,
events that were not sealed before it may come again.
_cursor: from chronicle.event_cursor or chronicle.stream_head; null is the beginning. _limit: at
most so many events, 1 to 100000; fewer mean that no more are settled yet.
Errors: 22023 for a cursor that is none or a wrong limit; 55000 when the cursor, or the log, comes
from another server.';

revoke execute on function chronicle.events_since(text, integer) from public;
grant execute on function chronicle.events_since(text, integer) to chronicle_reader;
