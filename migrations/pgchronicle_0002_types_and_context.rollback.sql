-- Undoes pgchronicle_0002_types_and_context.

set local role chronicle_owner;

drop function chronicle.clear_context();
drop function chronicle.set_context(
    anycompatible, chronicle.actor_type, text, text, anycompatible, text, text, text, text, inet,
    text, jsonb, text, uuid
);
drop function chronicle.current_context();
drop function chronicle.resolve_context();
drop type chronicle.event_context;
drop type chronicle.email_event_type;
drop type chronicle.ai_operation_status;
drop type chronicle.ai_agent_type;
drop type chronicle.event_origin;
drop type chronicle.event_status;
drop type chronicle.severity_level;
drop type chronicle.action_type;
drop type chronicle.actor_type;
