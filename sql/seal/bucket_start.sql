-- Inlines into what hashes and checks, hence no pinned search_path. Times that only somebody with
-- all rights can have put in, at the ends of what a timestamp can be, must not stop a check.
create or replace function chronicle.bucket_start(_unit text, _occurred_at timestamptz)
returns date
language sql
stable
as $$
    select pg_catalog.date_trunc(
        _unit,
        pg_catalog.timezone(
            'UTC',
            least(
                greatest(_occurred_at, '4713-01-01 00:00:00+00 BC'::pg_catalog.timestamptz),
                '294276-01-01 00:00:00+00'::pg_catalog.timestamptz
            )
        )
    )::pg_catalog.date
$$;

comment on function chronicle.bucket_start(text, timestamptz) is
'Private. The first day of the month, week or day (UTC) in which an event is sealed. _unit: which of
these.';

revoke execute on function chronicle.bucket_start(text, timestamptz) from public;
grant execute on function chronicle.bucket_start(text, timestamptz) to chronicle_sealer;
