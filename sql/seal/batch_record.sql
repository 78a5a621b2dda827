create or replace function chronicle.batch_record(_batch chronicle.seal_batches)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    return format(
        E'pgchronicle-batch/v1\nlog %s\nbatch %s\nepoch %s\nbucket %s %s\nfrom %s %s\nto %s %s\n'
        'seq %s %s\nlate %s\ncount %s\nroot %s\nsealed %s\n',
        (select s.log_id from chronicle.seal_state as s),
        _batch.batch_number,
        _batch.epoch,
        chronicle.iso_day(_batch.bucket_from), chronicle.iso_day(_batch.bucket_to),
        _batch.from_transaction_id, _batch.from_seq,
        _batch.to_transaction_id, _batch.to_seq,
        _batch.min_seq, _batch.max_seq,
        _batch.is_late::text,
        _batch.event_count,
        encode(_batch.root, 'hex'),
        chronicle.microseconds(_batch.sealed_at)
    );
end
$$;

comment on function chronicle.batch_record(chronicle.seal_batches) is
'A batch as the text that its place in the log vouches for; see docs/format.md.
_batch: a row of chronicle.seal_batches.';

revoke execute on function chronicle.batch_record(chronicle.seal_batches) from public;
grant execute on function chronicle.batch_record(chronicle.seal_batches) to
chronicle_sealer, chronicle_auditor;
