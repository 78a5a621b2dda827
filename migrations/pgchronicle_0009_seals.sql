-- Seals over the log: whoever keeps a checkpoint can tell whether anything was changed since.
-- depends: pgchronicle_0008_stream

set local role chronicle_owner;

grant create on schema chronicle to chronicle_sealer;

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

insert into chronicle.seal_state default values;

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

-- Inlines into what is hashed of every event, hence no pinned search_path. A bigint would not hold
-- the last of all times, and a time that can not be written down would stop the sealing.
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
chronicle_sealer, chronicle_reader;

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
chronicle_sealer, chronicle_reader;

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
chronicle_sealer, chronicle_reader;

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
        E'pgchronicle-payload/v1\\000'::pg_catalog.bytea
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
chronicle_sealer, chronicle_reader;

-- 00 before a leaf and 01 before an inner node keep one from being taken for the other (RFC 9162,
-- 2.1.1). Inlines, hence no pinned search_path; see chronicle.payload_digest for array_send.
create or replace function chronicle.event_leaf(_event chronicle.events, _payload_digest bytea)
returns bytea
language sql
stable
as $$
    select pg_catalog.sha256(
        E'\\000pgchronicle-event/v1\\000'::pg_catalog.bytea
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
chronicle_sealer, chronicle_reader;

-- Inlines into the queries of seals and checks, so that they reach the index and the partitions;
-- hence no pinned search_path.
create or replace function chronicle.event_leaves(
    _epoch integer,
    _after_transaction_id bigint,
    _after_seq bigint,
    _before_transaction_id bigint,
    _before_seq bigint
)
returns table (
    event_id uuid, occurred_at timestamptz, transaction_id bigint, seq bigint, leaf bytea
)
language sql
stable
as $$
    select
        e.event_id,
        e.occurred_at,
        e.transaction_id,
        e.seq,
        chronicle.event_leaf(
            e,
            coalesce(
                chronicle.payload_digest(e),
                (
                    select x.payload_digest
                    from chronicle.erasures as x
                    where x.event_id operator(pg_catalog.=) e.event_id
                )
            )
        )
    from chronicle.events as e
    where e.epoch operator(pg_catalog.=) _epoch
        and (e.transaction_id, e.seq) operator(pg_catalog.>) (_after_transaction_id, _after_seq)
        and (e.transaction_id, e.seq) operator(pg_catalog.<) (_before_transaction_id, _before_seq)
$$;

comment on function chronicle.event_leaves(integer, bigint, bigint, bigint, bigint) is
'Private. The hashes of the events of an epoch between two places of the order (transaction_id,
seq), both exclusive.';

revoke execute on function chronicle.event_leaves(integer, bigint, bigint, bigint, bigint)
from public;
grant execute on function chronicle.event_leaves(integer, bigint, bigint, bigint, bigint) to
chronicle_sealer;

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
                then sha256(E'\\x01'::bytea || substr(_hashes, n.place + 1, 64))
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

-- Neither to_char nor the output of a date can write every day: one has no years before the first,
-- the other goes by DateStyle.
create or replace function chronicle.iso_day(_day date)
returns text
language plpgsql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
declare
    v_year integer := extract(year from _day);
begin
    -- There is no year 0; ISO 8601 has one.
    if v_year < 0 then
        v_year := v_year + 1;
    end if;
    return concat(
        case when v_year < 0 then '-' end,
        lpad(abs(v_year)::text, greatest(4, length(abs(v_year)::text)), '0'), '-',
        lpad(extract(month from _day)::text, 2, '0'), '-',
        lpad(extract(day from _day)::text, 2, '0')
    );
end
$$;

comment on function chronicle.iso_day(date) is
'Private. A day as in ISO 8601, before the first year and behind 9999 too: 2026-11-20,
-0043-03-15.';

revoke execute on function chronicle.iso_day(date) from public;
grant execute on function chronicle.iso_day(date) to chronicle_sealer, chronicle_auditor;

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

-- Another server has another identifier; but not where a dump went back to a clone of its own
-- server, whose transaction ids are behind.
create or replace function chronicle.is_log_moved()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select
        e.system_identifier <> (select c.system_identifier from pg_control_system() as c)
        or coalesce(
            not pg_is_in_recovery()
            and (
                select max(b.to_transaction_id)
                from chronicle.seal_batches as b
                where b.epoch = e.epoch and not b.is_late
            ) >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
            false
        )
    from chronicle.epochs as e
    order by e.epoch desc
    limit 1
$$;

comment on function chronicle.is_log_moved() is
'Private. Whether the present epoch was begun on another server than this one.';

revoke execute on function chronicle.is_log_moved() from public;
grant execute on function chronicle.is_log_moved() to chronicle_sealer;

create or replace function chronicle.sealing_problem()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when pg_is_in_recovery() then 'the server is a standby'
        when not exists (select from chronicle.epochs) or not exists (
            select from chronicle.seal_state
        )
            then 'chronicle.epochs and chronicle.seal_state were restored without their rows'
        when chronicle.is_log_moved()
            then 'the log comes from another server'
        -- In another one, a character may have no equivalent in UTF-8, and the keys of a jsonb
        -- document have another order than after a move to UTF-8.
        when getdatabaseencoding() <> 'UTF8'
            then format('the encoding of the database is %s, not UTF8', getdatabaseencoding())
    end
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
                    when v_problem ~ 'rows'
                        then 'Restore their data as well: pg_dump --data-only '
                            '--table=chronicle.epochs --table=chronicle.seal_state.'
                    when v_problem ~ 'encoding' then 'Move to a database in UTF8; a dump converts. '
                        'Writers are not affected.'
                    else 'A dump was restored, the cluster upgraded or the log copied. Writers are '
                        'not affected. Declare it: '
                        'select chronicle.begin_epoch(''restored from the dump of …'').'
                end;
    end if;
end
$$;

comment on function chronicle.check_can_seal() is
'Private. Refuses where sealing would be wrong. Errors: 25001 under another isolation level than
READ COMMITTED; 55000 on a standby, in a database whose encoding is not UTF8, and when the log comes
from another server.';

revoke execute on function chronicle.check_can_seal() from public;
grant execute on function chronicle.check_can_seal() to chronicle_sealer;

-- Inlines into what hashes and checks, hence no pinned search_path. Times that only somebody with
-- all rights can have put in, at the ends of what a timestamp can be, must not stop a check.
create or replace function chronicle.bucket_start(_unit text, _occurred_at timestamptz)
returns date
language sql
stable
as $$
    select pg_catalog.date_trunc(
        _unit,
        pg_catalog.timezone(
            'UTC',
            least(
                greatest(_occurred_at, '4713-01-01 00:00:00+00 BC'::pg_catalog.timestamptz),
                '294276-01-01 00:00:00+00'::pg_catalog.timestamptz
            )
        )
    )::pg_catalog.date
$$;

comment on function chronicle.bucket_start(text, timestamptz) is
'Private. The first day of the month, week or day (UTC) in which an event is sealed. _unit: which of
these.';

revoke execute on function chronicle.bucket_start(text, timestamptz) from public;
grant execute on function chronicle.bucket_start(text, timestamptz) to chronicle_sealer;

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
                l.transaction_id,
                l.seq,
                chronicle.bucket_start(v_unit, l.occurred_at) as bucket_from,
                l.leaf
            from chronicle.event_leaves(
                _epoch,
                coalesce(v_after.transaction_id, 0), coalesce(v_after.seq, 0),
                v_until.transaction_id, v_until.seq
            ) as l
            where l.seq > v_seq
            order by l.transaction_id, l.seq
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

