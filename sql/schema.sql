-- Everything people call lives in chronicle. The functions that capture table changes are
-- generated, one a tracked table, and live apart in chronicle_capture, where nobody calls anything.
create schema chronicle authorization chronicle_owner;
create schema chronicle_capture authorization chronicle_owner;

-- Only the installer may make schemas in the database, and only their owner may grant on them.
set local role chronicle_owner;

comment on schema chronicle is
'pgchronicle: an audit log inside this database. Start with chronicle.events (the log),
chronicle.log_audit_event (write an event) and chronicle.enable_tracking (capture a table).';

comment on schema chronicle_capture is
'pgchronicle: one generated trigger function a tracked table. Made by chronicle.enable_tracking;
not for calling.';

grant usage on schema chronicle
to chronicle_writer, chronicle_sealer, chronicle_app, chronicle_reader, chronicle_admin,
chronicle_table_reader, chronicle_verifier;

-- The writer generates the capture functions and owns them, but for the one that reads what a
-- truncate is about to empty.
grant usage, create on schema chronicle_capture to chronicle_writer, chronicle_table_reader;
-- An administrator attaches a function to a trigger, and so must find it. Executing it takes more.
grant usage on schema chronicle_capture to chronicle_admin;
