create type chronicle.ai_agent_type as enum (
    'assistant', 'editor', 'researcher', 'coder', 'analyst', 'writer', 'reviewer', 'custom'
);

comment on type chronicle.ai_agent_type is
'What kind of AI agent performed an operation.';

create type chronicle.ai_operation_status as enum ('running', 'completed', 'failed', 'cancelled');

comment on type chronicle.ai_operation_status is
'Where an AI operation stands. It leaves running once, for one of the other three, and stays
there.';
