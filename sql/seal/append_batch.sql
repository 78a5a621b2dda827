-- The next leaf of the log, with every subtree that it completes: like carrying in binary addition.
create or replace function chronicle.append_batch(_batch chronicle.seal_batches, _leaves bytea)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_batch chronicle.seal_batches := _batch;
    v_level integer := 0;
    v_index bigint;
    v_hash bytea;
begin
    v_batch.batch_number := coalesce(
        (select max(b.batch_number) + 1 from chronicle.seal_batches as b), 0
    );
    v_batch.root := chronicle.merkle_root(_leaves);
    v_batch.leaf_hash := sha256(
        E'\\x00'::bytea || convert_to(chronicle.batch_record(v_batch), 'UTF8')
    );
    insert into chronicle.seal_batches select v_batch.*;
    insert into chronicle.seal_leaves (batch_number, leaves)
    values (v_batch.batch_number, _leaves);

    v_index := v_batch.batch_number;
    v_hash := v_batch.leaf_hash;
    loop
        insert into chronicle.seal_nodes (level, node_index, hash)
        values (v_level, v_index, v_hash);
        exit when v_index % 2 = 0;
        select sha256(E'\\x01'::bytea || n.hash || v_hash) into strict v_hash
        from chronicle.seal_nodes as n
        where n.level = v_level and n.node_index = v_index - 1;
        v_level := v_level + 1;
        v_index := v_index / 2;
    end loop;
end
$$;

comment on function chronicle.append_batch(chronicle.seal_batches, bytea) is
'Private. Appends a batch to the sealed log. Only for who holds the lock of chronicle.seal_state.
_batch: without number, root and leaf_hash. _leaves: the hashes of its events.';

revoke execute on function chronicle.append_batch(chronicle.seal_batches, bytea) from public;
grant execute on function chronicle.append_batch(chronicle.seal_batches, bytea) to
chronicle_sealer;
