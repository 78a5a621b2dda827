create or replace function chronicle.is_interrupted(
    _periods chronicle.tracking_periods[], _from_seq bigint, _to_seq bigint
)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select
        from unnest(_periods) as p
        where p.until_seq > _from_seq and p.until_seq <= _to_seq
            or not p.is_continuation and p.from_seq > _from_seq and p.from_seq <= _to_seq
    )
$$;

comment on function chronicle.is_interrupted(chronicle.tracking_periods[], bigint, bigint) is
'Private. Whether changes may have been missed between two events.';

revoke execute on function chronicle.is_interrupted(chronicle.tracking_periods[], bigint, bigint)
from public;
grant execute on function chronicle.is_interrupted(chronicle.tracking_periods[], bigint, bigint)
to chronicle_reader;
