-- Seals over the log: whoever keeps a checkpoint can tell whether anything was changed since.
-- depends: pgchronicle_0008_stream

set local role chronicle_owner;

grant create on schema chronicle to chronicle_sealer;

-- Transaction ids count within one server. A log that was restored from a dump, or copied by
-- logical replication, goes on under numbers that mean something else, and says so by a new epoch.
create table chronicle.epochs (
    epoch integer constraint epochs_pkey primary key,
    began_at timestamptz not null,
    reason text not null,
    system_identifier bigint not null,
    sealed_seq bigint not null,
    is_on_copy boolean not null
);

comment on table chronicle.epochs is
'The lives of the log, one row each, the last being the present one. Append-only. Written by
chronicle.begin_epoch.';
comment on column chronicle.epochs.epoch is
'Counts from 1; as in chronicle.events.';
comment on column chronicle.epochs.began_at is
'When it was declared.';
comment on column chronicle.epochs.reason is
'Why, as whoever declared it said.';
comment on column chronicle.epochs.system_identifier is
'The server that numbers the transactions of the epoch, from pg_control_system().';
comment on column chronicle.epochs.sealed_seq is
'The greatest seq that was sealed when the epoch began.';
comment on column chronicle.epochs.is_on_copy is
'Whether it began on another server than the epoch before. Then events of that epoch with a greater
seq than sealed_seq may have been written on this server, before anybody declared the epoch.';

create trigger epochs_reject_change
before update or delete or truncate on chronicle.epochs
for each statement execute function chronicle.reject_change();

alter table chronicle.epochs enable always trigger epochs_reject_change;

comment on trigger epochs_reject_change on chronicle.epochs is
'Refuses to change or remove an epoch.';

revoke all on chronicle.epochs from public;
grant select on chronicle.epochs to chronicle_sealer, chronicle_reader;

-- One row, which whoever seals locks: two never seal at once. An advisory lock could be taken, and
-- kept, by any session.
create table chronicle.seal_state (
    is_only boolean constraint seal_state_pkey primary key default true,
    log_id uuid not null default gen_random_uuid(),
    sealed_epochs integer not null default 0,
    constraint seal_state_is_one_row check (is_only)
);

comment on table chronicle.seal_state is
'What the seals of this log have in common; one row.';
comment on column chronicle.seal_state.is_only is
'Always true: there is one row.';
comment on column chronicle.seal_state.log_id is
'Names the log in every batch and checkpoint. A copy of the database keeps it.';
comment on column chronicle.seal_state.sealed_epochs is
'Up to which epoch everything is sealed, and nothing can be added.';

revoke all on chronicle.seal_state from public;
grant select, update (sealed_epochs) on chronicle.seal_state to chronicle_sealer;
grant select on chronicle.seal_state to chronicle_auditor, chronicle_admin;

-- A batch never straddles two months, so that a month that was archived stands alone. Which events
-- it has follows from its ranges: transaction id and seq together are its part of the order in
-- which an epoch is sealed, and the range of seq keeps out what a copy of the log wrote under
-- transaction ids that had been used (see chronicle.epochs).
create table chronicle.seal_batches (
    batch_number bigint constraint seal_batches_pkey primary key,
    epoch integer not null,
    bucket_from date not null,
    bucket_to date not null,
    from_transaction_id bigint not null,
    from_seq bigint not null,
    to_transaction_id bigint not null,
    to_seq bigint not null,
    min_seq bigint not null,
    max_seq bigint not null,
    is_late boolean not null,
    event_count bigint not null,
    root bytea not null,
    sealed_at timestamptz not null,
    leaf_hash bytea not null
);

create index seal_batches_epoch_to_idx
on chronicle.seal_batches (epoch, is_late, to_transaction_id, to_seq);
create index seal_batches_epoch_bucket_from_idx
on chronicle.seal_batches (
    epoch, is_late, bucket_from, bucket_to, from_transaction_id, from_seq
);
create index seal_batches_epoch_max_seq_idx on chronicle.seal_batches (epoch, is_late, max_seq);

