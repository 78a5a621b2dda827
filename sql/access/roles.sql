-- Roles belong to the cluster, not to the database: another database may have made them already,
-- and two installations may run at once. So each is made if missing, and a loser of that race goes
-- on.
--
-- chronicle_owner does not inherit what it is granted. It has to be a member of the roles that own
-- functions, in order to give functions to them; but a policy that favours a role favours all who
-- inherit from it, and the owner of the log must stay hidden behind row-level security.
do $roles$
declare
    v_role text;
    v_roles constant text[] := array[
        'chronicle_owner', 'chronicle_writer', 'chronicle_sealer', 'chronicle_app',
        'chronicle_reader', 'chronicle_auditor', 'chronicle_admin', 'chronicle_table_reader',
        'chronicle_verifier'
    ];
    v_is_superuser constant boolean := (
        select r.rolsuper from pg_catalog.pg_roles as r where r.rolname = current_user
    );
    v_made_here boolean := false;
    v_has_set_option constant boolean := current_setting('server_version_num')::integer >= 160000;
begin
    if to_regnamespace('chronicle') is not null
        or to_regnamespace('chronicle_capture') is not null
    then
        raise exception 'schema "chronicle" or "chronicle_capture" exists already'
            using errcode = 'duplicate_schema',
                detail = format(
                    'It belongs to %s.',
                    (
                        select string_agg(distinct quote_ident(pg_get_userbyid(n.nspowner)), ', ')
                        from pg_catalog.pg_namespace as n
                        where n.nspname in ('chronicle', 'chronicle_capture')
                    )
                ),
                hint = 'Nothing was changed. If it is yours for another purpose, rename it: '
                    'pgchronicle needs these two names. '
                    'If it is pgchronicle itself, applied by a run that ended before its mark was '
                    'written, "pgchronicle doctor" says what to do.';
    end if;

    foreach v_role in array v_roles loop
        if not exists (select from pg_catalog.pg_roles as r where r.rolname = v_role) then
            begin
                execute format(
                    'create role %I nologin %s',
                    v_role, case v_role when 'chronicle_owner' then 'noinherit' else 'inherit' end
                );
                v_made_here := true;
            exception when duplicate_object or unique_violation then
                null;
            end;
        end if;
    end loop;

    if not v_is_superuser then
        begin
            -- From version 16 on the owner's rights are there for "set role", not at every
            -- statement.
            if v_has_set_option then
                if not pg_has_role(current_user, 'chronicle_owner', 'SET') then
                    execute format(
                        'grant chronicle_owner to %I with inherit false, set true', current_user
                    );
                end if;
            elsif not pg_has_role(current_user, 'chronicle_owner', 'MEMBER') then
                execute format('grant chronicle_owner to %I', current_user);
            end if;
        exception when insufficient_privilege then
            raise exception 'role "%" may not administer the role "chronicle_owner"', current_user
                using errcode = 'insufficient_privilege',
                    detail = 'Another database of this cluster uses pgchronicle, '
                        'and the roles are shared.',
                    hint = format(
                        'Install as the role that made them, or let it run: '
                        'grant chronicle_owner to %1$I%2$s; '
                        'grant chronicle_app, chronicle_admin, chronicle_auditor to %1$I;',
                        current_user,
                        case when v_has_set_option then ' with inherit false, set true' else '' end
                    );
        end;
    end if;

    -- Memberships among the roles are the same in every database. Who did not make the roles may
    -- lack the right to repeat them, and need not.
    if v_made_here or v_is_superuser then
        execute 'grant chronicle_writer, chronicle_sealer, chronicle_reader, '
            'chronicle_table_reader, chronicle_verifier to chronicle_owner';
        execute 'grant chronicle_reader to chronicle_auditor';
    end if;

    -- Who makes the roles may use what they install. Where they exist already, somebody has decided
    -- who has them, and perhaps revoked them.
    if v_made_here and not v_is_superuser then
        execute format(
            'grant chronicle_app, chronicle_admin, chronicle_auditor to %I', current_user
        );
    elsif not v_is_superuser and not (
        pg_has_role(current_user, 'chronicle_app', 'MEMBER')
        and pg_has_role(current_user, 'chronicle_admin', 'MEMBER')
        and pg_has_role(current_user, 'chronicle_auditor', 'MEMBER')
    ) then
        raise notice 'role "%" is not granted all roles of pgchronicle', current_user
            using hint = 'chronicle_app logs, chronicle_admin tracks tables, '
                'chronicle_auditor reads.';
    end if;

    if not pg_has_role('chronicle_owner', 'chronicle_writer', 'MEMBER')
        or not pg_has_role('chronicle_owner', 'chronicle_sealer', 'MEMBER')
        or not pg_has_role('chronicle_owner', 'chronicle_reader', 'MEMBER')
        or not pg_has_role('chronicle_owner', 'chronicle_table_reader', 'MEMBER')
        or not pg_has_role('chronicle_owner', 'chronicle_verifier', 'MEMBER')
        or not pg_has_role('chronicle_auditor', 'chronicle_reader', 'MEMBER')
    then
        raise exception 'the roles of pgchronicle exist, but not as pgchronicle makes them'
            using errcode = 'invalid_role_specification',
                detail = 'chronicle_owner must be a member of chronicle_writer, '
                    'chronicle_sealer, chronicle_reader, chronicle_table_reader '
                    'and chronicle_verifier, '
                    'and chronicle_auditor of chronicle_reader.',
                hint = 'As an administrator of these roles, grant the missing memberships.';
    end if;
end
$roles$;
