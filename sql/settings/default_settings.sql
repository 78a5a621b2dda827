-- Stands after the trigger that derives from it.
insert into chronicle.settings (name, value, description) values
(
    'partition_interval', '"month"',
    'Span of new partitions of chronicle.events: day, week, month or quarter. '
    'Those made before stay.'
),
(
    'partitions_ahead', '3',
    'How many partitions chronicle.ensure_partitions keeps ready beyond the present one.'
),
(
    'enforce_resource_types', 'false',
    'Whether chronicle.log_audit_event refuses a resource type '
    'that is not in chronicle.resource_types.'
),
(
    'enforce_actions', 'false',
    'Whether chronicle.log_audit_event refuses an action that is not in chronicle.actions.'
),
(
    'masked_keys',
    '["pass_word", "passwd", "pass_phrase", "password_hash", "secret", "client_secret",
      "secret_key", "token", "access_token", "refresh_token", "id_token", "session_token",
      "auth_token", "csrf_token", "api_key", "private_key", "authorization",
      "proxy_authorization", "cookie", "set_cookie", "credentials", "otp", "card_number",
      "credit_card", "credit_card_number", "cvv", "cvc", "pin", "ssn"]',
    'JSON keys, at any depth, and columns whose values are masked. '
    '"api_key" is also apiKey, API-KEY, _api_key.'
),
(
    'payload_limit_bytes', '16777216',
    'Greatest size of one logged event, all its fields together, in bytes.'
),
(
    'truncate_row_limit', '100000',
    'How many rows of one table a truncate records before they go; '
    'of those beyond, only the number.'
);