-- A look before the lock, so that sealing where nothing happens takes no transaction id and writes
-- nothing. For the settings, see chronicle.seal_range.
create or replace function chronicle.is_sealing_due()
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_sort = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
    v_present constant integer := (select max(e.epoch) from chronicle.epochs as e);
    v_horizon constant bigint := pg_snapshot_xmin(pg_current_snapshot())::text;
    v_after record;
begin
    if (select s.sealed_epochs from chronicle.seal_state as s) < v_present - 1 then
        return true;
    end if;
    select b.to_transaction_id as transaction_id, b.to_seq as seq into v_after
    from chronicle.seal_batches as b
    where b.epoch = v_present and not b.is_late
    order by b.to_transaction_id desc, b.to_seq desc
    limit 1;
    return exists (
        select
        from chronicle.events as e
        where e.epoch = v_present
            and (e.transaction_id, e.seq)
            > (coalesce(v_after.transaction_id, 0), coalesce(v_after.seq, 0))
            and e.transaction_id < v_horizon
    );
end
$$;

comment on function chronicle.is_sealing_due() is
'Private. Whether anything settled is not sealed yet, as far as can be seen.';

revoke execute on function chronicle.is_sealing_due() from public;
grant execute on function chronicle.is_sealing_due() to chronicle_sealer;

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
    if not chronicle.is_sealing_due() then
        return 0;
    end if;

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
standby, in a database whose encoding is not UTF8, and when the log comes from another server, until
chronicle.begin_epoch was called.
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
        E'\\x01'::bytea
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

-- At most one of a kind can have it: of those of its month, the last that begins at or before it.
-- Inlines into queries, hence no pinned search_path.
create or replace function chronicle.batch_of(
    _epoch integer, _occurred_at timestamptz, _transaction_id bigint, _seq bigint
)
returns setof bigint
language sql
stable
rows 1
as $$
    select b.batch_number
    from (
        values
        (false, 'month'), (false, 'week'), (false, 'day'),
        (true, 'month'), (true, 'week'), (true, 'day')
    ) as k (is_late, unit)
    cross join lateral (
        select x.*
        from chronicle.seal_batches as x
        where x.epoch operator(pg_catalog.=) _epoch
            and x.is_late operator(pg_catalog.=) k.is_late
            and x.bucket_from operator(pg_catalog.=) chronicle.bucket_start(k.unit, _occurred_at)
            and x.bucket_to operator(pg_catalog.=) (
                chronicle.bucket_start(k.unit, _occurred_at)
                operator(pg_catalog.+) pg_catalog.concat('1 ', k.unit)::pg_catalog.interval
            )::pg_catalog.date
            and (x.from_transaction_id, x.from_seq)
            operator(pg_catalog.<=) (_transaction_id, _seq)
        order by x.from_transaction_id desc, x.from_seq desc
        limit 1
    ) as b
    where _occurred_at operator(pg_catalog.>=) pg_catalog.timezone(
            'UTC', b.bucket_from::pg_catalog.timestamp
        )
        and _occurred_at operator(pg_catalog.<) pg_catalog.timezone(
            'UTC', b.bucket_to::pg_catalog.timestamp
        )
        and (b.to_transaction_id, b.to_seq) operator(pg_catalog.>=) (_transaction_id, _seq)
        and _seq operator(pg_catalog.>=) b.min_seq
        and _seq operator(pg_catalog.<=) b.max_seq
$$;

comment on function chronicle.batch_of(integer, timestamptz, bigint, bigint) is
'Private. The number of the batch that an event belongs to; no row when it is not sealed.';

revoke execute on function chronicle.batch_of(integer, timestamptz, bigint, bigint) from public;
grant execute on function chronicle.batch_of(integer, timestamptz, bigint, bigint) to
chronicle_sealer;

create type chronicle.log_finding as (
    kind text,
    batch_number bigint,
    event_id uuid,
    detail text
);

comment on type chronicle.log_finding is
'Something that chronicle.verify_log found wrong.';
comment on column chronicle.log_finding.kind is
'event_differs, events_missing, event_unsealed, event_unknown_epoch, leaves_differ, batch_differs,
batch_missing, batch_overlaps, node_differs, node_missing, node_superfluous, erasure_differs,
epoch_differs or policy_differs.';
comment on column chronicle.log_finding.batch_number is
'Where, if that is known; the left-most batch under a node.';
comment on column chronicle.log_finding.event_id is
'Which event, if that is known.';
comment on column chronicle.log_finding.detail is
'The same in a sentence for people.';

-- Reads the events of a batch again. What was sealed of each tells which of them is another now;
-- and that is vouched for by the root, which the log's tree covers.
--
-- For the settings, see chronicle.seal_range.
create or replace function chronicle.find_batch_faults(_batch chronicle.seal_batches)
returns setof chronicle.log_finding
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_sort = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
    v_from constant timestamptz := _batch.bucket_from::timestamp at time zone 'UTC';
    v_to constant timestamptz := _batch.bucket_to::timestamp at time zone 'UTC';
    v_sealed bytea := (
        select substr(l.leaves, 1)
        from chronicle.seal_leaves as l
        where l.batch_number = _batch.batch_number
    );
    v_present bytea;
begin
    select string_agg(e.leaf, ''::bytea order by e.transaction_id, e.seq) into v_present
    from chronicle.event_leaves(
        _batch.epoch,
        _batch.from_transaction_id, _batch.from_seq - 1,
        _batch.to_transaction_id, _batch.to_seq + 1
    ) as e
    where e.occurred_at >= v_from
        and e.occurred_at < v_to
        and e.seq between _batch.min_seq and _batch.max_seq;

    -- Whoever alters a table may also have let it have nulls.
    if length(v_sealed) is distinct from _batch.event_count * 32
        or chronicle.merkle_root(v_sealed) is distinct from _batch.root
    then
        return query select
            'leaves_differ', _batch.batch_number, null::uuid,
            'What is stored of the hashes of its events is not what was sealed.';
        if chronicle.merkle_root(v_present) is distinct from _batch.root then
            return query select
                'event_differs', _batch.batch_number, null::uuid,
                'Its events are not as they were sealed, and without their hashes none can tell '
                'which.';
        end if;
        return;
    end if;
    if v_present = v_sealed then
        return;
    end if;

    return query
    with sealed as materialized (
        select n.place, substr(v_sealed, n.place * 32 - 31, 32) as leaf
        from generate_series(1, length(v_sealed) / 32) as n (place)
    ),

    present as materialized (
        select
            e.event_id,
            e.transaction_id,
            e.seq,
            e.leaf,
            row_number() over (partition by e.leaf) as occurrence
        from chronicle.event_leaves(
            _batch.epoch,
            _batch.from_transaction_id, _batch.from_seq - 1,
            _batch.to_transaction_id, _batch.to_seq + 1
        ) as e
        where e.occurred_at >= v_from
            and e.occurred_at < v_to
            and e.seq between _batch.min_seq and _batch.max_seq
    ),

    gone as (
        select s.place from sealed as s where s.leaf not in (select p.leaf from present as p)
    ),

    strange as (
        select p.*
        from present as p
        where p.occurrence > 1 or p.leaf not in (select s.leaf from sealed as s)
    ),

    differences as (
        select
            (select count(*) from gone)
            - (select count(*) from strange as s where s.occurrence = 1) as missing,
            (
                select p.event_id
                from sealed as s
                inner join present as p on p.leaf = s.leaf
                where s.place < (select min(g.place) from gone as g)
                order by s.place desc
                limit 1
            ) as event_before
    )

    (
        select
            'event_differs', _batch.batch_number, s.event_id,
            format('Event %s was changed since it was sealed, or put in afterwards.', s.event_id)
        from strange as s
        order by s.transaction_id, s.seq
    )
    union all
    select
        'events_missing', _batch.batch_number, null::uuid,
        format(
            'Of its %s events, %s %s gone%s.',
            _batch.event_count,
            d.missing,
            case d.missing when 1 then 'is' else 'are' end,
            case
                when d.missing = _batch.event_count then ''
                when d.event_before is null then ', the first among them'
                else format(', the first behind event %s', d.event_before)
            end
        )
    from differences as d
    where d.missing > 0;