comment on table chronicle.seal_batches is
'The leaves of the sealed log, in order: each seals some events of one month. Append-only, and kept
when the events go. Written by chronicle.seal_events.';
comment on column chronicle.seal_batches.batch_number is
'The place in the log, from 0, without gaps.';
comment on column chronicle.seal_batches.epoch is
'The epoch of its events.';
comment on column chronicle.seal_batches.bucket_from is
'Of the days (UTC) of occurred_at, the first that it may hold: a month, or less where partitions are
smaller.';
comment on column chronicle.seal_batches.bucket_to is
'The first day that it may not hold any more.';
comment on column chronicle.seal_batches.from_transaction_id is
'Transaction of its first event in the order (transaction_id, seq).';
comment on column chronicle.seal_batches.from_seq is
'Seq of that event.';
comment on column chronicle.seal_batches.to_transaction_id is
'Transaction of its last event in that order.';
comment on column chronicle.seal_batches.to_seq is
'Seq of that event.';
comment on column chronicle.seal_batches.min_seq is
'Least seq of its events.';
comment on column chronicle.seal_batches.max_seq is
'Greatest seq of its events.';
comment on column chronicle.seal_batches.is_late is
'Whether its events were written on a copy of the log before that began an epoch of its own.';
comment on column chronicle.seal_batches.event_count is
'How many events; at least one.';
comment on column chronicle.seal_batches.root is
'Merkle tree hash over the leaves of its events, in the order (transaction_id, seq); SHA-256.';
comment on column chronicle.seal_batches.sealed_at is
'The server''s clock when it was sealed.';
comment on column chronicle.seal_batches.leaf_hash is
'SHA-256 over a zero byte and chronicle.batch_record: the leaf of the log.';

create trigger seal_batches_reject_change
before update or delete or truncate on chronicle.seal_batches
for each statement execute function chronicle.reject_change();

alter table chronicle.seal_batches enable always trigger seal_batches_reject_change;

comment on trigger seal_batches_reject_change on chronicle.seal_batches is
'Refuses to change or remove a batch.';

revoke all on chronicle.seal_batches from public;
grant select, insert on chronicle.seal_batches to chronicle_sealer;
grant select on chronicle.seal_batches to chronicle_auditor;

-- 32 bytes an event: what lets the check say which event of a batch was changed, and be sure of it,
-- since these hashes must give the root; and a proof be made without reading the batch's events.
create table chronicle.seal_leaves (
    batch_number bigint constraint seal_leaves_pkey primary key,
    leaves bytea not null
);

-- Hashes do not compress.
alter table chronicle.seal_leaves alter column leaves set storage external;

comment on table chronicle.seal_leaves is
'The hash of each sealed event. Append-only.';
comment on column chronicle.seal_leaves.batch_number is
'As in chronicle.seal_batches.';
comment on column chronicle.seal_leaves.leaves is
'chronicle.event_leaf of each event of the batch, 32 bytes each, in the order (transaction_id,
seq).';

create trigger seal_leaves_reject_change
before update or delete or truncate on chronicle.seal_leaves
for each statement execute function chronicle.reject_change();

alter table chronicle.seal_leaves enable always trigger seal_leaves_reject_change;

comment on trigger seal_leaves_reject_change on chronicle.seal_leaves is
'Refuses to change or remove the hashes of a batch.';

revoke all on chronicle.seal_leaves from public;
grant select, insert on chronicle.seal_leaves to chronicle_sealer;
grant select on chronicle.seal_leaves to chronicle_auditor;

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

-- The digest stands in for a payload that is gone, and every seal over the event still holds.
create table chronicle.erasures (
    event_id uuid constraint erasures_pkey primary key,
    occurred_at timestamptz not null,
    payload_digest bytea not null,
    erased_at timestamptz not null default clock_timestamp(),
    legal_basis text not null,
    recorded_by uuid not null
);

comment on table chronicle.erasures is
'Events whose payload was erased, each with the digest of what it was. Append-only. Written by
chronicle.erase_payload and chronicle.erase_subject.';
comment on column chronicle.erasures.event_id is
'The event without payload, as in chronicle.events.';
comment on column chronicle.erasures.occurred_at is
'Its occurred_at.';
comment on column chronicle.erasures.payload_digest is
'chronicle.payload_digest of it before; SHA-256. The salt is gone, so it can not be guessed from.';
comment on column chronicle.erasures.erased_at is
'When, by the server''s clock.';
comment on column chronicle.erasures.legal_basis is
'Why it had to be erased, as whoever did it said.';
comment on column chronicle.erasures.recorded_by is
'The event that tells of the erasure.';

create trigger erasures_reject_change
before update or delete or truncate on chronicle.erasures
for each statement execute function chronicle.reject_change();

alter table chronicle.erasures enable always trigger erasures_reject_change;

comment on trigger erasures_reject_change on chronicle.erasures is
'Refuses to change or remove the record of an erasure.';

revoke all on chronicle.erasures from public;
grant select on chronicle.erasures to chronicle_sealer, chronicle_auditor;

insert into chronicle.epochs (
    epoch, began_at, reason, system_identifier, sealed_seq, is_on_copy
)
select 1, clock_timestamp(), 'installed', s.system_identifier, 0, false
from pg_control_system() as s;

insert into chronicle.seal_state default values;

