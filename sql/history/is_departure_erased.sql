-- An erased change of a key does not tell any more which key it was; that it was one is still seen
-- by the columns that changed.
create or replace function chronicle.is_departure_erased(
    _table_id integer, _after_seq bigint, _until timestamptz
)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select exists (
        select
        from chronicle.erasures as x
        inner join chronicle.events as e
            on e.event_id = x.event_id and e.occurred_at = x.occurred_at
        where e.table_id = _table_id
            and e.action_type = 'update'
            and e.seq > _after_seq
            and e.occurred_at <= _until
            and (
                e.changed_columns is null
                or exists (
                    select
                    from chronicle.tracking_periods as p
                    where p.table_id = _table_id and p.key_columns::text[] && e.changed_columns
                )
            )
    )
$$;

comment on function chronicle.is_departure_erased(integer, bigint, timestamptz) is
'Private. Whether an erased event may have given a row of the table another key.
_after_seq, _until: in between.';

revoke execute on function chronicle.is_departure_erased(integer, bigint, timestamptz)
from public;
grant execute on function chronicle.is_departure_erased(integer, bigint, timestamptz) to
chronicle_reader;
alter function chronicle.is_departure_erased(integer, bigint, timestamptz) owner to
chronicle_sealer;
