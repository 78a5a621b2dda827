-- A complete subtree never changes again, so it is stored: two rows a batch on average. Roots and
-- proofs of the log then read some rows, however long it is.
create table chronicle.seal_nodes (
    level integer not null,
    node_index bigint not null,
    hash bytea not null,
    constraint seal_nodes_pkey primary key (level, node_index)
);

comment on table chronicle.seal_nodes is
'The hash of each complete subtree of the sealed log. Append-only.';
comment on column chronicle.seal_nodes.level is
'The subtree has 2 to this power of batches.';
comment on column chronicle.seal_nodes.node_index is
'Which of that level, from 0: it begins with batch number node_index times 2 to the level.';
comment on column chronicle.seal_nodes.hash is
'Level 0: seal_batches.leaf_hash; above, SHA-256 over 01 and the two hashes below.';

create trigger seal_nodes_reject_change
before update or delete or truncate on chronicle.seal_nodes
for each statement execute function chronicle.reject_change();

alter table chronicle.seal_nodes enable always trigger seal_nodes_reject_change;

comment on trigger seal_nodes_reject_change on chronicle.seal_nodes is
'Refuses to change or remove a node.';

revoke all on chronicle.seal_nodes from public;
grant select, insert on chronicle.seal_nodes to chronicle_sealer;
grant select on chronicle.seal_nodes to chronicle_auditor;
