-- What keeps the events of a record in their order, in a stream that may not wait for the slowest
-- transaction of all. transaction_id alone is no such order: a transaction may take its number
-- early and change the record late. Whoever changes a record after another transaction finds that
-- one over, so the highest number that is over (xmax - 1 of a snapshot) never falls from one change
-- of a record to the next, and is not below the other's; and what this gives is not below the
-- number of the transaction itself, which so keeps the event back until it ends.
--
-- The default of a column, and called for every captured change: it must inline, which a SET clause
-- prevents.
create or replace function chronicle.settled_after(_transaction_id bigint)
returns bigint
language sql
stable
as $$
    select case
        when (pg_catalog.pg_snapshot_xmax(
                pg_catalog.pg_current_snapshot()
            )::pg_catalog.text)::pg_catalog.int8 operator(pg_catalog.-) 1 operator(pg_catalog.>) _transaction_id
            then (pg_catalog.pg_snapshot_xmax(
                pg_catalog.pg_current_snapshot()
            )::pg_catalog.text)::pg_catalog.int8 operator(pg_catalog.-) 1
    end
$$;

comment on function chronicle.settled_after(bigint) is
'Private. The column of that name for an event that this transaction writes now.';

revoke execute on function chronicle.settled_after(bigint) from public;
grant execute on function chronicle.settled_after(bigint) to chronicle_writer;
