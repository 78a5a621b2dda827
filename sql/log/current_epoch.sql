-- A function that returns a constant, since it inlines: the default of every event. Hence no pinned
-- search_path.
create or replace function chronicle.current_epoch()
returns integer
language sql
stable
as $$
    select 1::pg_catalog.int4
$$;

comment on function chronicle.current_epoch() is
'Which life of the log this is: transaction_id and seq can be compared within one epoch only.';

revoke execute on function chronicle.current_epoch() from public;
grant execute on function chronicle.current_epoch() to chronicle_writer, chronicle_reader;
