-- Undoes pgchronicle_0001_roles_and_schemas.

set local role chronicle_owner;

drop schema chronicle_capture;
drop schema chronicle;

-- All roles go, or none: not every one has something that depends on it in each database that uses
-- pgchronicle, and who installed this one may lack the right to drop what somebody else made.
reset role;

do $roles$
begin
    drop role
    chronicle_owner, chronicle_admin, chronicle_auditor, chronicle_reader, chronicle_app,
    chronicle_sealer, chronicle_writer, chronicle_table_reader, chronicle_verifier;
exception when dependent_objects_still_exist or insufficient_privilege or object_in_use then
    raise notice 'the roles of pgchronicle stay: %', sqlerrm;
end
$roles$;
