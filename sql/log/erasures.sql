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
