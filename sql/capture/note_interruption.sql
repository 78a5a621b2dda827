-- Runs as the owner of the list, for the function that records a truncate. What a table held before
-- can not be told from what it holds after: the same as if it had not been tracked meanwhile.
create or replace function chronicle.note_interruption(_table_id integer)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
    insert into chronicle.tracking_periods (
        table_id, from_seq, is_continuation, key_columns, column_names, column_types,
        column_numbers, column_ids, recorded_columns, partitions
    )
    select
        p.table_id, nextval('chronicle.events_seq'), false, p.key_columns, p.column_names,
        p.column_types, p.column_numbers, p.column_ids, p.recorded_columns, p.partitions
    from chronicle.tracking_periods as p
    where p.table_id = _table_id
    order by p.from_seq desc
    limit 1
$$;

comment on function chronicle.note_interruption(integer) is
'Private. Notes that rows of a table went without being recorded.';

revoke execute on function chronicle.note_interruption(integer) from public;
grant execute on function chronicle.note_interruption(integer) to chronicle_table_reader;
