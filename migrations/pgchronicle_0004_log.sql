-- The log itself: the table of events, its guards, its partitions, and the functions that write it.
-- depends: pgchronicle_0003_settings_and_registries

set local role chronicle_owner;

grant create on schema chronicle to chronicle_writer, chronicle_sealer;

-- The server's own uuidv7() exists from version 18 on. No pinned search_path: it is the default of
-- events.event_id and must inline there; with a SET clause a call costs four times as much, and an
-- argument with a default that is used twice keeps it from inlining as well. Every name and
-- operator is qualified instead.
create or replace function chronicle.uuid_v7()
returns uuid
language sql
volatile
parallel safe
as $$
    select pg_catalog.encode(
        -- gen_random_uuid() has version 4, binary 0100; two more bits make it 7, binary 0111.
        pg_catalog.set_bit(
            pg_catalog.set_bit(
                pg_catalog.overlay(
                    pg_catalog.uuid_send(pg_catalog.gen_random_uuid()),
                    pg_catalog.substr(
                        pg_catalog.int8send(
                            pg_catalog.floor(
                                pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())
                                operator(pg_catalog.*) 1000
                            )::pg_catalog.int8
                        ),
                        3
                    ),
                    1, 6
                ),
                52, 1
            ),
            53, 1
        ),
        'hex'
    )::pg_catalog.uuid
$$;

comment on function chronicle.uuid_v7() is
'A new UUID version 7 (RFC 9562): the first 48 bits are the time in milliseconds since 1970, so that
ids sort by the time they were made. Order within a millisecond is random; events.seq orders
events.';

revoke execute on function chronicle.uuid_v7() from public;
grant execute on function chronicle.uuid_v7() to chronicle_writer;

-- For callers that have something random already: asking the system for it is the dearest part. It
-- inlines where it is given a variable, so it goes without a pinned search_path, and every name and
-- operator is qualified instead. Put together as text, which takes fewer calls than bytes do.
create or replace function chronicle.uuid_v7_from(_random uuid)
returns uuid
language sql
volatile
parallel safe
as $$
    select pg_catalog.overlay(
        pg_catalog.overlay(
            pg_catalog.substr(
                pg_catalog.encode(pg_catalog.sha256(pg_catalog.uuid_send(_random)), 'hex'), 1, 32
            ),
            pg_catalog.lpad(
                pg_catalog.to_hex(
                    pg_catalog.floor(
                        pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())
                        operator(pg_catalog.*) 1000
                    )::pg_catalog.int8
                ),
                12, '0'
            ) operator(pg_catalog.||) '7', -- the version
            1, 13
        ),
        '8', 17, 1 -- the variant
    )::pg_catalog.uuid
$$;

comment on function chronicle.uuid_v7_from(uuid) is
'Private. A new UUID version 7, as chronicle.uuid_v7. _random: a random UUID that nobody is told; 72
bits of its digest show in the id, from which it can not be found.';

revoke execute on function chronicle.uuid_v7_from(uuid) from public;
grant execute on function chronicle.uuid_v7_from(uuid) to chronicle_writer;

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

create sequence chronicle.events_seq as bigint;

comment on sequence chronicle.events_seq is
'Numbers events.seq. It is never cached: the numbers of a record''s events must rise in the order of
its changes, whichever session makes them.';

revoke all on sequence chronicle.events_seq from public;
grant usage on sequence chronicle.events_seq to chronicle_writer;

-- No foreign key leads from or to this table: "on delete set null" would rewrite history, and "on
-- delete cascade" would delete it. No column is generated by identity: partitions of a table with
-- one differ before version 17.
--
-- No check constraint either: the server parses each one anew for every statement, 2 to 4
-- microseconds of the 20 that an insert takes. Only the functions that chronicle_writer owns
-- insert; what must hold is checked there. That occurred_at is finite follows from the bounds of
-- the partitions, and is a constraint on the two that have an open end.
create table chronicle.events (
    event_id uuid not null default chronicle.uuid_v7(),
    seq bigint not null default nextval('chronicle.events_seq'),
    transaction_id bigint not null default (pg_current_xact_id()::text)::bigint,
    epoch integer not null default chronicle.current_epoch(),
    schema_version smallint not null default 1,
    settled_after bigint
    default chronicle.settled_after((pg_current_xact_id()::text)::bigint),
    occurred_at timestamptz not null default clock_timestamp(),
    recorded_at timestamptz not null default clock_timestamp(),
    organization_id text,
    actor_type chronicle.actor_type not null,
    actor_id text,
    actor_role text,
    impersonator_id text,
    is_ai_action boolean not null default false,
    db_user text not null default session_user,
    context_state text not null,
    origin chronicle.event_origin not null,
    action_type chronicle.action_type not null,
    action text not null,
    action_description text,
    action_meta jsonb,
    reason text,
    resource_type text not null,
    resource_id text,
    related_resources jsonb,
    table_id integer,
    details_before jsonb,
    details_after jsonb,
    changed_columns text[],
    payload_error text,
    payload_salt uuid default gen_random_uuid(),
    ai_metadata jsonb,
    ai_operation_id uuid,
    severity chronicle.severity_level not null default 'info',
    status chronicle.event_status not null default 'success',
    error_code text,
    error_message text,
    duration_ms integer,
    session_id text,
    request_id text,
    trace_id text,
    operation_id text,
    parent_event_id uuid,
    ip_address inet,
    user_agent text,
    client_info jsonb,
    constraint events_pkey primary key (event_id, occurred_at)
) partition by range (occurred_at);

-- The lean set, listed with the reasons in chronicle.index_profiles. Each index costs every writer,
-- so what only inquiries need is built on partitions that no longer take writes.
create index events_organization_id_occurred_at_idx
on chronicle.events (organization_id, occurred_at) where organization_id is not null;
create index events_resource_id_resource_type_occurred_at_idx
on chronicle.events (resource_id, resource_type, occurred_at) where resource_id is not null;
create index events_actor_id_occurred_at_idx
on chronicle.events (actor_id, occurred_at) where actor_id is not null;
create index events_occurred_at_idx
on chronicle.events (occurred_at) where organization_id is null;
create index events_epoch_transaction_id_seq_idx
on chronicle.events (epoch, transaction_id, seq);
create index events_epoch_settled_after_seq_idx
on chronicle.events (epoch, settled_after, seq) where settled_after is not null;
create index events_table_id_expr_idx
on chronicle.events (table_id, (related_resources -> 0 ->> 'resource_id'))
where table_id is not null and related_resources is not null;

comment on table chronicle.events is
'The log: one row an event, in the transaction of what it tells of. Append-only. Written by
chronicle.log_audit_event and by tracked tables; which rows a reader sees is decided by row-level
security. chronicle.row_changes shows captured changes in the classic shape.';
comment on column chronicle.events.event_id is
'UUID version 7 unless the caller gave one.';
comment on column chronicle.events.seq is
'Orders the events of a record, and it alone: taken under the lock of the row. It has gaps, and
across records it is no order of commits.';
comment on column chronicle.events.transaction_id is
'The top-level transaction (pg_current_xact_id), also inside savepoints.';
comment on column chronicle.events.epoch is
'Which life of the log: transaction_id and seq can be compared within one epoch only.';
comment on column chronicle.events.schema_version is
'Version of the meaning of these columns.';
comment on column chronicle.events.settled_after is
'The latest transaction that was over when the event was written, where its number is above
transaction_id. Once all up to it are over, no event that belongs before this one can come:
chronicle.events_since goes by it.';
comment on column chronicle.events.occurred_at is
'When it happened. By default the clock when it was recorded; an import may name an earlier time.';
comment on column chronicle.events.recorded_at is
'The server''s clock when the event was written. No caller can pass it.';
comment on column chronicle.events.organization_id is
'The tenant whom the event concerns. Null: a system-wide event.';
comment on column chronicle.events.actor_type is
'What kind of actor.';
comment on column chronicle.events.actor_id is
'Who, as the application or its token says; see context_state for how far to believe it.';
comment on column chronicle.events.actor_role is
'The role in which the actor acted, as it was then.';
comment on column chronicle.events.impersonator_id is
'Who really acted, when somebody acted as the actor.';
comment on column chronicle.events.is_ai_action is
'Whether an AI carried it out, also where a person is the actor.';
comment on column chronicle.events.db_user is
'The role that logged in to the database (session_user). It can not be forged by SQL.';
comment on column chronicle.events.context_state is
'Where "who" comes from: verified (a signed token or a trusted gateway), asserted (said by the
session), absent (nothing said: captured events name the database role) or malformed (said, and
unreadable). An event that was logged for another actor than the verified one is asserted.';
comment on column chronicle.events.origin is
'logged, captured, snapshot or imported.';
comment on column chronicle.events.action_type is
'What was done, in one of six kinds.';
comment on column chronicle.events.action is
'What was done, as domain.verb; by default resource_type.action_type.';
comment on column chronicle.events.action_description is
'The same in a sentence for people.';
comment on column chronicle.events.action_meta is
'More about the action; a JSON object.';
comment on column chronicle.events.reason is
'Why, as the actor said.';
comment on column chronicle.events.resource_type is
'What kind of thing it was done to. For a captured event, by default the name of the table.';
comment on column chronicle.events.resource_id is
'Which one. For a captured event the primary key as text: the bare value of one column, or a JSON
object of the columns of a composite key; null for a table without a key.';
comment on column chronicle.events.related_resources is
'Other resources concerned; a JSON array. An update that changes a key names the record''s earlier
key here.';
comment on column chronicle.events.table_id is
'For captured events: chronicle.table_registry.table_id.';
comment on column chronicle.events.details_before is
'State before. Captured: null for an insert, the whole row for a delete, the changed columns for an
update.';
comment on column chronicle.events.details_after is
'State after. Captured: the whole row for an insert, null for a delete, the changed columns for an
update.';
comment on column chronicle.events.changed_columns is
'Names of what differs between the two states, when both are given.';
comment on column chronicle.events.payload_error is
'Why the states, or values in them, are missing or told as text although the change was recorded:
SQLSTATE and message; or "erased", after an erasure.';
comment on column chronicle.events.payload_salt is
'Random; goes into the digest of the payload, so that an erased payload can not be guessed from
it. Erased with the payload: then null.';
comment on column chronicle.events.ai_metadata is
'About the AI that took part; a JSON object.';
comment on column chronicle.events.ai_operation_id is
'The AI operation that caused the event.';
comment on column chronicle.events.severity is
'info unless said otherwise.';
comment on column chronicle.events.status is
'success unless said otherwise.';
comment on column chronicle.events.error_code is
'The application''s code for what went wrong.';
comment on column chronicle.events.error_message is
'What went wrong.';
comment on column chronicle.events.duration_ms is
'How long it took, in milliseconds; not negative.';
comment on column chronicle.events.session_id is
'The application''s session.';
comment on column chronicle.events.request_id is
'The request that caused it.';
comment on column chronicle.events.trace_id is
'The distributed trace, for example 32 hexadecimal digits of a W3C traceparent.';
comment on column chronicle.events.operation_id is
'Groups the events of one operation of the application across transactions.';
comment on column chronicle.events.parent_event_id is
'The event that caused this one.';
comment on column chronicle.events.ip_address is
'Where the request came from.';
comment on column chronicle.events.user_agent is
'The client''s own name.';
comment on column chronicle.events.client_info is
'More about the client; a JSON object.';