end
$$;

comment on function chronicle.find_batch_faults(chronicle.seal_batches) is
'Private. What is wrong with the events of a batch.';

revoke execute on function chronicle.find_batch_faults(chronicle.seal_batches) from public;
grant execute on function chronicle.find_batch_faults(chronicle.seal_batches) to chronicle_sealer;

-- A check that is kept from seeing an event can not miss it.
create or replace function chronicle.find_hidden_faults()
returns setof chronicle.log_finding
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select
        'policy_differs', null::bigint, null::uuid,
        format('Row-level security of %s may keep events from whoever seals and verifies.', t.name)
    from (
        values
        ('chronicle.events', 'events_sealer_reads'),
        ('chronicle.erasures', 'erasures_sealer_reads')
    ) as t (name, policy)
    where exists (
            select
            from pg_catalog.pg_policy as p
            where p.polrelid = t.name::regclass and not p.polpermissive
        )
        or not exists (
            select
            from pg_catalog.pg_policy as p
            where p.polrelid = t.name::regclass
                and p.polname = t.policy
                and p.polcmd = 'r'
                and pg_get_expr(p.polqual, p.polrelid) = 'true'
                and p.polroles = array['chronicle_sealer'::regrole::oid]
        )
$$;

comment on function chronicle.find_hidden_faults() is
'Private. Policies by which events could be hidden from the check.';

revoke execute on function chronicle.find_hidden_faults() from public;
grant execute on function chronicle.find_hidden_faults() to chronicle_sealer;

-- Behind the position up to which an epoch is sealed, every event is in a batch; what is not was
-- put in afterwards. Not so in an epoch that a copy may have gone on with, until its late events
-- are sealed too.
create or replace function chronicle.find_unsealed_faults()
returns setof chronicle.log_finding
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_sort = off
set jit = off
as $$
declare
    v_sealed_epochs constant integer := (
        select s.sealed_epochs from chronicle.seal_state as s
    );
    -- Of a standby nothing can be said, nor of a log that came from elsewhere.
    v_next constant bigint := case
        when chronicle.sealing_problem() is null
            then pg_snapshot_xmax(pg_current_snapshot())::text
    end;
    v_epoch record;
begin
    for v_epoch in
        select
            e.epoch,
            n.epoch is null as is_present,
            coalesce(l.transaction_id, 0) as transaction_id,
            coalesce(l.seq, 0) as seq,
            -- Which may be late: above it.
            case
                when e.epoch > v_sealed_epochs
                    and (
                        n.is_on_copy
                        or n.epoch is null and chronicle.is_log_moved()
                    )
                    then coalesce(n.sealed_seq, m.max_seq)
            end as sealed_seq
        from chronicle.epochs as e
        left join chronicle.epochs as n on n.epoch = e.epoch + 1
        left join lateral (
            select b.to_transaction_id as transaction_id, b.to_seq as seq
            from chronicle.seal_batches as b
            where b.epoch = e.epoch and not b.is_late
            order by b.to_transaction_id desc, b.to_seq desc
            limit 1
        ) as l on true
        left join lateral (
            select max(b.max_seq) as max_seq
            from chronicle.seal_batches as b
            where b.epoch = e.epoch and not b.is_late
        ) as m on true
        order by e.epoch
    loop
        return query
        select
            'event_unsealed', null::bigint, e.event_id,
            format(
                'Event %s lies where everything is sealed, and no batch has it: it was put in, '
                'or moved there.',
                e.event_id
            )
        from chronicle.events as e
        where e.epoch = v_epoch.epoch
            and (
                (e.transaction_id, e.seq) <= (v_epoch.transaction_id, v_epoch.seq)
                or e.epoch <= v_sealed_epochs
            )
            and (v_epoch.sealed_seq is null or e.seq <= v_epoch.sealed_seq)
            and not exists (
                select
                from chronicle.batch_of(e.epoch, e.occurred_at, e.transaction_id, e.seq) as b
            )
        order by e.transaction_id, e.seq;

        -- Those would be waited for, for long or for ever.
        return query
        select
            'event_unsealed', null::bigint, e.event_id,
            format('Event %s has a number that the server has not given to it.', e.event_id)
        from chronicle.events as e
        where e.epoch = v_epoch.epoch
            and (
                e.transaction_id is null
                or e.seq is null
                or e.transaction_id >= v_next
                and v_epoch.is_present
                and e.transaction_id <> coalesce(
                    pg_current_xact_id_if_assigned()::text, '0'
                )::bigint
            );
    end loop;

    return query
    select
        'event_unknown_epoch', null::bigint, e.event_id,
        format('Event %s belongs to epoch %s, which never was.', e.event_id, e.epoch)
    from chronicle.events as e
    where not exists (select from chronicle.epochs as x where x.epoch = e.epoch);
end
$$;

comment on function chronicle.find_unsealed_faults() is
'Private. Events that no batch has although everything around them is sealed.';

revoke execute on function chronicle.find_unsealed_faults() from public;
grant execute on function chronicle.find_unsealed_faults() to chronicle_sealer;

-- The digest that stands in for an erased payload vouches for nothing that is put in its place.
-- That it is the right one is seen in the batch of the event.
create or replace function chronicle.find_erasure_faults()
returns setof chronicle.log_finding
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select
        'erasure_differs', null::bigint, x.event_id,
        case
            when e.event_id is null
                then format('The event %s, whose payload was erased, is gone.', x.event_id)
            else format(
                'Event %s is not as its erasure left it, or the record of that was changed.',
                x.event_id
            )
        end
    from chronicle.erasures as x
    left join chronicle.events as e on e.event_id = x.event_id
    where (
        e.occurred_at, e.payload_salt, array_remove(chronicle.payload_fields(e), null),
        e.payload_error
    ) is distinct from (x.occurred_at, null::uuid, array['erased'::bytea], 'erased')

    union all

    select
        'erasure_differs', null::bigint, x.event_id,
        format(
            'What is stored of the erasure of event %s is not what the event %s tells of it.',
            x.event_id, x.recorded_by
        )
    from (
        select y.*, count(*) over (partition by y.recorded_by) as event_count
        from chronicle.erasures as y
    ) as x
    left join chronicle.events as e on e.event_id = x.recorded_by
    where (e.action, e.occurred_at, e.action_meta) is distinct from (
        'chronicle.payload.erase', x.erased_at,
        jsonb_build_object('legal_basis', x.legal_basis, 'events', x.event_count)
    )
