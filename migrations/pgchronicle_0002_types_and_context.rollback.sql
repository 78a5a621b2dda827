-- Undoes pgchronicle_0002_types_and_context.

set local role chronicle_owner;

drop function chronicle.clear_context();
drop function chronicle.set_context(
    anycompatible, chronicle.actor_type, text, text, anycompatible, text, text, text, text, inet,
    text, jsonb, text, uuid
);
drop function chronicle.current_context();
drop function chronicle.set_signed_context(text);
drop function chronicle.base64url_json(text);
drop function chronicle.resolve_context();
drop trigger trusted_gateways_derive on chronicle.trusted_gateways;
drop function chronicle.is_trusted_gateway();
drop table chronicle.trusted_gateways;
drop function chronicle.is_context_sealed(jsonb, text);
drop function chronicle.sealed_text(jsonb);
drop function chronicle.context_challenge();
drop policy context_secrets_verifier_reads on chronicle.context_secrets;
drop table chronicle.context_secrets;
drop table chronicle.context_keys;
drop function chronicle.hmac_sha256(bytea, bytea, text);
drop function chronicle.random_secret();
drop type chronicle.event_context;
drop type chronicle.email_event_type;
drop type chronicle.ai_operation_status;
drop type chronicle.ai_agent_type;
drop type chronicle.event_origin;
drop type chronicle.event_status;
drop type chronicle.severity_level;
drop type chronicle.action_type;
drop type chronicle.actor_type;
drop function chronicle.derive_trusted_gateways();
