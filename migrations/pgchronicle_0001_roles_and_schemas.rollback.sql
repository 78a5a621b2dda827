-- Undoes pgchronicle_0001_roles_and_schemas.

set local role chronicle_owner;

drop schema chronicle_capture;
drop schema chronicle;