$$;

comment on function chronicle.find_erasure_faults() is
'Private. Erased payloads that are back, and erasures of which no event tells as they are stored.';

revoke execute on function chronicle.find_erasure_faults() from public;
grant execute on function chronicle.find_erasure_faults() to chronicle_sealer;

create or replace function chronicle.find_epoch_faults()
returns setof chronicle.log_finding
language sql
stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
    -- As written in the function that events are given it by, which a query sees as it sees the
    -- table: a call would be ahead of its snapshot.
    with present as (
        select substring(f.prosrc from '[0-9]+')::integer as epoch
        from pg_catalog.pg_proc as f
        where f.oid = 'chronicle.current_epoch()'::regprocedure
    )

    select
        'epoch_differs', null::bigint, null::uuid,
        format(
            'What is stored of the epochs %s and %s is not what the event tells that began the '
            'latter.',
            b.epoch, x.epoch
        )
    from chronicle.epochs as x
    inner join chronicle.epochs as b on b.epoch = x.epoch - 1
    left join chronicle.events as e on e.event_id = x.recorded_by
    where (e.action, e.details_before, e.details_after) is distinct from (
            'chronicle.epoch.begin', to_jsonb(b) - 'recorded_by', to_jsonb(x) - 'recorded_by'
        )
        or x.system_identifier is distinct from b.system_identifier and x.is_on_copy is not true

    union all

    select
        'epoch_differs', null::bigint, null::uuid,
        format(
            'The epochs are %s and the present one is %s.',
            coalesce(array_agg(x.epoch order by x.epoch)::text, 'gone'), min(p.epoch)
        )
    from present as p
    left join chronicle.epochs as x on true
    having coalesce(array_agg(x.epoch order by x.epoch), '{}') <> (
        select array_agg(n.epoch)
        from present as q
        cross join lateral generate_series(1, q.epoch) as n (epoch)
    )

    union all

    select
        'epoch_differs', null::bigint, null::uuid,
        format(
            '%s of the %s epochs are marked as sealed for ever.',
            coalesce(max(s.sealed_epochs)::text, 'None'), min(p.epoch)
        )
    from present as p
    left join chronicle.seal_state as s on true
    having count(*) filter (where s.sealed_epochs between 0 and p.epoch - 1) <> 1
$$;

comment on function chronicle.find_epoch_faults() is
'Private. What is wrong with the list of epochs.';

revoke execute on function chronicle.find_epoch_faults() from public;
grant execute on function chronicle.find_epoch_faults() to chronicle_sealer;

-- Every hash of the log's tree from the batches up. Below a root that somebody kept, nothing can be
-- changed that fits.
create or replace function chronicle.find_tree_faults()
returns setof chronicle.log_finding
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    with present as materialized (
        select
            b.*,
            lag(b.batch_number, 1, -1) over (order by b.batch_number) as previous_number,
            b.bucket_from < lag(b.bucket_to) over line as is_next_call,
            max(b.epoch) over (order by b.batch_number) as latest_epoch,
            sha256(E'\\x00'::bytea || convert_to(chronicle.batch_record(b), 'UTF8'))
                is distinct from b.leaf_hash as is_changed
        from chronicle.seal_batches as b
        window line as (partition by b.epoch, b.is_late order by b.batch_number)
    ),

    -- One call of seal_events writes its months in their order, and all of them lie behind what the
    -- calls before it have sealed.
    numbered as (
        select
            p.*,
            count(*) filter (where p.is_next_call) over (
                partition by p.epoch, p.is_late order by p.batch_number
            ) as call_number
        from present as p
    ),

    calls as (
        select
            n.epoch,
            n.is_late,
            n.call_number,
            max(max(array[n.to_transaction_id, n.to_seq])) over (
                partition by n.epoch, n.is_late order by n.call_number
                rows between unbounded preceding and 1 preceding
            ) as sealed_before
        from numbered as n
        group by n.epoch, n.is_late, n.call_number
    ),

    size as (
        select coalesce(max(p.batch_number), -1) + 1 as batches from present as p
    ),

    expected as (
        select l.level, i.node_index
        from size as s
        cross join lateral generate_series(0, 62) as l (level)
        cross join lateral generate_series(0, (s.batches >> l.level) - 1) as i (node_index)
        where (s.batches >> l.level) > 0
    )

    select
        'batch_missing',
        p.previous_number + 1,
        null::uuid,
        format(
            'Of the sealed log, batch %s is gone.',
            case p.batch_number - p.previous_number
                when 2 then (p.previous_number + 1)::text
                else format('%s to %s', p.previous_number + 1, p.batch_number - 1)
            end
        )
    from present as p
    where p.batch_number is distinct from p.previous_number + 1

    union all

    select
        'batch_differs', p.batch_number, null::uuid,
        'What is stored of the batch is not what was sealed.'
    from present as p
    where p.is_changed

    union all

    select
        'batch_differs', p.batch_number, null::uuid,
        format('It seals what a copy wrote in epoch %s, and no copy followed that.', p.epoch)
    from present as p
    where p.is_late
        and not exists (
            select from chronicle.epochs as n where n.epoch = p.epoch + 1 and n.is_on_copy
        )

    union all

    select
        'leaves_differ', l.batch_number, null::uuid,
        'There are hashes of events of a batch that is not there.'
    from chronicle.seal_leaves as l
    left join present as p on p.batch_number = l.batch_number
    where p.batch_number is null

    union all

    select
        'batch_overlaps', n.batch_number, null::uuid,
        'It claims events from where everything had been sealed before it.'
    from numbered as n
    inner join calls as c
        on c.epoch = n.epoch and c.is_late = n.is_late and c.call_number = n.call_number
    where array[n.from_transaction_id, n.from_seq] <= c.sealed_before
        or n.epoch < n.latest_epoch

    union all

    select
        'node_missing', e.node_index << e.level, null::uuid,
        format('The hash %s of level %s of the log''s tree is gone.', e.node_index, e.level)
    from expected as e
    left join chronicle.seal_nodes as n on n.level = e.level and n.node_index = e.node_index
    where n.hash is null

    union all

    select
        'node_superfluous', null, null::uuid,
        format(
            'The log''s tree has a hash %s of level %s, which covers no batch.',
            n.node_index, n.level
        )
    from chronicle.seal_nodes as n
    left join expected as e on e.level = n.level and e.node_index = n.node_index
    where e.level is null

    union all

    select
        'node_differs', n.node_index << n.level, null::uuid,
        format(
            'The hash %s of level %s of the log''s tree is not that of what it covers.',
            n.node_index, n.level
        )
    from chronicle.seal_nodes as n
    left join present as p on n.level = 0 and p.batch_number = n.node_index
    left join chronicle.seal_nodes as l
        on l.level = n.level - 1 and l.node_index = n.node_index * 2
    left join chronicle.seal_nodes as r
        on r.level = n.level - 1 and r.node_index = n.node_index * 2 + 1
    cross join lateral (
        -- Null where one that it covers is gone, which was told above.
        select coalesce(p.leaf_hash, sha256(E'\\x01'::bytea || l.hash || r.hash))
    ) as x (hash)
    where n.hash <> x.hash
$$;

comment on function chronicle.find_tree_faults() is
'Private. What is wrong with the batches of the sealed log and the tree over them.';

