-- What every call of log_audit_event has to know of the settings, in one row, with the masked keys
-- made into patterns. Reading the settings themselves would cost each call several look-ups.
create table chronicle.logging_rules (
    enforce_resource_types boolean not null,
    enforce_actions boolean not null,
    masked_key_start text,
    masked_key text,
    payload_limit_bytes integer not null
);

create unique index logging_rules_one_row_idx on chronicle.logging_rules ((true));

comment on table chronicle.logging_rules is
'Private. One row, derived from chronicle.settings by a trigger there.';
comment on column chronicle.logging_rules.enforce_resource_types is
'As in chronicle.settings.';
comment on column chronicle.logging_rules.enforce_actions is
'As in chronicle.settings.';
comment on column chronicle.logging_rules.masked_key_start is
'Regular expression for the first letters of a masked key in JSON text: a quick test that most
events fail. Null when nothing is masked.';
comment on column chronicle.logging_rules.masked_key is
'Regular expression for a masked key, to be matched whole and in any case. Null when nothing is
masked.';
comment on column chronicle.logging_rules.payload_limit_bytes is
'As in chronicle.settings.';

revoke all on chronicle.logging_rules from public;
grant select on chronicle.logging_rules to chronicle_writer, chronicle_admin;
