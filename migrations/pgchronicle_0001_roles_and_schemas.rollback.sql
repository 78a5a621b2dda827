-- Undoes pgchronicle_0001_roles_and_schemas.

set local role chronicle_owner;

drop schema chronicle_capture;
drop schema chronicle;

-- A role goes when nothing depends on it any more: another database may use it, and who installed
-- this one may lack the right to drop what somebody else made.
reset role;

do $roles$
declare
    v_role text;
begin
    foreach v_role in array array[
        'chronicle_admin', 'chronicle_auditor', 'chronicle_reader', 'chronicle_app',
        'chronicle_sealer', 'chronicle_writer', 'chronicle_owner'
    ] loop
        begin
            execute format('drop role if exists %I', v_role);
        exception when dependent_objects_still_exist or insufficient_privilege or object_in_use then
            raise notice 'role % stays: %', v_role, sqlerrm;
        end;
    end loop;
end
$roles$;
