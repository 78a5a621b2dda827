-- New partitions follow each other without a gap, whatever the interval was before, so that
-- DEFAULT only ever holds a contiguous future. A gap that somebody tore is closed again. Bounds
-- are times in UTC; the setting of the session is pinned because they are read back from the
-- catalog as text.
--
-- Attaching a partition locks DEFAULT, which writers do not touch, but readers of the whole log
-- do: they queue behind this call, and it behind them. The time-out bounds that; the caller
-- tries again.
create or replace function chronicle.ensure_partitions(_ahead integer default null)
returns setof text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
declare
    v_ahead constant integer := coalesce(
        _ahead,
        (select s.value::integer from chronicle.settings as s where s.name = 'partitions_ahead')
    );
    v_interval constant text := (
        select s.value #>> '{}' from chronicle.settings as s where s.name = 'partition_interval'
    );
    v_span constant interval := case v_interval
        when 'quarter' then '3 months' else '1 ' || v_interval
    end;
    v_present constant timestamptz := date_trunc(v_interval, now());
    v_existing tstzrange[];
    v_from timestamptz;
    v_to timestamptz;
    v_name name;
    v_guard text;
begin
    if v_ahead not between 0 and 1000 then
        raise exception '_ahead must be between 0 and 1000, not %', v_ahead
            using errcode = 'invalid_parameter_value',
                hint = 'It counts partitions beyond the present one.';
    end if;

    -- Two callers at once: the second waits, then finds the work done. Writers do not wait.
    lock table chronicle.events in share update exclusive mode;

    select array_agg(
        tstzrange(
            substring(b.bound from $r$FROM \('([^']+)'\)$r$)::timestamptz,
            substring(b.bound from $r$TO \('([^']+)'\)$r$)::timestamptz
        )
    )
    into v_existing
    from pg_catalog.pg_inherits as i
    inner join pg_catalog.pg_class as c on c.oid = i.inhrelid
    cross join lateral pg_get_expr(c.relpartbound, c.oid) as b (bound)
    where i.inhparent = 'chronicle.events'::regclass and b.bound <> 'DEFAULT';

    if v_existing is null then
        perform chronicle.add_partition('events_earlier', format(
            'for values from (minvalue) to (%L)', v_present
        ));
        perform chronicle.add_partition('events_default', 'default');
        return next 'events_earlier';
        return next 'events_default';
        v_existing := array[tstzrange(null, v_present)];
    end if;

    select min(upper(e.bounds)) into v_from from unnest(v_existing) as e (bounds);
    while v_from <= v_present + v_ahead * v_span
        or v_from < (select max(upper(e.bounds)) from unnest(v_existing) as e (bounds))
    loop
        select upper(e.bounds) into v_to
        from unnest(v_existing) as e (bounds)
        where lower(e.bounds) = v_from;
        if found then
            v_from := v_to;
            continue;
        end if;

        select least(min(lower(e.bounds)), date_trunc(v_interval, v_from) + v_span) into v_to
        from unnest(v_existing) as e (bounds)
        where lower(e.bounds) > v_from;
        v_name := chronicle.partition_name(v_interval, v_from);
        perform chronicle.add_partition(
            v_name, format('for values from (%L) to (%L)', v_from, v_to)
        );
        return next v_name::text;
        v_from := v_to;
    end loop;

    -- A restore that left triggers out leaves those behind firing less than always.
    for v_guard in
        select t.tgrelid::regclass || ' enable always trigger ' || quote_ident(t.tgname)
        from pg_catalog.pg_trigger as t
        inner join pg_catalog.pg_proc as p on p.oid = t.tgfoid
        where p.pronamespace = 'chronicle'::regnamespace
            and p.proname in ('reject_change', 'check_erasure')
            and t.tgenabled <> 'A'
    loop
        execute 'alter table ' || v_guard;
    end loop;
end
$$;

comment on function chronicle.ensure_partitions(integer) is
'Makes the partitions of chronicle.events that are missing, up to the present one and _ahead more,
and returns their names. Harmless to repeat. Writers do not wait for it. Who reads the whole log
does, until the transaction ends, and so does a writer who gives an event an id of version 7, since
that is looked up. It waits for them 3 seconds at most.
_ahead: how many beyond the present one; null: the setting partitions_ahead.
Errors: 22023 outside 0 to 1000; 55P03 when readers of the log do not make way: try again; 23514
when events already lie in events_default where a partition is due.';

revoke execute on function chronicle.ensure_partitions(integer) from public;
grant execute on function chronicle.ensure_partitions(integer) to chronicle_admin;
