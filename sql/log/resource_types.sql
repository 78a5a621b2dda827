create table chronicle.resource_types (
    name text constraint resource_types_pkey primary key,
    description text not null,
    constraint resource_types_name_is_not_empty check (name <> '')
);

comment on table chronicle.resource_types is
'Resource types the application has declared. Binding while the setting enforce_resource_types is
true.';
comment on column chronicle.resource_types.name is
'As in chronicle.events.resource_type.';
comment on column chronicle.resource_types.description is
'What such a resource is.';

insert into chronicle.resource_types (name, description) values
('chronicle.action', 'A row of chronicle.actions'),
('chronicle.administrator', 'A row of chronicle.administrators'),
('chronicle.context_key', 'A row of chronicle.context_keys'),
('chronicle.resource_type', 'A row of chronicle.resource_types'),
('chronicle.setting', 'A row of chronicle.settings'),
('chronicle.tracked_table', 'A table whose changes are captured'),
('chronicle.trusted_gateway', 'A row of chronicle.trusted_gateways');

revoke all on chronicle.resource_types from public;
grant select on chronicle.resource_types
to chronicle_writer, chronicle_app, chronicle_reader, chronicle_admin;