revoke all on chronicle.events from public;
grant insert on chronicle.events to chronicle_writer;
grant select on chronicle.events to chronicle_reader, chronicle_sealer;

-- The triggers that call this stand on the log's tables and on every partition, and fire always, in
-- replica mode too. The row triggers of chronicle.events are cloned to partitions; statement
-- triggers are not, so chronicle.add_partition makes them.
create or replace function chronicle.reject_change()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception '% on %.% is refused', lower(tg_op), tg_table_schema, tg_table_name
        using errcode = 'ZC003',
            detail = 'The log is append-only: '
                'what has been recorded is neither changed nor removed.',
            hint = 'To correct an event, log another one with _parent_event_id set to its id.';
end
$$;

comment on function chronicle.reject_change() is
'Trigger function: refuses update, delete and truncate with ZC003.';

revoke execute on function chronicle.reject_change() from public;

create trigger events_reject_row_change
before delete on chronicle.events
for each row execute function chronicle.reject_change();

create trigger events_reject_change
before delete or truncate on chronicle.events
for each statement execute function chronicle.reject_change();

-- There is no such role until somebody enables erasure, and then it may change payloads only.
create trigger events_reject_update
before update on chronicle.events
for each statement when (current_user <> 'chronicle_eraser')
execute function chronicle.reject_change();

alter table chronicle.events enable always trigger events_reject_row_change;
alter table chronicle.events enable always trigger events_reject_change;
alter table chronicle.events enable always trigger events_reject_update;

comment on trigger events_reject_row_change on chronicle.events is
'Refuses to remove rows; cloned to every partition.';
comment on trigger events_reject_change on chronicle.events is
'Refuses statements that remove rows, truncate among them; every partition has its own.';
comment on trigger events_reject_update on chronicle.events is
'Refuses updates, but by the role that erases.';

