create table chronicle.actions (
    name text constraint actions_pkey primary key,
    description text not null,
    constraint actions_name_is_not_empty check (name <> '')
);

comment on table chronicle.actions is
'Actions the application has declared. Binding while the setting enforce_actions is true.';
comment on column chronicle.actions.name is
'As in chronicle.events.action: domain.verb or domain.verb.subverb.';
comment on column chronicle.actions.description is
'What is done.';

insert into chronicle.actions (name, description) values
('chronicle.action.register', 'An action was declared or described anew'),
('chronicle.administrator.add', 'Somebody was made an administrator'),
('chronicle.administrator.remove', 'Somebody ceased to be an administrator'),
('chronicle.resource_type.register', 'A resource type was declared or described anew'),
('chronicle.setting.update', 'A setting was changed'),
('chronicle.tracking.disable', 'Capture of a table was ended'),
('chronicle.tracking.enable', 'Capture of a table was begun'),
('chronicle.tracking.update', 'Capture of a table goes on with other options');

revoke all on chronicle.actions from public;
grant select on chronicle.actions
to chronicle_writer, chronicle_app, chronicle_reader, chronicle_admin;
