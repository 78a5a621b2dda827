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
