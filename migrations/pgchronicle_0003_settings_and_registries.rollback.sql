-- Undoes pgchronicle_0003_settings_and_registries.

set local role chronicle_owner;

drop table chronicle.actions;
drop table chronicle.resource_types;
drop trigger settings_derive_logging_rules on chronicle.settings;
drop function chronicle.payload_limit_bytes();
drop function chronicle.masked_key();
drop function chronicle.masked_key_start();
drop function chronicle.enforces_actions();
drop function chronicle.enforces_resource_types();
drop table chronicle.settings;
drop function chronicle.derive_logging_rules();