revoke execute on function chronicle.find_tree_faults() from public;
grant execute on function chronicle.find_tree_faults() to chronicle_sealer;

create or replace function chronicle.verify_log(
    _from_batch bigint default 0, _to_batch bigint default null
)
returns setof chronicle.log_finding
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_batch chronicle.seal_batches;
begin
    if _from_batch is null or _from_batch < 0 or _to_batch < _from_batch then
        raise exception 'there are no batches from % to %',
            coalesce(_from_batch::text, 'null'), _to_batch
            using errcode = 'invalid_parameter_value',
                hint = 'The first is number 0, and _to_batch is not read any more.';
    end if;

    for v_batch in
        select *
        from chronicle.seal_batches as b
        where b.batch_number >= _from_batch
            and (_to_batch is null or b.batch_number < _to_batch)
        order by b.batch_number
    loop
        return query select * from chronicle.find_batch_faults(v_batch);
    end loop;

    if _from_batch = 0 then
        return query
        select * from chronicle.find_hidden_faults()
        union all
        select * from chronicle.find_unsealed_faults()
        union all
        select * from chronicle.find_erasure_faults()
        union all
        select * from chronicle.find_epoch_faults()
        union all
        select * from chronicle.find_tree_faults();
    end if;
end
$$;

comment on function chronicle.verify_log(bigint, bigint) is
'Reads sealed events again and tells which are not as they were sealed, which are gone and which
were put in: one row a finding; no row is good. What was done before an event was sealed, and a log
that somebody with all rights sealed anew from its beginning, are not found so: compare with a
checkpoint that was kept elsewhere ("pgchronicle verify --note").
_from_batch, _to_batch: only the batches from one to before the other; null: to the last. What
concerns the log as a whole is looked at where _from_batch is 0. Errors: 22023 for no such range.
Example: select * from chronicle.verify_log();';

revoke execute on function chronicle.verify_log(bigint, bigint) from public;
grant execute on function chronicle.verify_log(bigint, bigint) to chronicle_auditor;
alter function chronicle.verify_log(bigint, bigint) owner to chronicle_sealer;

-- Runs as the sealer for chronicle.inclusion_proof, which has looked whether the caller may see the
-- event. It gives away hashes and sizes of batches only.
create or replace function chronicle.sealed_place(
    _event_id uuid,
    _epoch integer,
    _occurred_at timestamptz,
    _transaction_id bigint,
    _seq bigint,
    _leaf bytea,
    _size bigint
)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_size constant bigint := chronicle.log_size(_size);
    v_batch chronicle.seal_batches;
    v_leaves bytea;
    v_index bigint;
begin
    select b.* into v_batch
    from chronicle.batch_of(_epoch, _occurred_at, _transaction_id, _seq) as n (batch_number)
    inner join chronicle.seal_batches as b on b.batch_number = n.batch_number
    limit 1;
    if not found then
        raise exception 'event % is not sealed yet', _event_id
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'select chronicle.seal_events(); '
                    'chronicle.seal_status tells what holds it back.';
    end if;
    if v_batch.batch_number >= v_size then
        raise exception 'event % was not sealed yet when the log had % batches', _event_id, v_size
            using errcode = 'object_not_in_prerequisite_state',
                detail = format('It is in batch %s, counted from 0.', v_batch.batch_number),
                hint = 'Ask for the proof at a later size.';
    end if;

    v_leaves := (
        select substr(l.leaves, 1)
        from chronicle.seal_leaves as l
        where l.batch_number = v_batch.batch_number
    );
    v_index := (
        select n.place
        from generate_series(0, length(v_leaves) / 32 - 1) as n (place)
        where substr(v_leaves, n.place * 32 + 1, 32) = _leaf
        limit 1
    );
    if v_index is null then
        raise exception 'event % is not as it was sealed', _event_id
            using errcode = 'data_corrupted',
                detail = format('Batch %s has no such hash.', v_batch.batch_number),
                hint = 'There is nothing to prove. chronicle.verify_log() tells what else differs.';
    end if;

    return jsonb_build_object(
        'event_index', v_index,
        'event_path', (
            select coalesce(jsonb_agg(encode(p.hash, 'hex') order by p.place), '[]')
            from unnest(chronicle.merkle_path(v_leaves, v_index)) with ordinality as p (hash, place)
        ),
        'batch', chronicle.batch_record(v_batch),
        'batch_path', (
            select coalesce(jsonb_agg(encode(p.hash, 'hex') order by p.place), '[]')
            from unnest(
                chronicle.log_path(v_batch.batch_number, v_size)
            ) with ordinality as p (hash, place)
        ),
        'checkpoint', chronicle.checkpoint(v_size)
    );
end
$$;

comment on function chronicle.sealed_place(
    uuid, integer, timestamptz, bigint, bigint, bytea, bigint
) is
'Private. Where an event is sealed, with the hashes that lead from it to a checkpoint.
Errors: 55000 when it is not sealed, or not within that size; XX001 when it is not as it was
sealed; 22023 for a size that the log never had.';

revoke execute on function chronicle.sealed_place(
    uuid, integer, timestamptz, bigint, bigint, bytea, bigint
) from public;
grant execute on function chronicle.sealed_place(
    uuid, integer, timestamptz, bigint, bigint, bytea, bigint
) to chronicle_reader;
alter function chronicle.sealed_place(
    uuid, integer, timestamptz, bigint, bigint, bytea, bigint
) owner to chronicle_sealer;

-- Runs with the caller's rights: row-level security decides whether there is such an event.
create or replace function chronicle.inclusion_proof(_event_id uuid, _size bigint default null)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_event chronicle.events;
    v_payload_digest bytea;
    v_place jsonb;
begin
    select e.* into v_event from chronicle.events as e where e.event_id = _event_id limit 1;
    if not found then
        raise exception 'there is no event % that you may see', _event_id
            using errcode = 'no_data_found',
                hint = 'Check the id, and that you may see events of its organization.';
    end if;

    v_payload_digest := coalesce(
        chronicle.payload_digest(v_event),
        (select x.payload_digest from chronicle.erasures as x where x.event_id = _event_id)
    );
    v_place := chronicle.sealed_place(
        v_event.event_id, v_event.epoch, v_event.occurred_at, v_event.transaction_id, v_event.seq,
        chronicle.event_leaf(v_event, v_payload_digest), _size
    );

    return v_place || jsonb_build_object(
        'format', 'pgchronicle-proof/v1',
        'event', (
            select jsonb_agg(convert_from(f.field, 'UTF8') order by f.place)
            from unnest(chronicle.event_fields(v_event)) with ordinality as f (field, place)
        ),
        'payload', case
            when v_event.payload_salt is null
                then jsonb_build_object('digest', encode(v_payload_digest, 'hex'))
            else jsonb_build_object(
                'salt', v_event.payload_salt,
                'fields', (
                    select jsonb_agg(convert_from(f.field, 'UTF8') order by f.place)
                    from unnest(chronicle.payload_fields(v_event)) with ordinality
                        as f (field, place)
                )
            )
        end
    );
end
$$;

comment on function chronicle.inclusion_proof(uuid, bigint) is
'What proves that an event is in the sealed log as it is: its columns, and the hashes that lead from
it to a checkpoint; docs/format.md describes the members. "pgchronicle prove" makes a file of it,
and "pgchronicle verify" checks that without a database.
_event_id: an event that the caller may see. _size: of the checkpoint to prove it against, in
batches; null: the present one. Errors: P0002 no such event; 55000 it is not sealed yet, or not
within that size; XX001 it is not as it was sealed; 22023 a size that the log never had.';

