-- Runs as its caller, and so does the statement. No path is pinned, as for
-- chronicle.revert_event.
create or replace function chronicle.revert_transaction(
    _transaction_id bigint, _epoch integer default null, _dry_run boolean default false
)
returns text
language plpgsql
volatile
as $$
declare
    v_epoch constant pg_catalog.int4 := chronicle.epoch_of(_transaction_id, _epoch);
    v_statement pg_catalog.text;
begin
    v_statement := chronicle.plan_transaction_undo(_transaction_id, v_epoch, not _dry_run);
    if not _dry_run and v_statement is not null then
        perform chronicle.carry_out_undo(
            v_statement,
            chronicle.record_revert(null, _transaction_id, v_epoch)
        );
    end if;
    return v_statement;
end
$$;

comment on function chronicle.revert_transaction(bigint, integer, boolean) is
'Takes back what a transaction did to tracked tables: the net change of each row, in one statement,
so that foreign keys hold. As chronicle.revert_event for everything else.
_transaction_id: as in chronicle.row_changes. _epoch: by default the latest in which there was a
transaction of this number. _dry_run: only return the statement.
Errors: as chronicle.revert_event; 42501 also when events of the transaction are hidden from the
caller.';

revoke execute on function chronicle.revert_transaction(bigint, integer, boolean) from public;
grant execute on function chronicle.revert_transaction(bigint, integer, boolean)
to chronicle_reader;
