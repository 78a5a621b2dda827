-- Undoes pgchronicle_0003_settings_and_registries.

set local role chronicle_owner;

drop table chronicle.actions;
drop table chronicle.resource_types;
drop trigger settings_derive_logging_rules on chronicle.settings;
drop table chronicle.logging_rules;
drop table chronicle.settings;
drop function chronicle.derive_logging_rules();
