create or replace function chronicle.stream_head()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        '%s.%s.0', coalesce((select max(e.epoch) from chronicle.epochs as e), 1),
        pg_snapshot_xmin(pg_current_snapshot())
    )
$$;

comment on function chronicle.stream_head() is
'The cursor behind every event that is settled now: from it, chronicle.events_since gives what comes
later. For who wants no past, and for who sees few events and need not look at the others again.';

revoke execute on function chronicle.stream_head() from public;
grant execute on function chronicle.stream_head() to chronicle_reader;
