create type chronicle.email_event_type as enum (
    'send', 'delivery', 'delivery_delay', 'bounce', 'complaint', 'reject', 'open', 'click',
    'subscription', 'rendering_failure'
);

comment on type chronicle.email_event_type is
'What an e-mail provider reports about a message.';