revoke execute on function chronicle.inclusion_proof(uuid, bigint) from public;
grant execute on function chronicle.inclusion_proof(uuid, bigint) to chronicle_reader;

-- The oldest transaction that is open holds the horizon; its lock on its own id tells whose it is,
-- in whichever database.
create or replace function chronicle.sealing_state()
returns table (
    log_id uuid,
    epoch integer,
    batches bigint,
    sealed_events bigint,
    last_sealed_at timestamptz,
    unsealed_since timestamptz,
    oldest_transaction_id bigint,
    held_back_by text,
    problem text
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
set enable_sort = off
set jit = off
as $$
declare
    v_after record;
begin
    select s.log_id into strict log_id from chronicle.seal_state as s;
    select count(*), coalesce(sum(b.event_count), 0), max(b.sealed_at)
    into batches, sealed_events, last_sealed_at
    from chronicle.seal_batches as b;
    problem := chronicle.sealing_problem();

    for epoch in
        select x.epoch
        from chronicle.epochs as x
        cross join chronicle.seal_state as s
        where x.epoch > s.sealed_epochs
        order by x.epoch
    loop
        select b.to_transaction_id as transaction_id, b.to_seq as seq into v_after
        from chronicle.seal_batches as b
        where b.epoch = sealing_state.epoch and not b.is_late
        order by b.to_transaction_id desc, b.to_seq desc
        limit 1;
        unsealed_since := least(
            unsealed_since,
            (
                select e.recorded_at
                from chronicle.events as e
                where e.epoch = sealing_state.epoch
                    and (e.transaction_id, e.seq)
                    > (coalesce(v_after.transaction_id, 0), coalesce(v_after.seq, 0))
                order by e.transaction_id, e.seq
                limit 1
            )
        );
    end loop;
    epoch := (select max(x.epoch) from chronicle.epochs as x);

    if not pg_is_in_recovery() then
        oldest_transaction_id := pg_snapshot_xmin(pg_current_snapshot())::text;
        held_back_by := (
            select coalesce('pid ' || l.pid, format('prepared transaction "%s"', p.gid))
            from pg_catalog.pg_locks as l
            left join pg_catalog.pg_prepared_xacts as p on p.transaction = l.transactionid
            where l.locktype = 'transactionid'
                and l.granted
                and l.mode = 'ExclusiveLock'
                and l.transactionid::text = (oldest_transaction_id % 4294967296)::text
            limit 1
        );
    end if;
    return next;
end
$$;

comment on function chronicle.sealing_state() is
'Private. What chronicle.seal_status shows.';

revoke execute on function chronicle.sealing_state() from public;
grant execute on function chronicle.sealing_state() to chronicle_auditor, chronicle_admin;
alter function chronicle.sealing_state() owner to chronicle_sealer;

create view chronicle.seal_status as
select
    s.log_id,
    s.epoch,
    s.batches,
    s.sealed_events,
    s.last_sealed_at,
    s.unsealed_since,
    clock_timestamp() - s.unsealed_since as lag,
    s.oldest_transaction_id,
    s.held_back_by,
    s.problem
from chronicle.sealing_state() as s;

comment on view chronicle.seal_status is
'How far the log is sealed, and what holds that back; one row.';
comment on column chronicle.seal_status.log_id is
'Names the log in batches and checkpoints.';
comment on column chronicle.seal_status.epoch is
'The present epoch.';
comment on column chronicle.seal_status.batches is
'The size of the sealed log.';
comment on column chronicle.seal_status.sealed_events is
'How many events they seal.';
comment on column chronicle.seal_status.last_sealed_at is
'When the last batch was sealed; null: never.';
comment on column chronicle.seal_status.unsealed_since is
'When the first event that is not sealed was recorded; null: all are sealed.';
comment on column chronicle.seal_status.lag is
'How long that is ago.';
comment on column chronicle.seal_status.oldest_transaction_id is
'The oldest transaction that is open and may write, or the next one. Events of this one and later
ones are not settled, and can not be sealed yet. Null on a standby.';
comment on column chronicle.seal_status.held_back_by is
'Whose that is: "pid 4711" or a prepared transaction, in any database of the server; null: nobody
holds it.';
comment on column chronicle.seal_status.problem is
'Why chronicle.seal_events refuses; null: it does not.';

revoke all on chronicle.seal_status from public;
grant select on chronicle.seal_status to chronicle_auditor, chronicle_admin;

-- What is sealed says for itself; the rest lies behind it.
create or replace function chronicle.greatest_seq(_epoch integer)
returns bigint
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select coalesce(greatest(
        (select max(b.max_seq) from chronicle.seal_batches as b),
        (
            select max(e.seq)
            from chronicle.events as e
            where e.epoch = _epoch
                and (e.transaction_id, e.seq) > (
                    coalesce(l.transaction_id, 0), coalesce(l.seq, 0)
                )
        )
    ), 0)
    from (values (true)) as one (row)
    left join (
        select b.to_transaction_id as transaction_id, b.to_seq as seq
        from chronicle.seal_batches as b
        where b.epoch = _epoch and not b.is_late
        order by b.to_transaction_id desc, b.to_seq desc
        limit 1
    ) as l on true
$$;

comment on function chronicle.greatest_seq(integer) is
'Private. The greatest seq of what is sealed and of what comes behind that in an epoch; 0 without
any.';

revoke execute on function chronicle.greatest_seq(integer) from public;
alter function chronicle.greatest_seq(integer) owner to chronicle_sealer;
set local role chronicle_sealer;
grant execute on function chronicle.greatest_seq(integer) to chronicle_owner;
set local role chronicle_owner;

-- Every writer is shut out until it is done, so that an epoch ends for all of them at once: who has
-- written has ended, and who writes next is given the new one, as a constant.
--
-- Whoever seals holds the row of chronicle.seal_state and then reads events, so that order is kept
-- here.
create or replace function chronicle.begin_epoch(_reason text)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
set lock_timeout = '3s'
set timezone = 'UTC'
as $$
declare
    v_before chronicle.epochs;
    v_epoch chronicle.epochs;
    v_seq bigint;
begin
    if _reason is null or btrim(_reason) = '' then
        raise exception '_reason is missing'
            using errcode = 'invalid_parameter_value',
                hint = 'Say what happened to the log, for example: '
                    '''restored from the dump of 2026-11-20''.';
    end if;
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        raise exception 'an epoch begins under the isolation level READ COMMITTED only'
            using errcode = 'active_sql_transaction',
                hint = 'Call it in a transaction of its own: '
                    'begin transaction isolation level read committed.';
    end if;

    perform from chronicle.seal_state as s for update;
    lock table chronicle.events in access exclusive mode;
    select * into v_before from chronicle.epochs as e order by e.epoch desc limit 1;
    if not found then
        raise exception 'there is no epoch yet'
            using errcode = 'object_not_in_prerequisite_state',
                detail = 'chronicle.epochs was restored without its rows.',
                hint = 'Restore its data as well: pg_dump --data-only --table=chronicle.epochs '
                    '--table=chronicle.seal_state.';
    end if;

    -- A logical copy does not bring the sequence.
    v_seq := chronicle.greatest_seq(v_before.epoch);
    if v_seq > (select s.last_value from chronicle.events_seq as s) then
        perform setval('chronicle.events_seq', v_seq);
    end if;

    v_epoch.epoch := v_before.epoch + 1;
    v_epoch.began_at := clock_timestamp();
    v_epoch.reason := _reason;
    v_epoch.system_identifier := (select c.system_identifier from pg_control_system() as c);
    v_epoch.sealed_seq := coalesce(
        (select max(b.max_seq) from chronicle.seal_batches as b where b.epoch = v_before.epoch), 0
    );
    v_epoch.is_on_copy := chronicle.is_log_moved();

    execute format(
        'create or replace function chronicle.current_epoch() returns integer '
        'language sql stable as %L',
        format('select %s::pg_catalog.int4', v_epoch.epoch)
    );
    v_epoch.recorded_by := chronicle.log_management_event(
        'create', 'chronicle.epoch.begin', 'chronicle.epoch', v_epoch.epoch::text,
        to_jsonb(v_before) - 'recorded_by', to_jsonb(v_epoch) - 'recorded_by'
    );
    insert into chronicle.epochs select v_epoch.*;
    return v_epoch.epoch;
end
$$;

comment on function chronicle.begin_epoch(text) is
'Declares that the log goes on where its transaction ids mean something else: restored from a dump
or a backup, upgraded, copied by logical replication. Sealing refuses on another server until then.
What was written there before is sealed as well, and checkpoints from before stay consistent.
Returns the number of the epoch; an event tells of it. Writers wait while it runs, and it waits for
them 3 seconds at most. Where the sequence chronicle.events_seq was left behind, it is set forward.
_reason: what happened, for an auditor.
Errors: 22023 without a reason; 25001 under another isolation level than READ COMMITTED; 55000 where
chronicle.epochs is empty; 55P03 when writers do not make way: try again.
Example: select chronicle.begin_epoch(''restored from the dump of 2026-11-20'');';

revoke execute on function chronicle.begin_epoch(text) from public;
grant execute on function chronicle.begin_epoch(text) to chronicle_admin;

create or replace function chronicle.check_can_erase(_legal_basis text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if current_user <> 'chronicle_eraser' then
        raise exception 'erasure is not enabled'
            using errcode = 'object_not_in_prerequisite_state',
                detail = 'No role may change an event, and nothing was erased.',
                hint = 'As the role that installed pgchronicle: select chronicle.enable_erasure();';
    end if;
    if _legal_basis is null or btrim(_legal_basis) = '' then
        raise exception '_legal_basis is missing'
            using errcode = 'invalid_parameter_value',
                detail = 'An erasure is recorded with the reason for it.',
                hint = 'For example: ''GDPR Art. 17(1)(b), request 4711''.';
    end if;
end
$$;

comment on function chronicle.check_can_erase(text) is
'Private. Refuses to erase where that is not enabled (55000), or without a legal basis (22023).';

revoke execute on function chronicle.check_can_erase(text) from public;

-- The digests are kept first, in the same statement that reads the payloads; then the triggers let
-- the payloads go. Who erases the same event meanwhile waits, and then finds it erased.
create or replace function chronicle.erase_events(
    _event_ids uuid[], _legal_basis text, _resource_id text
)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_ids uuid[];
    v_recorded_by uuid;
begin
    select array_agg(e.event_id) into v_ids
    from (
        select e.event_id
        from chronicle.events as e
        where e.event_id = any(_event_ids) and e.payload_salt is not null
        for update
    ) as e;
    if v_ids is null then
        return 0;
    end if;

    v_recorded_by := chronicle.record_internal_event(
        'logged', 'delete', 'chronicle.payload.erase', 'chronicle.payload', _resource_id, null,
        null, null,
        _action_meta => jsonb_build_object(
            'legal_basis', _legal_basis, 'events', cardinality(v_ids)
        )
    );
    insert into chronicle.erasures (
        event_id, occurred_at, payload_digest, erased_at, legal_basis, recorded_by
    )
    select
        e.event_id,
        e.occurred_at,
        chronicle.payload_digest(e),
        r.occurred_at,
        _legal_basis,
        r.event_id
    from chronicle.events as e
    cross join (
        select x.event_id, x.occurred_at
        from chronicle.events as x
        where x.event_id = v_recorded_by
    ) as r
    where e.event_id = any(v_ids);
    update chronicle.events
    set payload_salt = null,
        action_description = null,
        action_meta = null,
        reason = null,
        related_resources = null,
        details_before = null,
        details_after = null,
        payload_error = 'erased',
        ai_metadata = null,
        error_message = null,
        ip_address = null,
        user_agent = null,
        client_info = null
    where event_id = any(v_ids);
    -- Whoever sends the event once more is told that the id is taken.
    update chronicle.event_keys
    set content_digest = sha256(uuid_send(gen_random_uuid()))
    where event_id = any(v_ids);
    return cardinality(v_ids);
end
$$;

comment on function chronicle.erase_events(uuid[], text, text) is
'Private. Erases the payloads of events, and records that; returns of how many.
_resource_id: what the event that tells of it is about.';

revoke execute on function chronicle.erase_events(uuid[], text, text) from public;

create or replace function chronicle.erase_payload(_event_id uuid, _legal_basis text)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_resource_type text;
begin
    perform chronicle.check_can_erase(_legal_basis);
    select e.resource_type into v_resource_type
    from chronicle.events as e
    where e.event_id = _event_id;
    if not found then
        raise exception 'there is no event %', _event_id
            using errcode = 'no_data_found',
                detail = 'Nothing was erased.',
                hint = 'Its partition may have been dropped; and check the id.';
    end if;
    if v_resource_type in ('chronicle.payload', 'chronicle.epoch') then
        raise exception 'event % is not erased: it tells what was done to the log', _event_id
            using errcode = 'invalid_parameter_value',
                hint = 'Without it, the seals could not be checked.';
    end if;
    return chronicle.erase_events(array[_event_id], _legal_basis, _event_id::text) > 0;
end
$$;

comment on function chronicle.erase_payload(uuid, text) is
'Empties what of an event may hold personal data: both states, description, meta, reason, related
resources, AI metadata, error message, address, user agent, client info. Ids, times and what was
done stay, and so does a digest: every seal over the event still holds. An event tells who erased it
and on what basis. Returns false if it was erased before. Copies elsewhere are not reached: exports,
replicas that lag, backups, and the old row until VACUUM; see docs/seals.md.
_event_id: the event. _legal_basis: why it must go, in words for an auditor.
Errors: 55000 until chronicle.enable_erasure was called; 22023 without a legal basis, and for events
that tell of erasures and epochs; P0002 no such event.
Example: select chronicle.erase_payload(''…'', ''GDPR Art. 17(1)(b), request 4711'');';

revoke execute on function chronicle.erase_payload(uuid, text) from public;
grant execute on function chronicle.erase_payload(uuid, text) to chronicle_admin;

-- Reads the whole log where no index leads to the subject: it is asked for rarely, and must miss
-- nothing.
create or replace function chronicle.erase_subject(
    _legal_basis text,
    _actor_id text default null,
    _actor_type chronicle.actor_type default null,
    _resource_type text default null,
    _resource_id text default null,
    _organization_id text default null
)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_ids uuid[];
begin
    perform chronicle.check_can_erase(_legal_basis);
    if coalesce(_actor_id, _resource_id) is null
        or _actor_type is not null and _actor_id is null
        or _resource_type is not null and _resource_id is null
    then
        raise exception 'whose events to erase is not said'
            using errcode = 'invalid_parameter_value',
                detail = 'Nothing was erased.',
                hint = 'Pass _actor_id for what somebody did, _resource_id for what was done to '
                    'something, or both; a type narrows its id down.';
    end if;

    select array_agg(e.event_id) into v_ids
    from chronicle.events as e
    where e.payload_salt is not null
        and e.resource_type not in ('chronicle.payload', 'chronicle.epoch')
        and (_organization_id is null or e.organization_id = _organization_id)
        and (
            e.actor_id = _actor_id and (_actor_type is null or e.actor_type = _actor_type)
            -- The type is that of whom they acted for.
            or e.impersonator_id = _actor_id
            or (
                e.resource_id = _resource_id
                or e.related_resources -> 0 ->> 'relation' = 'previous_key'
                and e.related_resources -> 0 ->> 'resource_id' = _resource_id
            )
            and (_resource_type is null or e.resource_type = _resource_type)
        );
    return chronicle.erase_events(
        v_ids, _legal_basis,
        array_to_string(array[_actor_id, _resource_id], ', ')
    );
end
$$;

comment on function chronicle.erase_subject(
    text, text, chronicle.actor_type, text, text, text
) is
'chronicle.erase_payload for every event of a subject: what they did, what was done to their record,
or both. One event tells of it. Returns how many were erased; those that were erased before do not
count. What open transactions are about to record is not reached: call it again when they are over.
_legal_basis: why they must go, in words for an auditor. _actor_id, _actor_type: by whom, also in
somebody else''s place. _resource_type, _resource_id: about what; a key that the record had before
counts. _organization_id: only events of that organization.
Errors: 55000 until chronicle.enable_erasure was called; 22023 without a legal basis or a subject.
Example: select chronicle.erase_subject(''GDPR Art. 17(1)(b), request 4711'',
_actor_id => ''ada'', _resource_type => ''shop.customers'', _resource_id => ''17'');';

revoke execute on function chronicle.erase_subject(
    text, text, chronicle.actor_type, text, text, text
) from public;
grant execute on function chronicle.erase_subject(
    text, text, chronicle.actor_type, text, text, text
) to chronicle_admin;

-- Runs with the caller's rights, for only who may make roles can call it. The role exists from here
-- on and not before: in an installation that never erases, no role but a superuser could be given
-- the right to change an event.
create or replace function chronicle.enable_erasure()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_role constant text := current_setting('role');
    v_function text;
    v_stranger text;
begin
    if not exists (select from pg_catalog.pg_roles as r where r.rolname = 'chronicle_eraser') then
        begin
            create role chronicle_eraser nologin;
        exception when insufficient_privilege then
            raise exception 'role "%" may not make the role chronicle_eraser', current_user
                using errcode = 'insufficient_privilege',
                    hint = 'Call it as the role that installed pgchronicle, with CREATEROLE.';
        end;
        grant chronicle_eraser to chronicle_owner;
    end if;
    if not pg_has_role('chronicle_owner', 'chronicle_eraser', 'MEMBER') then
        raise exception 'the role chronicle_eraser exists, and chronicle_owner is no member of it'
            using errcode = 'invalid_role_specification',
                hint = 'As an administrator of the role: '
                    'grant chronicle_eraser to chronicle_owner;';
    end if;

    -- Who made it before us, for themselves, would read the whole log with it.
    select string_agg(quote_ident(r.rolname), ', ' order by r.rolname) into v_stranger
    from pg_catalog.pg_roles as r
    where r.rolname = 'chronicle_eraser' and r.rolcanlogin
        or r.oid in (
            select m.member
            from pg_catalog.pg_auth_members as m
            where m.roleid = 'chronicle_eraser'::regrole
        )
        and not pg_has_role(r.oid, 'chronicle_owner', 'MEMBER');
    if v_stranger is not null then
        raise exception 'the role chronicle_eraser is somebody else''s: %', v_stranger
            using errcode = 'invalid_role_specification',
                detail = 'It can log in, or has members who are not members of chronicle_owner.',
                hint = 'Find out who made it. Then revoke it from them, or drop it, and call this '
                    'again.';
    end if;

    perform set_config('role', 'chronicle_owner', true);
    grant usage, create on schema chronicle to chronicle_eraser;
    grant select, update (
        payload_salt, action_description, action_meta, reason, related_resources, details_before,
        details_after, payload_error, ai_metadata, error_message, ip_address, user_agent,
        client_info
    ) on chronicle.events to chronicle_eraser;
    grant select, insert on chronicle.erasures to chronicle_eraser;
    grant select, update (content_digest) on chronicle.event_keys to chronicle_eraser;
    grant execute on function chronicle.event_fields(chronicle.events),
    chronicle.payload_fields(chronicle.events), chronicle.payload_digest(chronicle.events),
    chronicle.microseconds(timestamptz), chronicle.check_can_erase(text) to chronicle_eraser;
    if not exists (
        select
        from pg_catalog.pg_policy as p
        where p.polrelid = 'chronicle.events'::regclass and p.polname = 'events_eraser_reads'
    ) then
        create policy events_eraser_reads on chronicle.events
        for select to chronicle_eraser using (true);
        create policy events_eraser_updates on chronicle.events
        for update to chronicle_eraser using (true) with check (true);
        create policy erasures_eraser_writes on chronicle.erasures
        to chronicle_eraser using (true) with check (true);
        comment on policy erasures_eraser_writes on chronicle.erasures is
        'An erasure keeps the digest of what it erases.';
        comment on policy events_eraser_reads on chronicle.events is
        'An erasure finds the events of a subject wherever they are.';
        comment on policy events_eraser_updates on chronicle.events is
        'An erasure empties payloads; nothing else gets past the triggers.';
        perform chronicle.log_management_event(
            'create', 'chronicle.erasure.enable', 'chronicle.erasure', 'chronicle_eraser', null,
            null
        );
    end if;
    for v_function in
        select p.oid::regprocedure::text
        from pg_catalog.pg_proc as p
        where p.pronamespace = 'chronicle'::regnamespace
            and p.proname in ('erase_events', 'erase_payload', 'erase_subject')
            and p.proowner <> 'chronicle_eraser'::regrole
    loop
        execute format('alter function %s owner to chronicle_eraser', v_function);
    end loop;
    revoke create on schema chronicle from chronicle_eraser;

    perform set_config('role', 'chronicle_writer', true);
    grant execute on function chronicle.record_internal_event(
        chronicle.event_origin, chronicle.action_type, text, text, text, text, jsonb, jsonb, jsonb,
        integer, uuid, text
    ) to chronicle_eraser;
    perform set_config('role', v_role, true);
end
$$;

comment on function chronicle.enable_erasure() is
'Makes chronicle.erase_payload and chronicle.erase_subject work: a role chronicle_eraser, which owns
them and may empty payloads and nothing else; an event tells of it. Harmless to repeat. For the role
that installed pgchronicle. Errors: 42501 for one that may not make roles.
Example: select chronicle.enable_erasure();';

revoke execute on function chronicle.enable_erasure() from public;
grant execute on function chronicle.enable_erasure() to chronicle_admin;

revoke create on schema chronicle from chronicle_sealer;
