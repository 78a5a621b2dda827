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