-- Inlines into what is hashed of every event, hence no pinned search_path. Exact over the whole
-- range of times; a bigint would not hold the last two thousand years of it.
create or replace function chronicle.microseconds(_at timestamptz)
returns text
language sql
stable
as $$
    select (
        pg_catalog.extract('epoch', _at) operator(pg_catalog.*) 1000000
    )::pg_catalog.numeric(38, 0)::pg_catalog.text
$$;

comment on function chronicle.microseconds(timestamptz) is
'Private. A time as sealed: microseconds since 1970-01-01 UTC, decimal.';

revoke execute on function chronicle.microseconds(timestamptz) from public;
grant execute on function chronicle.microseconds(timestamptz) to
chronicle_sealer, chronicle_auditor;

-- What is sealed of an event beside its payload: each column as UTF-8 text that no setting of the
-- session changes, in the order of the table. docs/format.md describes it, for other languages; it
-- never changes for a schema_version. Inlines, hence no pinned search_path.
create or replace function chronicle.event_fields(_event chronicle.events)
returns bytea[]
language sql
stable
as $$
    select array[
        pg_catalog.convert_to(_event.event_id::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.seq::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.transaction_id::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.epoch::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.schema_version::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.settled_after::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(chronicle.microseconds(_event.occurred_at), 'UTF8'),
        pg_catalog.convert_to(chronicle.microseconds(_event.recorded_at), 'UTF8'),
        pg_catalog.convert_to(_event.organization_id, 'UTF8'),
        pg_catalog.convert_to(_event.actor_type::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.actor_id, 'UTF8'),
        pg_catalog.convert_to(_event.actor_role, 'UTF8'),
        pg_catalog.convert_to(_event.impersonator_id, 'UTF8'),
        pg_catalog.convert_to(_event.is_ai_action::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.db_user, 'UTF8'),
        pg_catalog.convert_to(_event.context_state, 'UTF8'),
        pg_catalog.convert_to(_event.origin::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.action_type::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.action, 'UTF8'),
        pg_catalog.convert_to(_event.resource_type, 'UTF8'),
        pg_catalog.convert_to(_event.resource_id, 'UTF8'),
        pg_catalog.convert_to(_event.table_id::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(pg_catalog.to_jsonb(_event.changed_columns)::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.ai_operation_id::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.severity::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.status::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.error_code, 'UTF8'),
        pg_catalog.convert_to(_event.duration_ms::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.session_id, 'UTF8'),
        pg_catalog.convert_to(_event.request_id, 'UTF8'),
        pg_catalog.convert_to(_event.trace_id, 'UTF8'),
        pg_catalog.convert_to(_event.operation_id, 'UTF8'),
        pg_catalog.convert_to(_event.parent_event_id::pg_catalog.text, 'UTF8')
    ]
$$;

comment on function chronicle.event_fields(chronicle.events) is
'The columns of an event that every seal covers, but the payload: in the order of the table, as
UTF-8 text; see docs/format.md. Erasure leaves them.
_event: a row of chronicle.events.';

revoke execute on function chronicle.event_fields(chronicle.events) from public;
grant execute on function chronicle.event_fields(chronicle.events) to
chronicle_sealer, chronicle_auditor;

-- Every column that may hold personal data and names nothing: an erasure empties these. Inlines,
-- hence no pinned search_path.
create or replace function chronicle.payload_fields(_event chronicle.events)
returns bytea[]
language sql
stable
as $$
    select array[
        pg_catalog.convert_to(_event.action_description, 'UTF8'),
        pg_catalog.convert_to(_event.action_meta::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.reason, 'UTF8'),
        pg_catalog.convert_to(_event.related_resources::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.details_before::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.details_after::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.payload_error, 'UTF8'),
        pg_catalog.convert_to(_event.ai_metadata::pg_catalog.text, 'UTF8'),
        pg_catalog.convert_to(_event.error_message, 'UTF8'),
        pg_catalog.convert_to(pg_catalog.text(_event.ip_address), 'UTF8'),
        pg_catalog.convert_to(_event.user_agent, 'UTF8'),
        pg_catalog.convert_to(_event.client_info::pg_catalog.text, 'UTF8')
    ]
$$;

comment on function chronicle.payload_fields(chronicle.events) is
'The columns of an event that an erasure empties: in the order of the table, as UTF-8 text; see
docs/format.md. A seal covers them by their salted digest, chronicle.payload_digest.
_event: a row of chronicle.events.';

revoke execute on function chronicle.payload_fields(chronicle.events) from public;
grant execute on function chronicle.payload_fields(chronicle.events) to
chronicle_sealer, chronicle_auditor;

-- The salt goes with the payload when it is erased; without it nobody can guess at the digest what
-- a payload of few possible values was.
--
-- The binary form of an array has a header of 20 bytes, and then each element behind its length:
-- FFFFFFFF for null, else int4 big-endian. No quicker way to write that was found (9 microseconds
-- an event for all that is hashed; length and bytes put together one by one take 18). Inlines,
-- hence no pinned search_path.
create or replace function chronicle.payload_digest(_event chronicle.events)
returns bytea
language sql
stable
as $$
    select pg_catalog.sha256(
        'pgchronicle-payload/v1\000'::pg_catalog.bytea
        operator(pg_catalog.||) pg_catalog.uuid_send(_event.payload_salt)
        operator(pg_catalog.||) pg_catalog.substr(
            pg_catalog.array_send(chronicle.payload_fields(_event)), 21
        )
    )
$$;

comment on function chronicle.payload_digest(chronicle.events) is
'SHA-256 over salt and payload of an event, as in docs/format.md; 32 bytes. Null once the payload
was erased: then chronicle.erasures keeps it.
_event: a row of chronicle.events.';

revoke execute on function chronicle.payload_digest(chronicle.events) from public;
grant execute on function chronicle.payload_digest(chronicle.events) to
chronicle_sealer, chronicle_auditor;

-- 00 before a leaf and 01 before an inner node keep one from being taken for the other (RFC 9162,
-- 2.1.1). Inlines, hence no pinned search_path; see chronicle.payload_digest for array_send.
create or replace function chronicle.event_leaf(_event chronicle.events, _payload_digest bytea)
returns bytea
language sql
stable
as $$
    select pg_catalog.sha256(
        '\000pgchronicle-event/v1\000'::pg_catalog.bytea
        operator(pg_catalog.||) pg_catalog.substr(
            pg_catalog.array_send(
                chronicle.event_fields(_event) operator(pg_catalog.||) _payload_digest
            ),
            21
        )
    )
$$;

comment on function chronicle.event_leaf(chronicle.events, bytea) is
'What a seal keeps of an event: SHA-256 over its columns and the digest of its payload, as in
docs/format.md; 32 bytes.
_event: a row of chronicle.events. _payload_digest: from chronicle.payload_digest, or from
chronicle.erasures.
Example: select chronicle.event_leaf(e, chronicle.payload_digest(e)) from chronicle.events as e;';

revoke execute on function chronicle.event_leaf(chronicle.events, bytea) from public;
grant execute on function chronicle.event_leaf(chronicle.events, bytea) to
chronicle_sealer, chronicle_auditor;

-- Hashes lie one behind the other in a bytea: to reach into an array of them would be linear each
-- time. A hash without a sibling goes up as it is, which gives the tree of RFC 9162, 2.1.1.
create or replace function chronicle.merkle_parents(_hashes bytea)
returns bytea
language sql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
    select string_agg(
        case
            when n.place + 32 < length(_hashes)
                then sha256('\x01'::bytea || substr(_hashes, n.place + 1, 64))
            else substr(_hashes, n.place + 1, 32)
        end,
        ''::bytea order by n.place
    )
    from generate_series(0, length(_hashes) - 32, 64) as n (place)
$$;

comment on function chronicle.merkle_parents(bytea) is
'Private. One level up in a Merkle tree.
_hashes: the hashes of a level, 32 bytes each, one behind the other.';

revoke execute on function chronicle.merkle_parents(bytea) from public;
grant execute on function chronicle.merkle_parents(bytea) to chronicle_sealer, chronicle_auditor;

create or replace function chronicle.merkle_root(_leaves bytea)
returns bytea
language plpgsql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
declare
    -- Read once, where it comes from a table out of line.
    v_level bytea := substr(_leaves, 1);
begin
    if length(v_level) % 32 <> 0 then
        raise exception 'the leaves are not hashes of 32 bytes'
            using errcode = 'invalid_parameter_value',
                detail = format('They are %s bytes together.', length(v_level)),
                hint = 'Pass the hashes one behind the other, as string_agg puts them.';
    end if;
    if v_level = '' then
        return sha256('');
    end if;
    while length(v_level) > 32 loop
        v_level := chronicle.merkle_parents(v_level);
    end loop;
    return v_level;
end
$$;

comment on function chronicle.merkle_root(bytea) is
'The Merkle tree hash of RFC 9162, 2.1.1, over hashes of leaves; 32 bytes.
_leaves: the hashes, 32 bytes each, one behind the other.
Errors: 22023 when the length is no multiple of 32.';

revoke execute on function chronicle.merkle_root(bytea) from public;
grant execute on function chronicle.merkle_root(bytea) to chronicle_sealer, chronicle_auditor;

create or replace function chronicle.merkle_path(_leaves bytea, _index bigint)
returns bytea[]
language plpgsql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
declare
    v_level bytea := substr(_leaves, 1);
    v_index integer;
    v_sibling integer;
    v_path bytea[] := array[]::bytea[];
begin
    if length(v_level) % 32 <> 0 or _index not between 0 and length(v_level) / 32 - 1 then
        raise exception 'there is no leaf % in these %', _index, length(v_level) / 32
            using errcode = 'invalid_parameter_value',
                hint = 'Count from 0, and pass hashes of 32 bytes one behind the other.';
    end if;
    v_index := _index;
    while length(v_level) > 32 loop
        -- The left one of a pair has an even place, the right one the odd place behind it.
        v_sibling := v_index # 1;
        if (v_sibling + 1) * 32 <= length(v_level) then
            v_path := v_path || substr(v_level, v_sibling * 32 + 1, 32);
        end if;
        v_index := v_index / 2;
        v_level := chronicle.merkle_parents(v_level);
    end loop;
    return v_path;
end
$$;

comment on function chronicle.merkle_path(bytea, bigint) is
'The hashes that lead from a leaf to the root, lowest first: the inclusion proof of RFC 9162, 2.1.3.
_leaves: the hashes, 32 bytes each, one behind the other. _index: of the leaf, from 0.
Errors: 22023 when there is no such leaf.';

revoke execute on function chronicle.merkle_path(bytea, bigint) from public;
grant execute on function chronicle.merkle_path(bytea, bigint) to
chronicle_sealer, chronicle_auditor;

create or replace function chronicle.batch_record(_batch chronicle.seal_batches)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        E'pgchronicle-batch/v1\nlog %s\nbatch %s\nepoch %s\nbucket %s %s\nfrom %s %s\nto %s %s\n'
        'seq %s %s\nlate %s\ncount %s\nroot %s\nsealed %s\n',
        (select s.log_id from chronicle.seal_state as s),
        _batch.batch_number,
        _batch.epoch,
        replace(to_char(_batch.bucket_from, 'YYYY-MM-DD BC'), ' AD', ''),
        replace(to_char(_batch.bucket_to, 'YYYY-MM-DD BC'), ' AD', ''),
        _batch.from_transaction_id, _batch.from_seq,
        _batch.to_transaction_id, _batch.to_seq,
        _batch.min_seq, _batch.max_seq,
        _batch.is_late::text,
        _batch.event_count,
        encode(_batch.root, 'hex'),
        chronicle.microseconds(_batch.sealed_at)
    )
$$;

comment on function chronicle.batch_record(chronicle.seal_batches) is
'A batch as the text that its place in the log vouches for; see docs/format.md.
_batch: a row of chronicle.seal_batches.';

revoke execute on function chronicle.batch_record(chronicle.seal_batches) from public;
grant execute on function chronicle.batch_record(chronicle.seal_batches) to
chronicle_sealer, chronicle_auditor;

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
        '\x00'::bytea || convert_to(chronicle.batch_record(v_batch), 'UTF8')
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
        select sha256('\x01'::bytea || n.hash || v_hash) into strict v_hash
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

create or replace function chronicle.sealing_problem()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when pg_is_in_recovery() then 'the server is a standby'
        when e.system_identifier <> (select c.system_identifier from pg_control_system() as c)
            then 'the log comes from another server'
    end
    from chronicle.epochs as e
    order by e.epoch desc
    limit 1
$$;

comment on function chronicle.sealing_problem() is
'Private. Why nothing can be sealed here; null when it can.';

revoke execute on function chronicle.sealing_problem() from public;
grant execute on function chronicle.sealing_problem() to chronicle_sealer;

-- Under a snapshot that was taken before the lock, the horizon would be older than what another
-- session has sealed meanwhile, and rows would be missed or sealed twice.
create or replace function chronicle.check_can_seal()
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_problem constant text := chronicle.sealing_problem();
begin
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        raise exception 'sealing needs the isolation level READ COMMITTED'
            using errcode = 'active_sql_transaction',
                detail = format(
                    'This transaction runs under %s.',
                    upper(current_setting('transaction_isolation'))
                ),
                hint = 'Call it in a transaction of its own: '
                    'begin transaction isolation level read committed.';
    end if;
    if v_problem is not null then
        raise exception 'nothing is sealed: %', v_problem
            using errcode = 'object_not_in_prerequisite_state',
                hint = case
                    when pg_is_in_recovery() then 'Seal on the primary.'
                    else 'A dump was restored, the cluster upgraded or the log copied. Writers are '
                        'not affected. Check that the sequence chronicle.events_seq stands behind '
                        'the greatest seq of the log, then declare it: '
                        'select chronicle.begin_epoch(''restored from the dump of …'').'
                end;
    end if;
end
$$;

comment on function chronicle.check_can_seal() is
'Private. Refuses where sealing would be wrong. Errors: 25001 under another isolation level than
READ COMMITTED; 55000 on a standby, and when the log comes from another server.';

revoke execute on function chronicle.check_can_seal() from public;
grant execute on function chronicle.check_can_seal() to chronicle_sealer;

-- Behind the position that is sealed, in the order (transaction_id, seq). The late part of a closed
-- epoch is what a copy of the log wrote before it began its own: under transaction ids that were
-- sealed already, but with a greater seq than anything was sealed under.
--
-- The planner takes a row comparison for a large part of the log; it must not read and sort that.
-- Disabled sorting looks so costly to it that it would compile, for seconds.
create or replace function chronicle.seal_range(
    _epoch integer, _is_late boolean, _horizon bigint, _limit bigint
)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_sort = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
    v_unit constant text := (
        select case s.value #>> '{}'
            when 'week' then 'week' when 'day' then 'day' else 'month'
        end
        from chronicle.settings as s
        where s.name = 'partition_interval'
    );
    v_after record;
    v_until record;
    v_seq bigint := -1;
    v_group record;
    v_sealed bigint := 0;
begin
    select b.to_transaction_id as transaction_id, b.to_seq as seq into v_after
    from chronicle.seal_batches as b
    where b.epoch = _epoch and b.is_late = _is_late
    order by b.to_transaction_id desc, b.to_seq desc
    limit 1;

    if _is_late then
        select b.to_transaction_id as transaction_id, b.to_seq + 1 as seq into v_until
        from chronicle.seal_batches as b
        where b.epoch = _epoch and not b.is_late
        order by b.to_transaction_id desc, b.to_seq desc
        limit 1;
        if not found then
            return 0;
        end if;
        v_seq := (
            select max(b.max_seq)
            from chronicle.seal_batches as b
            where b.epoch = _epoch and not b.is_late
        );
    else
        select _horizon as transaction_id, 0::bigint as seq into v_until;
    end if;

    for v_group in
        select
            e.bucket_from,
            min(array[e.transaction_id, e.seq]) as first_place,
            max(array[e.transaction_id, e.seq]) as last_place,
            min(e.seq) as min_seq,
            max(e.seq) as max_seq,
            count(*) as event_count,
            string_agg(e.leaf, ''::bytea order by e.transaction_id, e.seq) as leaves
        from (
            select
                e.transaction_id,
                e.seq,
                date_trunc(v_unit, e.occurred_at at time zone 'UTC')::date as bucket_from,
                chronicle.event_leaf(
                    e,
                    coalesce(
                        chronicle.payload_digest(e),
                        (
                            select x.payload_digest
                            from chronicle.erasures as x
                            where x.event_id = e.event_id
                        )
                    )
                ) as leaf
            from chronicle.events as e
            where e.epoch = _epoch
                and (e.transaction_id, e.seq) > (
                    coalesce(v_after.transaction_id, 0), coalesce(v_after.seq, 0)
                )
                and (e.transaction_id, e.seq) < (v_until.transaction_id, v_until.seq)
                and e.seq > v_seq
            order by e.transaction_id, e.seq
            limit _limit
        ) as e
        group by e.bucket_from
        order by e.bucket_from
    loop
        perform chronicle.append_batch(
            row(
                null, _epoch,
                v_group.bucket_from, (v_group.bucket_from + ('1 ' || v_unit)::interval)::date,
                v_group.first_place[1], v_group.first_place[2],
                v_group.last_place[1], v_group.last_place[2],
                v_group.min_seq, v_group.max_seq,
                _is_late, v_group.event_count,
                null, clock_timestamp(), null
            )::chronicle.seal_batches,
            v_group.leaves
        );
        v_sealed := v_sealed + v_group.event_count;
    end loop;
    return v_sealed;
end
$$;

comment on function chronicle.seal_range(integer, boolean, bigint, bigint) is
'Private. Seals what of an epoch is not sealed, one batch for each month; returns how many events.
Only for who holds the lock of chronicle.seal_state.
_is_late: what a copy wrote before it began its own epoch. _horizon: transactions from it on may be
open. _limit: at most so many events.';

revoke execute on function chronicle.seal_range(integer, boolean, bigint, bigint) from public;
grant execute on function chronicle.seal_range(integer, boolean, bigint, bigint) to
chronicle_sealer;

-- The order of the statements is what makes it right, each with a snapshot of its own: first the
-- lock, then what is sealed, then the horizon, then the rows. Behind the oldest transaction that is
-- open (pg_snapshot_xmin) every transaction is over for ever, so what is seen there is all that
-- ever will be.
create or replace function chronicle.seal_events(_limit integer default 100000)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_closed integer;
    v_present integer;
    v_horizon bigint;
    v_left bigint := _limit;
begin
    if _limit is null or _limit not between 1 and 1000000 then
        raise exception '_limit is %, not 1 to 1000000', coalesce(_limit::text, 'null')
            using errcode = 'invalid_parameter_value',
                hint = 'Call it again until it returns 0.';
    end if;
    perform chronicle.check_can_seal();

    -- A checkpoint that somebody has seen must survive a crash. With the seal, all that it covers
    -- is flushed too, whoever wrote it.
    if current_setting('synchronous_commit') in ('off', 'local', 'remote_write') then
        perform set_config('synchronous_commit', 'on', true);
    end if;

    select s.sealed_epochs into strict v_closed from chronicle.seal_state as s for update;
    select max(e.epoch) into strict v_present from chronicle.epochs as e;
    v_horizon := pg_snapshot_xmin(pg_current_snapshot())::text;

    for v_epoch in v_closed + 1 .. v_present - 1 loop
        v_left := v_left - chronicle.seal_range(v_epoch, true, null, v_left);
        exit when v_left = 0;
        v_left := v_left - chronicle.seal_range(v_epoch, false, 9223372036854775807, v_left);
        exit when v_left = 0;
        update chronicle.seal_state set sealed_epochs = v_epoch;
        v_closed := v_epoch;
    end loop;
    if v_closed = v_present - 1 then
        v_left := v_left - chronicle.seal_range(v_present, false, v_horizon, v_left);
    end if;
    return _limit - v_left;
end
$$;

comment on function chronicle.seal_events(integer) is
'Seals the events that are settled and not sealed yet: hashes them into batches and appends these to
the sealed log, so that chronicle.verify_log, and whoever keeps a checkpoint, can tell whether any
was changed, removed or slipped in since. Returns how many. Writers do not wait for it. An open
transaction holds back what was written after it began (see chronicle.seal_status), and loses
nothing. Two at once: the second waits, and goes on behind the first.
_limit: at most so many events in one call, 1 to 1000000; when it returns as many, more may be left.
Errors: 22023 for a wrong limit; 25001 under another isolation level than READ COMMITTED; 55000 on a
standby, and when the log comes from another server, until chronicle.begin_epoch was called.
Example: select chronicle.seal_events();';

revoke execute on function chronicle.seal_events(integer) from public;
grant execute on function chronicle.seal_events(integer) to chronicle_admin;
alter function chronicle.seal_events(integer) owner to chronicle_sealer;

create or replace function chronicle.log_size(_size bigint)
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_size constant bigint := coalesce(
        (select max(b.batch_number) + 1 from chronicle.seal_batches as b), 0
    );
begin
    if _size not between 0 and v_size then
        raise exception 'the sealed log has % batches, not %', v_size, _size
            using errcode = 'invalid_parameter_value',
                hint = case
                    when _size > v_size
                        then 'If it had so many before, it lost some: it was restored from a '
                            'backup, or somebody removed them.'
                    else 'Sizes count batches from 0.'
                end;
    end if;
    return coalesce(_size, v_size);
end
$$;

comment on function chronicle.log_size(bigint) is
'Private. A size of the sealed log, in batches; null means the present one.
Errors: 22023 for one that it never had.';

revoke execute on function chronicle.log_size(bigint) from public;
grant execute on function chronicle.log_size(bigint) to chronicle_sealer;

-- MTH(D[from:to]) of RFC 9162, 2.1.1: what is complete is stored, what is not is split.
create or replace function chronicle.subtree_hash(_from bigint, _to bigint)
returns bytea
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_level integer := 0;
    v_hash bytea;
begin
    if _from = _to then
        return sha256('');
    end if;
    while (2::bigint << v_level) <= _to - _from loop
        v_level := v_level + 1;
    end loop;
    if (1::bigint << v_level) = _to - _from then
        select n.hash into v_hash
        from chronicle.seal_nodes as n
        where n.level = v_level and n.node_index = _from >> v_level;
        if not found then
            raise exception 'the sealed log lacks the node % of level %', _from >> v_level, v_level
                using errcode = 'data_corrupted',
                    hint = 'Somebody removed it. chronicle.verify_log() tells what else is wrong.';
        end if;
        return v_hash;
    end if;
    return sha256(
        '\x01'::bytea
        || chronicle.subtree_hash(_from, _from + (1::bigint << v_level))
        || chronicle.subtree_hash(_from + (1::bigint << v_level), _to)
    );
end
$$;

comment on function chronicle.subtree_hash(bigint, bigint) is
'Private. The Merkle tree hash over batches of the sealed log.
_from: the first, a multiple of the power of 2 that holds them all. _to: the first after them.
Errors: XX001 when a node is missing.';

revoke execute on function chronicle.subtree_hash(bigint, bigint) from public;
grant execute on function chronicle.subtree_hash(bigint, bigint) to chronicle_sealer;

create or replace function chronicle.checkpoint(_size bigint default null)
returns text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_size constant bigint := chronicle.log_size(_size);
begin
    return format(
        E'pgchronicle/%s\n%s\n%s\n',
        (select s.log_id from chronicle.seal_state as s),
        v_size,
        encode(chronicle.subtree_hash(0, v_size), 'base64')
    );
end
$$;

comment on function chronicle.checkpoint(bigint) is
'The state of the sealed log in three lines (C2SP tlog-checkpoint): its name, its size in batches,
and its Merkle tree hash in base64. Whoever keeps one elsewhere can tell later whether anything that
it covers was changed. Read it in a later transaction than seal_events, so that a crash can not take
back what it covers; the client signs it.
_size: as it was at that size; null: now. Errors: 22023 for a size that the log never had; XX001
when hashes are missing.';

revoke execute on function chronicle.checkpoint(bigint) from public;
grant execute on function chronicle.checkpoint(bigint) to chronicle_reader, chronicle_admin;
alter function chronicle.checkpoint(bigint) owner to chronicle_sealer;

-- PATH(m, D_n) of RFC 9162, 2.1.3.1, from the top down: at each split one side holds the leaf, and
-- the hash of the other belongs to the path, above what is still to come.
create or replace function chronicle.log_path(_index bigint, _size bigint)
returns bytea[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_from bigint := 0;
    v_to bigint := _size;
    v_half bigint;
    v_path bytea[] := array[]::bytea[];
begin
    while v_to - v_from > 1 loop
        v_half := 1;
        while v_half * 2 < v_to - v_from loop
            v_half := v_half * 2;
        end loop;
        if _index < v_from + v_half then
            v_path := chronicle.subtree_hash(v_from + v_half, v_to) || v_path;
            v_to := v_from + v_half;
        else
            v_path := chronicle.subtree_hash(v_from, v_from + v_half) || v_path;
            v_from := v_from + v_half;
        end if;
    end loop;
    return v_path;
end
$$;

comment on function chronicle.log_path(bigint, bigint) is
'Private. The hashes that lead from a batch to the root of the sealed log, lowest first.
_index: number of the batch. _size: of the log, in batches.';

revoke execute on function chronicle.log_path(bigint, bigint) from public;
grant execute on function chronicle.log_path(bigint, bigint) to chronicle_sealer;

-- SUBPROOF of RFC 9162, 2.1.4.1, from the top down. The part that both logs have whole goes without
-- saying only as long as it is the whole of the older one.
create or replace function chronicle.consistency_proof(_from bigint, _to bigint default null)
returns bytea[]
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_old constant bigint := chronicle.log_size(_from);
    v_from bigint := 0;
    v_to bigint := chronicle.log_size(_to);
    v_half bigint;
    v_proof bytea[] := array[]::bytea[];
begin
    if _from is null or v_old > v_to then
        raise exception 'the older size is %, the newer one %', coalesce(_from::text, 'null'), v_to
            using errcode = 'invalid_parameter_value',
                hint = 'Pass the size of the checkpoint that you keep first.';
    end if;
    if v_old = 0 then
        return v_proof;
    end if;

    while v_old <> v_to loop
        v_half := 1;
        while v_half * 2 < v_to - v_from loop
            v_half := v_half * 2;
        end loop;
        if v_old <= v_from + v_half then
            v_proof := chronicle.subtree_hash(v_from + v_half, v_to) || v_proof;
            v_to := v_from + v_half;
        else
            v_proof := chronicle.subtree_hash(v_from, v_from + v_half) || v_proof;
            v_from := v_from + v_half;
        end if;
    end loop;
    if v_from > 0 then
        v_proof := chronicle.subtree_hash(v_from, v_to) || v_proof;
    end if;
    return v_proof;
end
$$;

comment on function chronicle.consistency_proof(bigint, bigint) is
'What proves that the sealed log of an earlier checkpoint is the beginning of that of a later one:
the hashes of RFC 9162, 2.1.4, lowest first. The client verifies them.
_from: size of the earlier, in batches. _to: of the later; null: now. Errors: 22023 for sizes that
the log never had; XX001 when hashes are missing.';

revoke execute on function chronicle.consistency_proof(bigint, bigint) from public;
grant execute on function chronicle.consistency_proof(bigint, bigint) to
chronicle_reader, chronicle_admin;
alter function chronicle.consistency_proof(bigint, bigint) owner to chronicle_sealer;

revoke create on schema chronicle from chronicle_sealer;
