-- Each enum closes a set that pgchronicle owns. What the application owns (resource types, actions)
-- stays text.
create type chronicle.actor_type as enum (
    'user', 'employee', 'customer', 'admin', 'service', 'ai', 'system', 'anonymous'
);

comment on type chronicle.actor_type is
'What kind of actor caused an event.';

create type chronicle.action_type as enum (
    'create', 'read', 'update', 'delete', 'execute', 'other'
);

comment on type chronicle.action_type is
'What was done, in one of six kinds; the column action says it in the application''s own words.';

create type chronicle.severity_level as enum ('info', 'warning', 'error', 'critical');

comment on type chronicle.severity_level is
'How much an event matters to the person on call.';

create type chronicle.event_status as enum ('success', 'failure');

comment on type chronicle.event_status is
'Whether what the event tells of succeeded.';

create type chronicle.event_origin as enum ('logged', 'captured', 'snapshot', 'imported');

comment on type chronicle.event_origin is
'How an event came into the log: logged by an application, captured from a tracked table,
a snapshot of a row that was there before tracking began, or imported from an older log.';