-- Transaction ids count within one server. A log that was restored from a dump, or copied by
-- logical replication, goes on under numbers that mean something else, and says so by a new epoch.
create table chronicle.epochs (
    epoch integer constraint epochs_pkey primary key,
    began_at timestamptz not null,
    reason text not null,
    system_identifier bigint not null,
    sealed_seq bigint not null,
    is_on_copy boolean not null,
    recorded_by uuid
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
'The greatest seq of the epoch before that was sealed when this one began. Above it, events may have
been written elsewhere, or before a backup was restored: chronicle.events_since gives them last.';
comment on column chronicle.epochs.is_on_copy is
'Whether it began on another server than the epoch before. Then events of that epoch with a greater
seq than sealed_seq may have been written on this server, before anybody declared the epoch.';

comment on column chronicle.epochs.recorded_by is
'The event that tells of it, null for the first.';

create trigger epochs_reject_change
before update or delete or truncate on chronicle.epochs
for each statement execute function chronicle.reject_change();

alter table chronicle.epochs enable always trigger epochs_reject_change;

comment on trigger epochs_reject_change on chronicle.epochs is
'Refuses to change or remove an epoch.';

revoke all on chronicle.epochs from public;
grant select on chronicle.epochs to chronicle_sealer, chronicle_reader;

insert into chronicle.epochs (
    epoch, began_at, reason, system_identifier, sealed_seq, is_on_copy
)
values (
    1, clock_timestamp(), 'installed',
    (select s.system_identifier from pg_control_system() as s), 0, false
);

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
grant select on chronicle.erasures to chronicle_sealer, chronicle_reader;

-- Whoever sees an event sees that it was erased.
alter table chronicle.erasures enable row level security;

create policy erasures_sealer_reads on chronicle.erasures
for select to chronicle_sealer using (true);

create policy erasures_reader_reads on chronicle.erasures
for select to chronicle_reader
using (
    exists (
        select
        from chronicle.events as e
        where e.event_id = erasures.event_id and e.occurred_at = erasures.occurred_at
    )
);

comment on policy erasures_sealer_reads on chronicle.erasures is
'Sealing takes the digest for the payload that is gone.';
comment on policy erasures_reader_reads on chronicle.erasures is
'The erasures of the events that one may see.';

-- Every update of an event comes here. The one that is let through empties a payload whose digest
-- was kept before, and touches nothing else. On a copy, the apply worker of logical replication
-- brings it, with the digest before.
create or replace function chronicle.check_erasure()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if (
        current_user = 'chronicle_eraser'
        or exists (
            select from pg_catalog.pg_stat_subscription as s where s.pid = pg_backend_pid()
        )
    )
        and new.payload_salt is null
        and array_remove(chronicle.payload_fields(new), null) = array['erased'::bytea]
        and new.payload_error = 'erased'
        and chronicle.event_fields(new) = chronicle.event_fields(old)
        and exists (
            select
            from chronicle.erasures as x
            where x.event_id = old.event_id
                and x.payload_digest = chronicle.payload_digest(old)
        )
    then
        return new;
    end if;
    raise exception 'update on %.% is refused', tg_table_schema, tg_table_name
        using errcode = 'ZC003',
            detail = 'The log is append-only: what has been recorded is not changed. '
                'An erasure empties a whole payload, and says so.',
            hint = 'To correct an event, log another one with _parent_event_id set to its id. '
                'To erase personal data: chronicle.erase_payload or chronicle.erase_subject.';
end
$$;

comment on function chronicle.check_erasure() is
'Trigger function: lets an erasure through, and refuses every other update with ZC003.';

revoke execute on function chronicle.check_erasure() from public;

create trigger events_check_erasure
before update on chronicle.events
for each row execute function chronicle.check_erasure();

alter table chronicle.events enable always trigger events_check_erasure;

comment on trigger events_check_erasure on chronicle.events is
'Refuses updates but erasures; cloned to every partition.';

-- A partitioned table can not hold an id unique across its partitions, so ids that callers give are
-- claimed here first. The digest tells a retry from another event under the same id.
create table chronicle.event_keys (
    event_id uuid constraint event_keys_pkey primary key,
    content_digest bytea not null,
    constraint event_keys_digest_is_sha256 check (octet_length(content_digest) = 32)
);

comment on table chronicle.event_keys is
'Event ids that callers gave, each with the digest of what was recorded under it. Append-only.';
comment on column chronicle.event_keys.event_id is
'The id, as in chronicle.events.';
comment on column chronicle.event_keys.content_digest is
'SHA-256 over what the caller said and who it was; of something random once that was erased.';

create trigger event_keys_reject_change
before delete or truncate on chronicle.event_keys
for each statement execute function chronicle.reject_change();

-- An erasure leaves no digest of what it erased: one without salt could be guessed from.
create trigger event_keys_reject_update
before update on chronicle.event_keys
for each statement when (current_user <> 'chronicle_eraser')
execute function chronicle.reject_change();

alter table chronicle.event_keys enable always trigger event_keys_reject_change;
alter table chronicle.event_keys enable always trigger event_keys_reject_update;

comment on trigger event_keys_reject_change on chronicle.event_keys is
'Refuses to remove a claimed id.';
comment on trigger event_keys_reject_update on chronicle.event_keys is
'Refuses updates, but by the role that erases.';

revoke all on chronicle.event_keys from public;
grant select, insert on chronicle.event_keys to chronicle_writer;

-- For rollbacks, which would destroy what they do not see: forced row-level security hides every
-- event from the owner. With a policy that shows them, row_security = off would raise whatever the
-- policy says; so, in the transaction that is about to drop the table, the force is taken off, and
-- row_security = off raises if anything is filtered all the same. Whatever is undone afterwards, so
-- is this.
create or replace function chronicle.assert_no_events()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set row_security = off
as $$
begin
    -- Nobody writes an event between this look and the drop.
    alter table chronicle.events no force row level security;
    if exists (select from chronicle.events) then
        raise exception 'the log holds events, and this would destroy them'
            using errcode = 'ZC004',
                detail = 'Nothing was undone.',
                hint = 'Keep what you need elsewhere first. '
                    'To remove pgchronicle with its log, on purpose: '
                    'stop tracking every table, then, as chronicle_owner, '
                    'drop schema chronicle_capture, chronicle cascade; '
                    'and delete from _yoyo_migration where migration_id like ''pgchronicle\_%''.';
    end if;
    alter table chronicle.events force row level security;
end
$$;

comment on function chronicle.assert_no_events() is
'Private. Raises ZC004 if the log holds any event, seen or hidden, and keeps writers out until the
transaction ends. Every rollback begins with it.';

revoke execute on function chronicle.assert_no_events() from public;

-- A table that is attached stops no writer: ATTACH takes SHARE UPDATE EXCLUSIVE on the parent,
-- where "create table ... partition of" takes ACCESS EXCLUSIVE. A partition inherits neither grants
-- nor row security nor statement triggers, so each side door is closed here, before it is attached.
create or replace function chronicle.add_partition(_name name, _bound text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_grantee text;
begin
    execute format(
        'create table chronicle.%I '
        '(like chronicle.events including defaults including constraints)',
        _name
    );
    execute format('comment on table chronicle.%I is %L', _name, 'Partition of chronicle.events.');

    -- Every other partition is bounded on both sides, and so holds finite times only.
    if _bound = 'default' or _bound ~ 'minvalue' then
        execute format(
            'alter table chronicle.%I add constraint %I check (isfinite(occurred_at))',
            _name, _name || '_occurred_at_is_finite'
        );
    end if;

    -- Default privileges of the platform may have granted rights on it.
    for v_grantee in
        select case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
        from pg_catalog.pg_class as c
        cross join lateral aclexplode(c.relacl) as a
        where c.relnamespace = 'chronicle'::regnamespace
            and c.relname = _name
            and a.grantee <> c.relowner
        group by 1
    loop
        execute format('revoke all on chronicle.%I from %s', _name, v_grantee);
    end loop;

    execute format('alter table chronicle.%I enable row level security', _name);
    execute format('alter table chronicle.%I force row level security', _name);
    execute format(
        'create trigger events_reject_change before update or delete or truncate on chronicle.%I '
        'for each statement execute function chronicle.reject_change()',
        _name
    );
    execute format('alter table chronicle.%I enable always trigger events_reject_change', _name);
    execute format('alter table chronicle.events attach partition chronicle.%I %s', _name, _bound);
end
$$;

comment on function chronicle.add_partition(name, text) is
'Private. Makes a partition of chronicle.events with its side doors closed, and attaches it.
_name: of the partition. _bound: what follows ATTACH PARTITION name.';

revoke execute on function chronicle.add_partition(name, text) from public;

create or replace function chronicle.partition_name(_interval text, _from timestamptz)
returns name
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select to_char(
        _from at time zone 'UTC',
        case _interval
            when 'day' then '"events_"YYYY_MM_DD'
            when 'week' then '"events_"IYYY"_w"IW'
            when 'month' then '"events_"YYYY_MM'
            when 'quarter' then '"events_"YYYY"_q"Q'
        end
    )::name
$$;

comment on function chronicle.partition_name(text, timestamptz) is
'Private. The name of a partition that begins at a time, in UTC: events_2026_11_20, events_2026_w47,
events_2026_11 or events_2026_q4.';

revoke execute on function chronicle.partition_name(text, timestamptz) from public;

-- New partitions follow each other without a gap, whatever the interval was before, so that
-- DEFAULT only ever holds a contiguous future. A gap that somebody tore is closed again. Bounds
-- are times in UTC; the setting of the session is pinned because they are read back from the
-- catalog as text.
--
-- Attaching a partition locks DEFAULT, which writers do not touch, but readers of the whole log
-- do: they queue behind this call, and it behind them. The time-out bounds that; the caller
-- tries again.
create or replace function chronicle.ensure_partitions(_ahead integer default null)
returns setof text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '3s'
set timezone = 'UTC'
set datestyle = 'ISO'
as $$
declare
    v_ahead constant integer := coalesce(
        _ahead,
        (select s.value::integer from chronicle.settings as s where s.name = 'partitions_ahead')
    );
    v_interval constant text := (
        select s.value #>> '{}' from chronicle.settings as s where s.name = 'partition_interval'
    );
    v_span constant interval := case v_interval
        when 'quarter' then '3 months' else '1 ' || v_interval
    end;
    v_present constant timestamptz := date_trunc(v_interval, now());
    v_existing tstzrange[];
    v_from timestamptz;
    v_to timestamptz;
    v_name name;
    v_guard text;
begin
    if v_ahead not between 0 and 1000 then
        raise exception '_ahead must be between 0 and 1000, not %', v_ahead
            using errcode = 'invalid_parameter_value',
                hint = 'It counts partitions beyond the present one.';
    end if;

    -- Two callers at once: the second waits, then finds the work done. Writers do not wait.
    lock table chronicle.events in share update exclusive mode;

    select array_agg(
        tstzrange(
            substring(b.bound from $r$FROM \('([^']+)'\)$r$)::timestamptz,
            substring(b.bound from $r$TO \('([^']+)'\)$r$)::timestamptz
        )
    )
    into v_existing
    from pg_catalog.pg_inherits as i
    inner join pg_catalog.pg_class as c on c.oid = i.inhrelid
    cross join lateral pg_get_expr(c.relpartbound, c.oid) as b (bound)
    where i.inhparent = 'chronicle.events'::regclass and b.bound <> 'DEFAULT';

    if v_existing is null then
        perform chronicle.add_partition('events_earlier', format(
            'for values from (minvalue) to (%L)', v_present
        ));
        perform chronicle.add_partition('events_default', 'default');
        return next 'events_earlier';
        return next 'events_default';
        v_existing := array[tstzrange(null, v_present)];
    end if;

    select min(upper(e.bounds)) into v_from from unnest(v_existing) as e (bounds);
    while v_from <= v_present + v_ahead * v_span
        or v_from < (select max(upper(e.bounds)) from unnest(v_existing) as e (bounds))
    loop
        select upper(e.bounds) into v_to
        from unnest(v_existing) as e (bounds)
        where lower(e.bounds) = v_from;
        if found then
            v_from := v_to;
            continue;
        end if;

        select least(min(lower(e.bounds)), date_trunc(v_interval, v_from) + v_span) into v_to
        from unnest(v_existing) as e (bounds)
        where lower(e.bounds) > v_from;
        v_name := chronicle.partition_name(v_interval, v_from);
        perform chronicle.add_partition(
            v_name, format('for values from (%L) to (%L)', v_from, v_to)
        );
        return next v_name::text;
        v_from := v_to;
    end loop;

    -- A restore that left triggers out leaves those behind firing less than always.
    for v_guard in
        select t.tgrelid::regclass || ' enable always trigger ' || quote_ident(t.tgname)
        from pg_catalog.pg_trigger as t
        inner join pg_catalog.pg_proc as p on p.oid = t.tgfoid
        where p.pronamespace = 'chronicle'::regnamespace
            and p.proname in ('reject_change', 'check_erasure')
            and t.tgenabled <> 'A'
    loop
        execute 'alter table ' || v_guard;
    end loop;
end
$$;

comment on function chronicle.ensure_partitions(integer) is
'Makes the partitions of chronicle.events that are missing, up to the present one and _ahead more,
and returns their names. Harmless to repeat. Writers do not wait for it. Who reads the whole log
does, until the transaction ends, and so does a writer who gives an event an id of version 7, since
that is looked up. It waits for them 3 seconds at most.
_ahead: how many beyond the present one; null: the setting partitions_ahead.
Errors: 22023 outside 0 to 1000; 55P03 when readers of the log do not make way: try again; 23514
when events already lie in events_default where a partition is due.';

revoke execute on function chronicle.ensure_partitions(integer) from public;
grant execute on function chronicle.ensure_partitions(integer) to chronicle_admin;

-- The lean indexes stand in log/events.sql; this list says why, and what closed partitions get
-- besides. A test holds the lean rows against the catalog.
create view chronicle.index_profiles as
select
    p.profile,
    p.index_name,
    p.definition,
    p.purpose
from (
    values
    (
        'lean', 'pkey', 'btree (event_id, occurred_at)',
        'One event by its id'
    ),
    (
        'lean', 'organization_id_occurred_at_idx',
        'btree (organization_id, occurred_at) where organization_id is not null',
        'What happened in an organization; serves row-level security'
    ),
    (
        'lean', 'resource_id_resource_type_occurred_at_idx',
        'btree (resource_id, resource_type, occurred_at) where resource_id is not null',
        'What happened to a record'
    ),
    (
        'lean', 'actor_id_occurred_at_idx',
        'btree (actor_id, occurred_at) where actor_id is not null',
        'What an actor did'
    ),
    (
        'lean', 'occurred_at_idx', 'btree (occurred_at) where organization_id is null',
        'System-wide events by time'
    ),
    (
        'lean', 'epoch_transaction_id_seq_idx', 'btree (epoch, transaction_id, seq)',
        'The order of sealing and of the stream; all events of a transaction'
    ),
    (
        'lean', 'epoch_settled_after_seq_idx',
        'btree (epoch, settled_after, seq) where settled_after is not null',
        'The order of the stream, for events that a later transaction overtook'
    ),
    (
        'lean', 'table_id_expr_idx',
        'btree (table_id, (related_resources -> 0 ->> ''resource_id'')) '
        'where table_id is not null and related_resources is not null',
        'The captured update that gave a record another key, by the key before'
    ),
    ('closed', 'time', 'btree (occurred_at)', 'Everything by time'),
    ('closed', 'action', 'btree (action, occurred_at)', 'One action by time'),
    (
        'closed', 'table_organization', 'btree (table_id, organization_id, occurred_at)',
        'Changes of a table in an organization'
    ),
    (
        'closed', 'actor_organization', 'btree (actor_id, organization_id, occurred_at)',
        'What an actor did in an organization'
    ),
    (
        'closed', 'severity', 'btree (severity, occurred_at) where severity <> ''info''',
        'What went wrong'
    ),
    (
        'closed', 'status', 'btree (error_code, occurred_at) where status = ''failure''',
        'Failures by code'
    ),
    ('closed', 'ai', 'btree (occurred_at) where is_ai_action', 'What AIs did'),
    (
        'closed', 'ai_operation', 'btree (ai_operation_id) where ai_operation_id is not null',
        'One AI operation'
    ),
    ('closed', 'request', 'btree (request_id) where request_id is not null', 'One request'),
    ('closed', 'session', 'btree (session_id) where session_id is not null', 'One session'),
    ('closed', 'trace', 'btree (trace_id) where trace_id is not null', 'One distributed trace'),
    ('closed', 'operation', 'btree (operation_id) where operation_id is not null', 'One operation'),
    ('closed', 'action_meta', 'gin (action_meta jsonb_path_ops)', 'Search in the metadata'),
    (
        'closed', 'details_before', 'gin (details_before jsonb_path_ops)',
        'Search in the state before'
    ),
    (
        'closed', 'details_after', 'gin (details_after jsonb_path_ops)',
        'Search in the state after'
    )
) as p (profile, index_name, definition, purpose);

comment on view chronicle.index_profiles is
'Which indexes a partition of chronicle.events has, and what for: lean while it takes writes, closed
besides when it no longer does.';
comment on column chronicle.index_profiles.profile is
'lean or closed.';
comment on column chronicle.index_profiles.index_name is
'The end of the index''s name; the partition''s name stands before it.';
comment on column chronicle.index_profiles.definition is
'Method, columns and condition.';
comment on column chronicle.index_profiles.purpose is
'The question it answers.';

revoke all on chronicle.index_profiles from public;
grant select on chronicle.index_profiles to chronicle_reader, chronicle_admin;

-- Runs as the sealer, who reads events: the writer does not, and must not reuse an id.
create or replace function chronicle.is_event_recorded(_event_id uuid)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
    select exists (select from chronicle.events as e where e.event_id = _event_id)
$$;

comment on function chronicle.is_event_recorded(uuid) is
'Private. Whether any event has this id.';

revoke execute on function chronicle.is_event_recorded(uuid) from public;
grant execute on function chronicle.is_event_recorded(uuid) to chronicle_writer;
alter function chronicle.is_event_recorded(uuid) owner to chronicle_sealer;

-- Two sessions with one id: the second waits at the insert for the first to end, and then finds its
-- digest or the id free. Under REPEATABLE READ it gets a serialization failure instead, and is
-- retried.
create or replace function chronicle.claim_event_id(_event_id uuid, _content jsonb)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_digest constant bytea := sha256(convert_to(_content::text, 'UTF8'));
begin
    insert into chronicle.event_keys (event_id, content_digest) values (_event_id, v_digest)
    on conflict (event_id) do nothing;
    if found then
        -- Ids that the server makes are of version 7, and of imported events 8; to look for another
        -- would lock partitions for nothing.
        if substr(_event_id::text, 15, 1) in ('7', '8')
            and chronicle.is_event_recorded(_event_id)
        then
            raise exception 'the event id % is taken', _event_id
                using errcode = 'ZC001',
                    detail = 'An event that got its id from the server, or an import, has it.',
                    hint = 'Make a new id for each event, and repeat it only to retry that event.';
        end if;
        return true;
    end if;

    if v_digest <> (
        select k.content_digest from chronicle.event_keys as k where k.event_id = _event_id
    ) then
        raise exception 'the event id % was used for another event', _event_id
            using errcode = 'ZC001',
                detail = 'What is recorded under it differs in content, in actor or in context.',
                hint = 'Make a new id for each event, and repeat it only to retry that event.';
    end if;
    return false;
end
$$;

comment on function chronicle.claim_event_id(uuid, jsonb) is
'Private. Claims an id that a caller gave. Returns whether the event is still to be recorded.
_content: all that makes the event what it is. Errors: ZC001 when the id belongs to another event.';

revoke execute on function chronicle.claim_event_id(uuid, jsonb) from public;
grant execute on function chronicle.claim_event_id(uuid, jsonb) to chronicle_writer;

-- Only for hints, so a plain measure does: half the groups of three letters of the shorter name are
-- shared.
create or replace function chronicle.similar_names(_name text, _names text[])
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select string_agg(quote_literal(s.name), ', ' order by s.shared desc, s.name)
    from (
        select n.name, count(*) as shared
        from unnest(_names) as n (name)
        cross join lateral generate_series(1, length(n.name) + 2) as i (place)
        where position(
            substr('  ' || lower(n.name) || ' ', i.place, 3) in '  ' || lower(_name) || ' '
        ) > 0
        group by n.name
        having 2 * count(*) >= least(length(n.name), length(_name)) + 2
        order by count(*) desc, n.name
        limit 3
    ) as s
$$;

comment on function chronicle.similar_names(text, text[]) is
'Private. Up to three of the names that look like _name, quoted and joined for a hint; null for
none.';

revoke execute on function chronicle.similar_names(text, text[]) from public;
grant execute on function chronicle.similar_names(text, text[])
to chronicle_writer, chronicle_app, chronicle_admin;

create or replace function chronicle.check_registered(
    _resource_type text, _action text, _enforce_resource_types boolean, _enforce_actions boolean
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_similar text;
begin
    if _enforce_resource_types
        and not exists (select from chronicle.resource_types as r where r.name = _resource_type)
    then
        v_similar := chronicle.similar_names(
            _resource_type, array(select r.name from chronicle.resource_types as r)
        );
        raise exception 'the resource type "%" is not registered', _resource_type
            using errcode = 'ZC002',
                detail = 'The setting enforce_resource_types is on.',
                hint = coalesce('Did you mean ' || v_similar || '? ', '')
                    || 'Register it with chronicle.register_resource_type.';
    end if;

    if _enforce_actions
        and not exists (select from chronicle.actions as a where a.name = _action)
    then
        v_similar := chronicle.similar_names(
            _action, array(select a.name from chronicle.actions as a)
        );
        raise exception 'the action "%" is not registered', _action
            using errcode = 'ZC002',
                detail = 'The setting enforce_actions is on.',
                hint = coalesce('Did you mean ' || v_similar || '? ', '')
                    || 'Register it with chronicle.register_action.';
    end if;
end
$$;

comment on function chronicle.check_registered(text, text, boolean, boolean) is
'Private. Raises ZC002 for a resource type or an action that is not registered while that is
enforced.';

revoke execute on function chronicle.check_registered(text, text, boolean, boolean) from public;
grant execute on function chronicle.check_registered(text, text, boolean, boolean)
to chronicle_writer;

-- Stands apart so that the writing path holds one test and no text. The order is that of the
-- reader: what is missing first, then what is wrong.
create or replace function chronicle.refuse_event(
    _actor_type chronicle.actor_type,
    _action_type chronicle.action_type,
    _occurred_at timestamptz,
    _duration_ms integer,
    _names text[],
    _document_types jsonb,
    _size bigint,
    _size_limit integer
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_field text := case
        when _actor_type is null then '_actor_type'
        when _action_type is null then '_action_type'
        when nullif(_names[1], '') is null then '_resource_type'
    end;
    v_type text;
    v_length integer;
begin
    if v_field is not null then
        raise exception 'an event needs %', v_field
            using errcode = 'null_value_not_allowed',
                detail = '_actor_type, _action_type and _resource_type are required.',
                hint = case v_field
                    when '_actor_type' then 'Pass it, or say who acts with chronicle.set_context.'
                    else format('Pass %s => ''...''.', v_field)
                end;
    end if;

    select n.field, octet_length(n.name) into v_field, v_length
    from unnest(
        _names, array['_resource_type', '_resource_id', '_actor_id', '_organization_id']
    ) as n (name, field)
    where octet_length(n.name) > 1000 and n.field is not null
    limit 1;
    if found then
        raise exception '% has % bytes, more than 1000', v_field, v_length
            using errcode = 'program_limit_exceeded',
                detail = 'It is indexed, and an index holds no longer entries.',
                hint = 'Use a shorter name or its digest here, '
                    'and put the long one into _action_meta.';
    elsif starts_with(_names[1], 'chronicle.') or starts_with(_names[5], 'chronicle.') then
        raise exception 'the name % is reserved', case
            when starts_with(_names[1], 'chronicle.') then _names[1] else _names[5]
        end
            using errcode = 'reserved_name',
                detail = 'Events about "chronicle." tell what was done to pgchronicle itself.',
                hint = 'Give the resource type or action another name.';
    elsif _duration_ms < 0 then
        raise exception '_duration_ms is %, less than 0', _duration_ms
            using errcode = 'invalid_parameter_value',
                hint = 'A duration is a number of milliseconds. '
                    'Did the clock go back? Leave it out.';
    elsif not isfinite(_occurred_at) then
        raise exception '_occurred_at is %', _occurred_at
            using errcode = 'invalid_parameter_value',
                hint = 'Leave it out if the event happens now.';
    elsif _occurred_at < '0001-01-01 00:00:00+00' then
        raise exception '_occurred_at lies before the year 1: %', _occurred_at
            using errcode = 'invalid_parameter_value',
                detail = 'Many languages have no such time, and could not read the event.',
                hint = 'Leave it out if the event happens now.';
    elsif _occurred_at > clock_timestamp() + interval '5 minutes' then
        raise exception '_occurred_at lies in the future: %', _occurred_at
            using errcode = 'invalid_parameter_value',
                detail = format(
                    'The server''s clock says %s; five minutes ahead are allowed.',
                    clock_timestamp()
                ),
                hint = 'Leave it out if the event happens now.';
    elsif _size > _size_limit then
        raise exception 'the event has % bytes, more than %', _size, _size_limit
            using errcode = 'program_limit_exceeded',
                hint = 'Store the document elsewhere and log where it is and its digest, '
                    'or raise the setting payload_limit_bytes.';
    end if;

    select f.key, f.value #>> '{}' into v_field, v_type
    from jsonb_each(_document_types) as f
    where f.value <> 'null'
        and f.value <> case f.key
            when '_related_resources' then '"array"' else '"object"'
        end::jsonb
    order by f.key
    limit 1;
    raise exception '% must be a JSON %, not %',
        v_field, case v_field when '_related_resources' then 'array' else 'object' end, v_type
        using errcode = 'invalid_parameter_value',
            hint = case
                when v_field = '_related_resources'
                    then 'For example [{"resource_type": "ticket", "resource_id": "7"}].'
                else 'Wrap the value: jsonb_build_object(''value'', ...).'
            end;
end
$$;

comment on function chronicle.refuse_event(
    chronicle.actor_type, chronicle.action_type, timestamptz, integer, text[], jsonb, bigint,
    integer
) is
'Private. Raises what is wrong with an event that chronicle.log_audit_event was given.
_names: resource type, resource, actor, organization and action.
Errors: 42939 for a reserved name; 22004 for a missing field, 22023 for a wrong one, 54000 for too
large an event.';

revoke execute on function chronicle.refuse_event(
    chronicle.actor_type, chronicle.action_type, timestamptz, integer, text[], jsonb, bigint,
    integer
) from public;
grant execute on function chronicle.refuse_event(
    chronicle.actor_type, chronicle.action_type, timestamptz, integer, text[], jsonb, bigint,
    integer
) to chronicle_writer;

-- A value of some bytes may have a thousand times as many as text (1e100000), and what can not be
-- written as text can be neither read nor sealed: one such event would stop the sealing of all.
create or replace function chronicle.is_too_long(_documents jsonb[])
returns boolean
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select sum(octet_length(d.document::text)) from unnest(_documents) as d (document)
    ) > 268435456;
exception when program_limit_exceeded or out_of_memory then
    return true;
end
$$;

comment on function chronicle.is_too_long(jsonb[]) is
'Private. Whether documents have more than 256 MB together, written as text.';

revoke execute on function chronicle.is_too_long(jsonb[]) from public;
grant execute on function chronicle.is_too_long(jsonb[]) to
chronicle_writer, chronicle_table_reader;

-- Recursive, and slow beside what surrounds it: callers first ask whether there is anything to
-- mask.
create or replace function chronicle.mask_keys(_value jsonb, _masked_key text)
returns jsonb
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
    return case jsonb_typeof(_value)
        when 'object' then (
            select coalesce(
                jsonb_object_agg(
                    f.key,
                    case
                        when f.key !~* ('^' || _masked_key || '$')
                            then chronicle.mask_keys(f.value, _masked_key)
                        when f.value = 'null' then f.value
                        else '"[masked]"'
                    end
                ),
                '{}'
            )
            from jsonb_each(_value) as f
        )
        when 'array' then (
            select coalesce(
                jsonb_agg(chronicle.mask_keys(e.element, _masked_key) order by e.place), '[]'
            )
            from jsonb_array_elements(_value) with ordinality as e (element, place)
        )
        else _value
    end;
end
$$;

comment on function chronicle.mask_keys(jsonb, text) is
'Private. The JSON value with "[masked]" in place of the values of the given keys, at any depth;
null values stay. _masked_key: as chronicle.masked_key.';

revoke execute on function chronicle.mask_keys(jsonb, text) from public;
grant execute on function chronicle.mask_keys(jsonb, text) to
chronicle_writer, chronicle_table_reader, chronicle_app, chronicle_reader, chronicle_admin;

-- For chronicle.changes; log_audit_event has the same loop written out, since a call costs twice as
-- much. Values are compared as text: jsonb holds 1.0 and 1.00 for equal, a record does not. A loop
-- without a query: for the few keys of an event it costs 4 microseconds, where a query costs 6 and
-- more, and an SQL function, planned at each call of its caller, 40.
create or replace function chronicle.changed_keys(_before jsonb, _after jsonb)
returns text[]
language plpgsql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
declare
    v_keys constant jsonb := jsonb_path_query_array(_before || _after, '$.keyvalue().key');
    v_key text;
    v_changed text[] := '{}';
begin
    for i in 0 .. jsonb_array_length(v_keys) - 1 loop
        v_key := v_keys ->> i;
        if (_before -> v_key)::text is distinct from (_after -> v_key)::text then
            v_changed := array_append(v_changed, v_key);
        end if;
    end loop;
    return v_changed;
end
$$;

comment on function chronicle.changed_keys(jsonb, jsonb) is
'Private. The keys whose values differ between two JSON objects; null if either is null.';

revoke execute on function chronicle.changed_keys(jsonb, jsonb) from public;
grant execute on function chronicle.changed_keys(jsonb, jsonb)
to chronicle_writer, chronicle_reader, chronicle_app;

create or replace function chronicle.changes(_before jsonb, _after jsonb)
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(
        jsonb_object_agg(
            k.key,
            case
                when _before ? k.key then jsonb_build_object('old', _before -> k.key) else '{}'
            end
            || case
                when _after ? k.key then jsonb_build_object('new', _after -> k.key) else '{}'
            end
        ),
        '{}'
    )
    from unnest(
        chronicle.changed_keys(coalesce(_before, '{}'), coalesce(_after, '{}'))
    ) as k (key)
$$;

comment on function chronicle.changes(jsonb, jsonb) is
'The structured difference of two states: an object with a key for each that differs, whose value
holds "old" where the key was there before and "new" where it is there after. A null state counts as
empty.';

revoke execute on function chronicle.changes(jsonb, jsonb) from public;
grant execute on function chronicle.changes(jsonb, jsonb) to chronicle_app, chronicle_reader;

-- The one door for what applications log. Runs as the writer, who may insert and nothing else.
--
-- One signature: overloads by type would be ambiguous for literals. The three ids are
-- anycompatible, so text, uuid and integers go in without a cast, and any of them may be left out.
-- They become text by format('%s', ...), the output function of their type: "::text" would run a
-- cast that a user made for a type of theirs, with the writer's rights.
--
-- row_security is pinned because every script of pg_dump turns it off, and the server then refuses
-- what a policy would have allowed.
--
-- Every statement here is paid by every caller. What is rare (a context, masking, an id from the
-- caller) costs one test when absent, and what is wrong is put into words elsewhere.
create or replace function chronicle.log_audit_event(
    _organization_id anycompatible default null,
    _actor_id anycompatible default null,
    _actor_type chronicle.actor_type default null,
    _ip_address inet default null,
    _user_agent text default null,
    _action_type chronicle.action_type default null,
    _action_description text default null,
    _action_meta jsonb default null,
    _resource_type text default null,
    _resource_id anycompatible default null,
    _related_resources jsonb default null,
    _details_before jsonb default null,
    _details_after jsonb default null,
    _ai_metadata jsonb default null,
    _session_id text default null,
    _request_id text default null,
    _client_info jsonb default null,
    _duration_ms integer default null,
    _severity chronicle.severity_level default null,
    _status chronicle.event_status default null,
    _error_code text default null,
    _error_message text default null,
    _action text default null,
    _actor_role text default null,
    _impersonator_id text default null,
    _is_ai_action boolean default null,
    _reason text default null,
    _trace_id text default null,
    _operation_id text default null,
    _parent_event_id uuid default null,
    _ai_operation_id uuid default null,
    _occurred_at timestamptz default null,
    _event_id uuid default null
)
returns uuid
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_context chronicle.event_context;
    -- Asking the system for random bytes is the dearest of its kind here, so it is asked once; the
    -- salt can not be found from the id.
    v_payload_salt constant uuid := gen_random_uuid();
    v_event_id constant uuid := coalesce(_event_id, chronicle.uuid_v7_from(v_payload_salt));
    v_organization_id text := nullif(format('%s', _organization_id), '');
    v_actor_id text := nullif(format('%s', _actor_id), '');
    v_resource_id constant text := nullif(format('%s', _resource_id), '');
    v_action text;
    v_context_state text := 'absent';
    v_keys jsonb;
    v_changed_columns text[];
    v_documents text;
    v_size bigint;
begin
    if coalesce(current_setting('chronicle.context', true), '') <> ''
        or coalesce(current_setting('request.jwt.claims', true), '') <> ''
    then
        v_context := chronicle.resolve_context();
        v_context_state := v_context.context_state;
        -- What the call says of who acts is not verified, unless it is the same.
        if v_context_state = 'verified' and (
            _actor_type is not null and _actor_type is distinct from v_context.actor_type
            or v_actor_id is not null and v_actor_id is distinct from v_context.actor_id
            or _actor_role is not null and _actor_role is distinct from v_context.actor_role
            or _impersonator_id is not null
                and _impersonator_id is distinct from v_context.impersonator_id
        ) then
            v_context_state := 'asserted';
        end if;
        -- Who acts is one thing: the id and the role of one actor never complete another.
        if coalesce(v_actor_id = v_context.actor_id, v_actor_id is null)
            and coalesce(_actor_type = v_context.actor_type, true)
        then
            v_actor_id := v_context.actor_id;
            _actor_role := coalesce(_actor_role, v_context.actor_role);
        end if;
        _actor_type := coalesce(_actor_type, v_context.actor_type);
        _impersonator_id := coalesce(_impersonator_id, v_context.impersonator_id);
        v_organization_id := coalesce(v_organization_id, v_context.organization_id);
        _session_id := coalesce(_session_id, v_context.session_id);
        _request_id := coalesce(_request_id, v_context.request_id);
        _trace_id := coalesce(_trace_id, v_context.trace_id);
        _operation_id := coalesce(_operation_id, v_context.operation_id);
        _ip_address := coalesce(_ip_address, v_context.ip_address);
        _user_agent := coalesce(_user_agent, v_context.user_agent);
        _client_info := coalesce(nullif(_client_info, 'null'), v_context.client_info);
        _reason := coalesce(_reason, v_context.reason);
        _ai_operation_id := coalesce(_ai_operation_id, v_context.ai_operation_id);
    end if;

    -- Who has nothing to say in a language that knows only JSON's null says that.
    if 'null' in (
        jsonb_typeof(_action_meta), jsonb_typeof(_related_resources), jsonb_typeof(_details_before),
        jsonb_typeof(_details_after), jsonb_typeof(_ai_metadata), jsonb_typeof(_client_info)
    ) then
        _action_meta := nullif(_action_meta, 'null');
        _related_resources := nullif(_related_resources, 'null');
        _details_before := nullif(_details_before, 'null');
        _details_after := nullif(_details_after, 'null');
        _ai_metadata := nullif(_ai_metadata, 'null');
        _client_info := nullif(_client_info, 'null');
    end if;

    v_action := coalesce(nullif(_action, ''), _resource_type || '.' || _action_type);
    v_documents := concat(
        _action_meta, _related_resources, _details_before, _details_after, _ai_metadata,
        _client_info
    );
    v_size := octet_length(v_documents) + octet_length(concat(
        v_action, _action_description, _reason, _actor_role, _impersonator_id, _error_code,
        _error_message, _session_id, _request_id, _trace_id, _operation_id, _user_agent
    ));

    if _actor_type is null or _action_type is null or coalesce(_resource_type, '') = ''
        or greatest(
            octet_length(v_organization_id), octet_length(v_actor_id), octet_length(v_resource_id),
            octet_length(_resource_type)
        ) > 1000
        or _duration_ms < 0
        or not isfinite(_occurred_at) or _occurred_at < '0001-01-01 00:00:00+00'
        or _occurred_at > clock_timestamp() + interval '5 minutes'
        or jsonb_typeof(_action_meta) <> 'object' or jsonb_typeof(_related_resources) <> 'array'
        or jsonb_typeof(_details_before) <> 'object' or jsonb_typeof(_details_after) <> 'object'
        or jsonb_typeof(_ai_metadata) <> 'object' or jsonb_typeof(_client_info) <> 'object'
        or v_size > chronicle.payload_limit_bytes()
        or starts_with(_resource_type, 'chronicle.') or starts_with(v_action, 'chronicle.')
    then
        perform chronicle.refuse_event(
            _actor_type, _action_type, _occurred_at, _duration_ms,
            array[_resource_type, v_resource_id, v_actor_id, v_organization_id, v_action],
            jsonb_build_object(
                '_action_meta', jsonb_typeof(_action_meta),
                '_related_resources', jsonb_typeof(_related_resources),
                '_details_before', jsonb_typeof(_details_before),
                '_details_after', jsonb_typeof(_details_after),
                '_ai_metadata', jsonb_typeof(_ai_metadata),
                '_client_info', jsonb_typeof(_client_info)
            ),
            v_size, chronicle.payload_limit_bytes()
        );
    end if;
    if chronicle.enforces_resource_types() or chronicle.enforces_actions() then
        perform chronicle.check_registered(
            _resource_type, v_action,
            chronicle.enforces_resource_types(), chronicle.enforces_actions()
        );
    end if;

    -- Compared before masking: that a password changed is no secret. This is chronicle.changed_keys
    -- written out; to call it would cost twice as much.
    if _details_before is not null and _details_after is not null then
        v_changed_columns := '{}';
        v_keys := jsonb_path_query_array(_details_before || _details_after, '$.keyvalue().key');
        for i in 0 .. jsonb_array_length(v_keys) - 1 loop
            if (_details_before -> (v_keys ->> i))::text
                is distinct from (_details_after -> (v_keys ->> i))::text
            then
                v_changed_columns := array_append(v_changed_columns, v_keys ->> i);
            end if;
        end loop;
    end if;
    if v_documents ~* chronicle.masked_key_start()
        and v_documents ~* ('"' || chronicle.masked_key() || '":')
    then
        _action_meta := chronicle.mask_keys(_action_meta, chronicle.masked_key());
        _related_resources := chronicle.mask_keys(_related_resources, chronicle.masked_key());
        _details_before := chronicle.mask_keys(_details_before, chronicle.masked_key());
        _details_after := chronicle.mask_keys(_details_after, chronicle.masked_key());
        _ai_metadata := chronicle.mask_keys(_ai_metadata, chronicle.masked_key());
        _client_info := chronicle.mask_keys(_client_info, chronicle.masked_key());
    end if;

    if _event_id is not null and not chronicle.claim_event_id(
        _event_id,
        jsonb_build_array(
            v_organization_id, _actor_type, v_actor_id, _actor_role, _impersonator_id,
            _is_ai_action, session_user, v_context_state, _action_type, v_action,
            _action_description, _action_meta, _reason, _resource_type, v_resource_id,
            _related_resources, _details_before, _details_after, _ai_metadata, _ai_operation_id,
            _severity, _status, _error_code, _error_message, _duration_ms, _session_id,
            _request_id, _trace_id, _operation_id, _parent_event_id, _ip_address, _user_agent,
            _client_info, extract(epoch from _occurred_at)
        )
    )
    then
        return _event_id;
    end if;

    insert into chronicle.events (
        event_id, payload_salt, occurred_at, organization_id, actor_type, actor_id, actor_role,
        impersonator_id, is_ai_action, db_user, context_state, origin, action_type, action,
        action_description, action_meta, reason, resource_type, resource_id, related_resources,
        details_before, details_after, changed_columns, ai_metadata, ai_operation_id, severity,
        status, error_code, error_message, duration_ms, session_id, request_id, trace_id,
        operation_id, parent_event_id, ip_address, user_agent, client_info
    ) values (
        v_event_id, v_payload_salt, coalesce(_occurred_at, clock_timestamp()), v_organization_id,
        _actor_type, v_actor_id, _actor_role, _impersonator_id,
        coalesce(_is_ai_action, _actor_type = 'ai' or _ai_operation_id is not null), session_user,
        v_context_state, 'logged', _action_type, v_action, _action_description, _action_meta,
        _reason, _resource_type, v_resource_id, _related_resources, _details_before,
        _details_after, v_changed_columns, _ai_metadata, _ai_operation_id,
        coalesce(_severity, 'info'), coalesce(_status, 'success'), _error_code, _error_message,
        _duration_ms, _session_id, _request_id, _trace_id, _operation_id, _parent_event_id,
        _ip_address, _user_agent, _client_info
    );
    return v_event_id;
end
$$;

comment on function chronicle.log_audit_event(
    anycompatible, anycompatible, chronicle.actor_type, inet, text, chronicle.action_type,
    text, jsonb, text, anycompatible, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, integer,
    chronicle.severity_level, chronicle.event_status, text, text, text, text, text, boolean,
    text, text, text, uuid, uuid, timestamptz, uuid
) is
'Records one event in the caller''s transaction and returns its id. Call it with named arguments;
each is the column of chronicle.events of that name, and what is left out comes from the context.
_actor_type, _action_type and _resource_type are required unless the context supplies them.
_organization_id, _actor_id, _resource_id: text, uuid or integers, all of one type in one call; cast
each to text to mix types. _organization_id null: a system-wide event. _action: by default
resource_type.action_type. _action_meta, _details_before, _details_after, _ai_metadata,
_client_info: JSON objects; _related_resources: a JSON array; JSON null counts as left out. Keys in
the setting masked_keys are masked. _duration_ms: milliseconds. _severity: info by default.
_status: success by default. _occurred_at: now by default, from the year 1 to 5 minutes ahead.
_event_id: makes a retry safe; the same id with the same content is recorded once, and returned.
Errors: 22004 for a missing field; 22023 for a wrong one; 22P02 for an unknown label or a bad
address; 54000 above the setting payload_limit_bytes; ZC001 for an id used for another event; ZC002
for a name that is not registered while that is enforced. A failure that is logged in a transaction
rolls back with it.';

revoke execute on function chronicle.log_audit_event(
    anycompatible, anycompatible, chronicle.actor_type, inet, text, chronicle.action_type,
    text, jsonb, text, anycompatible, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, integer,
    chronicle.severity_level, chronicle.event_status, text, text, text, text, text, boolean,
    text, text, text, uuid, uuid, timestamptz, uuid
) from public;
grant execute on function chronicle.log_audit_event(
    anycompatible, anycompatible, chronicle.actor_type, inet, text, chronicle.action_type,
    text, jsonb, text, anycompatible, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, integer,
    chronicle.severity_level, chronicle.event_status, text, text, text, text, text, boolean,
    text, text, text, uuid, uuid, timestamptz, uuid
) to chronicle_app;
alter function chronicle.log_audit_event(
    anycompatible, anycompatible, chronicle.actor_type, inet, text, chronicle.action_type,
    text, jsonb, text, anycompatible, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, integer,
    chronicle.severity_level, chronicle.event_status, text, text, text, text, text, boolean,
    text, text, text, uuid, uuid, timestamptz, uuid
) owner to chronicle_writer;

-- A change of owner turns the old owner's right into the new one's, so it is granted again by that
-- one.
set local role chronicle_writer;
grant execute on function chronicle.log_audit_event(
    anycompatible, anycompatible, chronicle.actor_type, inet, text, chronicle.action_type,
    text, jsonb, text, anycompatible, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, integer,
    chronicle.severity_level, chronicle.event_status, text, text, text, text, text, boolean,
    text, text, text, uuid, uuid, timestamptz, uuid
) to chronicle_owner;
set local role chronicle_owner;

create or replace function chronicle.read_event_set(_events jsonb)
returns table (
    place bigint,
    event jsonb,
    organization_id text,
    actor_id text,
    actor_type chronicle.actor_type,
    ip_address inet,
    user_agent text,
    action_type chronicle.action_type,
    action_description text,
    action_meta jsonb,
    resource_type text,
    resource_id text,
    related_resources jsonb,
    details_before jsonb,
    details_after jsonb,
    ai_metadata jsonb,
    session_id text,
    request_id text,
    client_info jsonb,
    duration_ms integer,
    severity chronicle.severity_level,
    status chronicle.event_status,
    error_code text,
    error_message text,
    action text,
    actor_role text,
    impersonator_id text,
    is_ai_action boolean,
    reason text,
    trace_id text,
    operation_id text,
    parent_event_id uuid,
    ai_operation_id uuid,
    occurred_at timestamptz
)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select
        e.place, e.event, nullif(e.organization_id, ''), nullif(e.actor_id, ''), e.actor_type,
        e.ip_address, e.user_agent, e.action_type, e.action_description, e.action_meta,
        e.resource_type, nullif(e.resource_id, ''), e.related_resources, e.details_before,
        e.details_after, e.ai_metadata, e.session_id, e.request_id, e.client_info, e.duration_ms,
        e.severity, e.status, e.error_code, e.error_message,
        coalesce(nullif(e.action, ''), e.resource_type || '.' || e.action_type), e.actor_role,
        e.impersonator_id, e.is_ai_action, e.reason, e.trace_id, e.operation_id, e.parent_event_id,
        e.ai_operation_id, e.occurred_at
    from rows from (
        jsonb_array_elements(_events),
        jsonb_to_recordset(_events) as (
            organization_id text,
            actor_id text,
            actor_type chronicle.actor_type,
            ip_address inet,
            user_agent text,
            action_type chronicle.action_type,
            action_description text,
            action_meta jsonb,
            resource_type text,
            resource_id text,
            related_resources jsonb,
            details_before jsonb,
            details_after jsonb,
            ai_metadata jsonb,
            session_id text,
            request_id text,
            client_info jsonb,
            duration_ms integer,
            severity chronicle.severity_level,
            status chronicle.event_status,
            error_code text,
            error_message text,
            action text,
            actor_role text,
            impersonator_id text,
            is_ai_action boolean,
            reason text,
            trace_id text,
            operation_id text,
            parent_event_id uuid,
            ai_operation_id uuid,
            occurred_at timestamptz
        )
    ) with ordinality as e (
        event, organization_id, actor_id, actor_type, ip_address, user_agent, action_type,
        action_description, action_meta, resource_type, resource_id, related_resources,
        details_before, details_after, ai_metadata, session_id, request_id, client_info,
        duration_ms, severity, status, error_code, error_message, action, actor_role,
        impersonator_id, is_ai_action, reason, trace_id, operation_id, parent_event_id,
        ai_operation_id, occurred_at, place
    )
$$;

comment on function chronicle.read_event_set(jsonb) is
'Private. A JSON array of events as rows, as chronicle.log_audit_event reads its arguments.';

revoke execute on function chronicle.read_event_set(jsonb) from public;
grant execute on function chronicle.read_event_set(jsonb) to chronicle_writer;

-- Runs as the writer. A door beside chronicle.log_audit_event, for sets of ordinary events: in one
-- statement an event costs half. It records only what that function would record as it is, and
-- leaves the set alone if a single event needs more: a word about what is wrong, masking, an id of
-- the caller's, a look into a registry. tests/test_event_sets.py holds the two to each other.
--
-- The exception block holds no write.
create or replace function chronicle.record_event_set(_events jsonb)
returns uuid[]
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_fields constant text[] := array[
        'organization_id', 'actor_id', 'actor_type', 'ip_address', 'user_agent', 'action_type',
        'action_description', 'action_meta', 'resource_type', 'resource_id', 'related_resources',
        'details_before', 'details_after', 'ai_metadata', 'session_id', 'request_id', 'client_info',
        'duration_ms', 'severity', 'status', 'error_code', 'error_message', 'action', 'actor_role',
        'impersonator_id', 'is_ai_action', 'reason', 'trace_id', 'operation_id', 'parent_event_id',
        'ai_operation_id', 'occurred_at'
    ];
    v_context chronicle.event_context;
    v_is_ordinary boolean;
    v_transaction_id bigint;
    v_settled_after bigint;
    v_salts uuid[];
    v_ids uuid[];
begin
    v_context.context_state := 'absent';
    if coalesce(current_setting('chronicle.context', true), '') <> ''
        or coalesce(current_setting('request.jwt.claims', true), '') <> ''
    then
        v_context := chronicle.resolve_context();
    end if;

    begin
        if not (chronicle.enforces_resource_types() or chronicle.enforces_actions())
            and not coalesce(
                _events::text ~* chronicle.masked_key_start()
                and _events::text ~* ('"' || chronicle.masked_key() || '":'),
                false
            )
        then
            select
                bool_and(coalesce(
                    e.event - v_fields = '{}'
                    -- The context's part is no longer than that.
                    and octet_length(e.event::text) + 65536 < chronicle.payload_limit_bytes()
                    and coalesce(e.actor_type, v_context.actor_type) is not null
                    and e.action_type is not null
                    and e.resource_type <> ''
                    and not starts_with(e.resource_type, 'chronicle.')
                    and not starts_with(e.action, 'chronicle.')
                    and greatest(
                        octet_length(e.resource_type), octet_length(e.organization_id),
                        octet_length(e.actor_id), octet_length(e.resource_id)
                    ) <= 1000
                    and coalesce(e.duration_ms, 0) >= 0
                    and coalesce(e.occurred_at, now())
                    between '0001-01-01 00:00:00+00' and clock_timestamp() + interval '5 minutes'
                    and coalesce(jsonb_typeof(e.action_meta), 'object') = 'object'
                    and coalesce(jsonb_typeof(e.related_resources), 'array') = 'array'
                    and coalesce(jsonb_typeof(e.details_before), 'object') = 'object'
                    and coalesce(jsonb_typeof(e.details_after), 'object') = 'object'
                    and coalesce(jsonb_typeof(e.ai_metadata), 'object') = 'object'
                    and coalesce(jsonb_typeof(e.client_info), 'object') = 'object',
                    false
                ))
            into v_is_ordinary
            from chronicle.read_event_set(_events) as e;
        end if;
    exception when data_exception or program_limit_exceeded then
        v_is_ordinary := false;
    end;
    if v_is_ordinary is distinct from true then
        return null;
    end if;

    v_transaction_id := pg_current_xact_id()::text;
    v_settled_after := chronicle.settled_after(v_transaction_id);
    -- The system is asked for random bytes once an event; the salt can not be found from the id.
    select array_agg(gen_random_uuid()) into v_salts
    from generate_series(1, jsonb_array_length(_events));
    select array_agg(chronicle.uuid_v7_from(s.salt) order by s.place) into v_ids
    from unnest(v_salts) with ordinality as s (salt, place);

    insert into chronicle.events (
        event_id, payload_salt, transaction_id, settled_after,
        occurred_at, organization_id,
        actor_type,
        actor_id,
        actor_role,
        impersonator_id,
        is_ai_action,
        context_state,
        origin, action_type, action, action_description, action_meta,
        reason, resource_type, resource_id, related_resources,
        details_before, details_after, changed_columns,
        ai_metadata, ai_operation_id,
        severity, status, error_code, error_message,
        duration_ms, session_id,
        request_id, trace_id,
        operation_id, parent_event_id,
        ip_address, user_agent,
        client_info
    )
    select
        v_ids[e.place], v_salts[e.place], v_transaction_id, v_settled_after,
        coalesce(e.occurred_at, clock_timestamp()),
        coalesce(e.organization_id, v_context.organization_id),
        coalesce(e.actor_type, v_context.actor_type),
        case when a.is_of_context then v_context.actor_id else e.actor_id end,
        case
            when a.is_of_context then coalesce(e.actor_role, v_context.actor_role)
            else e.actor_role
        end,
        coalesce(e.impersonator_id, v_context.impersonator_id),
        coalesce(
            e.is_ai_action,
            coalesce(e.actor_type, v_context.actor_type) = 'ai'
            or coalesce(e.ai_operation_id, v_context.ai_operation_id) is not null
        ),
        case
            when v_context.context_state = 'verified' and (
                e.actor_type is not null and e.actor_type is distinct from v_context.actor_type
                or e.actor_id is not null and e.actor_id is distinct from v_context.actor_id
                or e.actor_role is not null and e.actor_role is distinct from v_context.actor_role
                or e.impersonator_id is not null
                    and e.impersonator_id is distinct from v_context.impersonator_id
            ) then 'asserted'
            else v_context.context_state
        end,
        'logged', e.action_type, e.action, e.action_description, e.action_meta,
        coalesce(e.reason, v_context.reason), e.resource_type, e.resource_id, e.related_resources,
        e.details_before, e.details_after,
        chronicle.changed_keys(e.details_before, e.details_after),
        e.ai_metadata, coalesce(e.ai_operation_id, v_context.ai_operation_id),
        coalesce(e.severity, 'info'), coalesce(e.status, 'success'), e.error_code, e.error_message,
        e.duration_ms, coalesce(e.session_id, v_context.session_id),
        coalesce(e.request_id, v_context.request_id), coalesce(e.trace_id, v_context.trace_id),
        coalesce(e.operation_id, v_context.operation_id), e.parent_event_id,
        coalesce(e.ip_address, v_context.ip_address), coalesce(e.user_agent, v_context.user_agent),
        coalesce(e.client_info, v_context.client_info)
    from chronicle.read_event_set(_events) as e
    cross join lateral (
        select
            coalesce(e.actor_id = v_context.actor_id, e.actor_id is null)
            and coalesce(e.actor_type = v_context.actor_type, true) as is_of_context
    ) as a
    order by e.place;
    return v_ids;
end
$$;

comment on function chronicle.record_event_set(jsonb) is
'Private. Records a set of events at once and returns their ids in its order; null, and nothing
recorded, when chronicle.log_audit_event has to see each of them.';

revoke execute on function chronicle.record_event_set(jsonb) from public;
grant execute on function chronicle.record_event_set(jsonb) to chronicle_app;
alter function chronicle.record_event_set(jsonb) owner to chronicle_writer;

-- A change of owner turns the old owner's right into the new one's, so it is granted again by that
-- one.
set local role chronicle_writer;
grant execute on function chronicle.record_event_set(jsonb) to chronicle_owner;
set local role chronicle_owner;

-- Runs with the caller's rights: chronicle.log_audit_event has what is needed. The exception block
-- is for the whole set, not for each event: it only says which one was refused, and everything is
-- undone.
create or replace function chronicle.log_audit_events(_events jsonb)
returns setof uuid
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_fields constant text[] := array[
        'organization_id', 'actor_id', 'actor_type', 'ip_address', 'user_agent', 'action_type',
        'action_description', 'action_meta', 'resource_type', 'resource_id', 'related_resources',
        'details_before', 'details_after', 'ai_metadata', 'session_id', 'request_id', 'client_info',
        'duration_ms', 'severity', 'status', 'error_code', 'error_message', 'action', 'actor_role',
        'impersonator_id', 'is_ai_action', 'reason', 'trace_id', 'operation_id', 'parent_event_id',
        'ai_operation_id', 'occurred_at', 'event_id'
    ];
    v_event jsonb;
    v_place integer := 0;
    v_unknown text;
    v_detail text;
    v_hint text;
    v_ids uuid[];
begin
    if jsonb_typeof(_events) is distinct from 'array' then
        raise exception '_events must be a JSON array, not %',
            coalesce(jsonb_typeof(_events), 'null')
            using errcode = 'invalid_parameter_value',
                hint = 'For one event: jsonb_build_array(event).';
    end if;

    v_ids := chronicle.record_event_set(_events);
    if v_ids is not null then
        return query select i.event_id from unnest(v_ids) as i (event_id);
        return;
    end if;

    for v_event in
        select e.event
        from jsonb_array_elements(_events) with ordinality as e (event, place)
        order by e.place
    loop
        v_place := v_place + 1;
        if jsonb_typeof(v_event) <> 'object' then
            raise exception 'it must be a JSON object, not %', jsonb_typeof(v_event)
                using errcode = 'invalid_parameter_value';
        end if;
        select k.key into v_unknown from jsonb_object_keys(v_event) as k (key)
        where k.key <> all(v_fields) limit 1;
        if found then
            raise exception 'it has an unknown field "%"', v_unknown
                using errcode = 'invalid_parameter_value',
                    hint = coalesce(
                        'Did you mean ' || chronicle.similar_names(v_unknown, v_fields) || '? ', ''
                    ) || 'Fields are the arguments of log_audit_event without the underscore.';
        end if;

        return next chronicle.log_audit_event(
            _organization_id => v_event ->> 'organization_id',
            _actor_id => v_event ->> 'actor_id',
            _actor_type => (v_event ->> 'actor_type')::chronicle.actor_type,
            _ip_address => (v_event ->> 'ip_address')::inet,
            _user_agent => v_event ->> 'user_agent',
            _action_type => (v_event ->> 'action_type')::chronicle.action_type,
            _action_description => v_event ->> 'action_description',
            _action_meta => v_event -> 'action_meta',
            _resource_type => v_event ->> 'resource_type',
            _resource_id => v_event ->> 'resource_id',
            _related_resources => v_event -> 'related_resources',
            _details_before => v_event -> 'details_before',
            _details_after => v_event -> 'details_after',
            _ai_metadata => v_event -> 'ai_metadata',
            _session_id => v_event ->> 'session_id',
            _request_id => v_event ->> 'request_id',
            _client_info => v_event -> 'client_info',
            _duration_ms => (v_event ->> 'duration_ms')::integer,
            _severity => (v_event ->> 'severity')::chronicle.severity_level,
            _status => (v_event ->> 'status')::chronicle.event_status,
            _error_code => v_event ->> 'error_code',
            _error_message => v_event ->> 'error_message',
            _action => v_event ->> 'action',
            _actor_role => v_event ->> 'actor_role',
            _impersonator_id => v_event ->> 'impersonator_id',
            _is_ai_action => (v_event ->> 'is_ai_action')::boolean,
            _reason => v_event ->> 'reason',
            _trace_id => v_event ->> 'trace_id',
            _operation_id => v_event ->> 'operation_id',
            _parent_event_id => (v_event ->> 'parent_event_id')::uuid,
            _ai_operation_id => (v_event ->> 'ai_operation_id')::uuid,
            _occurred_at => (v_event ->> 'occurred_at')::timestamptz,
            _event_id => (v_event ->> 'event_id')::uuid
        );
    end loop;
exception when others then
    if v_place = 0 then
        raise;
    end if;
    get stacked diagnostics v_detail = pg_exception_detail, v_hint = pg_exception_hint;
    raise exception 'event % of the set: %', v_place, sqlerrm
        using errcode = sqlstate,
            detail = coalesce(nullif(v_detail, ''), 'Nothing of the set was recorded.'),
            hint = coalesce(nullif(v_hint, ''), 'Mend that event and send the whole set again.');
end
$$;

comment on function chronicle.log_audit_events(jsonb) is
'Records a set of events, all or none, and returns their ids in the order of the set.
_events: a JSON array of objects whose keys are the arguments of chronicle.log_audit_event without
the underscore; ids may be strings or numbers, null counts as left out.
Errors: those of chronicle.log_audit_event, their message naming the place of the event, counted
from 1; 22023 for an unknown field or a wrong shape.';

revoke execute on function chronicle.log_audit_events(jsonb) from public;
grant execute on function chronicle.log_audit_events(jsonb) to chronicle_app;

-- Runs as the writer, for the functions of pgchronicle that may not write to the log themselves:
-- what is done to pgchronicle, and what was read of a tracked table as somebody else (a truncate, a
-- snapshot). Changes of single rows do not come through here.
create or replace function chronicle.record_internal_event(
    _origin chronicle.event_origin,
    _action_type chronicle.action_type,
    _action text,
    _resource_type text,
    _resource_id text,
    _organization_id text,
    _details_before jsonb,
    _details_after jsonb,
    _action_meta jsonb default null,
    _table_id integer default null,
    _parent_event_id uuid default null,
    _payload_error text default null
)
returns uuid
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
declare
    v_context constant chronicle.event_context := chronicle.resolve_context();
    v_event_id constant uuid := chronicle.uuid_v7();
    v_now constant timestamptz := clock_timestamp();
begin
    -- See chronicle.is_too_long: what can not be sealed is not recorded.
    if coalesce(pg_column_size(_details_before), 0) + coalesce(pg_column_size(_details_after), 0)
        + coalesce(pg_column_size(_action_meta), 0) > 16384
        and chronicle.is_too_long(array[_details_before, _details_after, _action_meta])
    then
        raise exception 'what is to be recorded is longer than 256 MB, written as text'
            using errcode = 'program_limit_exceeded',
                detail = format('It is an event %s.', _action),
                hint = 'Say it in fewer words.';
    end if;

    insert into chronicle.events (
        event_id, occurred_at, recorded_at, organization_id,
        actor_type,
        actor_id,
        actor_role, impersonator_id,
        is_ai_action,
        context_state, origin, action_type, action, action_meta, reason, resource_type,
        resource_id, table_id, details_before, details_after,
        changed_columns, payload_error, ai_operation_id, session_id, request_id, trace_id,
        operation_id, parent_event_id, ip_address, user_agent,
        client_info
    ) values (
        v_event_id, v_now, v_now, _organization_id,
        coalesce(
            v_context.actor_type,
            case when v_context.actor_id is null then 'system' else 'user' end::chronicle.actor_type
        ),
        case
            when v_context.actor_type is null then coalesce(v_context.actor_id, session_user)
            else v_context.actor_id
        end,
        v_context.actor_role, v_context.impersonator_id,
        coalesce(v_context.actor_type = 'ai', false) or v_context.ai_operation_id is not null,
        v_context.context_state, _origin, _action_type, _action, _action_meta, v_context.reason,
        _resource_type,
        _resource_id, _table_id, _details_before, _details_after,
        chronicle.changed_keys(_details_before, _details_after), _payload_error,
        v_context.ai_operation_id, v_context.session_id, v_context.request_id, v_context.trace_id,
        v_context.operation_id, coalesce(_parent_event_id, v_context.parent_event_id),
        v_context.ip_address, v_context.user_agent, v_context.client_info
    );
    return v_event_id;
end
$$;

comment on function chronicle.record_internal_event(
    chronicle.event_origin, chronicle.action_type, text, text, text, text, jsonb, jsonb, jsonb,
    integer, uuid, text
) is
'Private. Records what pgchronicle itself has to tell as an event, by the actor of the context.
Returns its id. The arguments are columns of chronicle.events; the organization is not taken from
the context. Errors: 54000 for documents of more than 256 MB.';

revoke execute on function chronicle.record_internal_event(
    chronicle.event_origin, chronicle.action_type, text, text, text, text, jsonb, jsonb, jsonb,
    integer, uuid, text
) from public;
grant execute on function chronicle.record_internal_event(
    chronicle.event_origin, chronicle.action_type, text, text, text, text, jsonb, jsonb, jsonb,
    integer, uuid, text
) to chronicle_table_reader;
alter function chronicle.record_internal_event(
    chronicle.event_origin, chronicle.action_type, text, text, text, text, jsonb, jsonb, jsonb,
    integer, uuid, text
) owner to chronicle_writer;

-- A change of owner turns the old owner's right into the new one's, so it is granted again by that
-- one.
set local role chronicle_writer;
grant execute on function chronicle.record_internal_event(
    chronicle.event_origin, chronicle.action_type, text, text, text, text, jsonb, jsonb, jsonb,
    integer, uuid, text
) to chronicle_owner;
set local role chronicle_owner;

-- What pgchronicle does to itself, by the actor of the context, or the database role where there is
-- none. It concerns the whole system, so the organization of the context is kept out of it.
create or replace function chronicle.log_management_event(
    _action_type chronicle.action_type,
    _action text,
    _resource_type text,
    _resource_id text,
    _details_before jsonb,
    _details_after jsonb
)
returns uuid
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
    select chronicle.record_internal_event(
        'logged', _action_type, _action, _resource_type, _resource_id, null, _details_before,
        _details_after
    )
$$;

comment on function chronicle.log_management_event(
    chronicle.action_type, text, text, text, jsonb, jsonb
) is
'Private. Records a change to the log''s own set-up as an event. Returns its id.';

revoke execute on function chronicle.log_management_event(
    chronicle.action_type, text, text, text, jsonb, jsonb
) from public;
grant execute on function chronicle.log_management_event(
    chronicle.action_type, text, text, text, jsonb, jsonb
) to chronicle_writer;

-- Runs as the owner of the table of settings. The change and the event that tells of it are one.
create or replace function chronicle.set_setting(_name text, _value jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_before jsonb;
begin
    -- One change after the other: what logging goes by is derived from all settings.
    lock table chronicle.settings in share row exclusive mode;

    select s.value into v_before from chronicle.settings as s where s.name = _name for update;
    if not found then
        raise exception 'there is no setting "%"', coalesce(_name, 'null')
            using errcode = 'invalid_parameter_value',
                hint = 'Settings are: ' || (
                    select string_agg(s.name, ', ' order by s.name) from chronicle.settings as s
                ) || '.';
    end if;
    if _value is null then
        raise exception 'the setting "%" needs a value', _name
            using errcode = 'null_value_not_allowed',
                hint = format('It is %s now. Values are JSON.', v_before);
    end if;
    if v_before::text = _value::text then
        return;
    end if;

    begin
        update chronicle.settings as s set value = _value where s.name = _name;
    exception when check_violation then
        raise exception 'the setting "%" does not take the value %', _name, _value
            using errcode = 'invalid_parameter_value',
                detail = (select s.description from chronicle.settings as s where s.name = _name),
                hint = format('It stays %s.', v_before);
    end;

    perform chronicle.log_management_event(
        'update', 'chronicle.setting.update', 'chronicle.setting', _name,
        jsonb_build_object('value', v_before), jsonb_build_object('value', _value)
    );
end
$$;

comment on function chronicle.set_setting(text, jsonb) is
'Changes one row of chronicle.settings and records that as an event. Setting the value it has does
nothing.
_name: a name in chronicle.settings. _value: its new value as JSON, so text needs its quotes.
Errors: 22023 for an unknown name or a value that does not fit it; 22004 for null.';

revoke execute on function chronicle.set_setting(text, jsonb) from public;
grant execute on function chronicle.set_setting(text, jsonb) to chronicle_admin;

-- Runs as the owner of the registry. The row and the event that tells of it are one.
create or replace function chronicle.register_resource_type(_name text, _description text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_before text;
begin
    if _name is null or _name = '' or _description is null then
        raise exception 'a name and a description are needed'
            using errcode = 'null_value_not_allowed',
                hint = 'Say what it is: '
                    'chronicle.register_resource_type(''name'', ''description'').';
    end if;

    insert into chronicle.resource_types (name, description) values (_name, _description)
    on conflict (name) do nothing;
    if not found then
        select r.description into v_before
        from chronicle.resource_types as r
        where r.name = _name
        for update;
        if v_before = _description then
            return;
        end if;
        update chronicle.resource_types as r set description = _description where r.name = _name;
    end if;

    perform chronicle.log_management_event(
        case when v_before is null then 'create' else 'update' end::chronicle.action_type,
        'chronicle.resource_type.register', 'chronicle.resource_type', _name,
        case when v_before is not null then jsonb_build_object('description', v_before) end,
        jsonb_build_object('description', _description)
    );
end
$$;

comment on function chronicle.register_resource_type(text, text) is
'Declares a resource type, or describes it anew, and records that as an event.
_name: as in chronicle.events.resource_type. _description: what such a resource is.
Errors: 22004 when either is missing.';

revoke execute on function chronicle.register_resource_type(text, text) from public;
grant execute on function chronicle.register_resource_type(text, text) to chronicle_admin;

-- Runs as the owner of the registry. The row and the event that tells of it are one.
create or replace function chronicle.register_action(_name text, _description text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_before text;
begin
    if _name is null or _name = '' or _description is null then
        raise exception 'a name and a description are needed'
            using errcode = 'null_value_not_allowed',
                hint = 'Say what it is: chronicle.register_action(''name'', ''description'').';
    end if;

    insert into chronicle.actions (name, description) values (_name, _description)
    on conflict (name) do nothing;
    if not found then
        select r.description into v_before
        from chronicle.actions as r
        where r.name = _name
        for update;
        if v_before = _description then
            return;
        end if;
        update chronicle.actions as r set description = _description where r.name = _name;
    end if;

    perform chronicle.log_management_event(
        case when v_before is null then 'create' else 'update' end::chronicle.action_type,
        'chronicle.action.register', 'chronicle.action', _name,
        case when v_before is not null then jsonb_build_object('description', v_before) end,
        jsonb_build_object('description', _description)
    );
end
$$;

comment on function chronicle.register_action(text, text) is
'Declares an action, or describes it anew, and records that as an event.
_name: as in chronicle.events.action. _description: what is done.
Errors: 22004 when either is missing.';

revoke execute on function chronicle.register_action(text, text) from public;
grant execute on function chronicle.register_action(text, text) to chronicle_admin;

revoke create on schema chronicle from chronicle_writer, chronicle_sealer;
