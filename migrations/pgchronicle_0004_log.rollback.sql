-- Undoes pgchronicle_0004_log.

set local role chronicle_owner;

-- Undoing everything goes from the last migration to the first, each by itself. The first of them
-- that would lead to the loss of events must refuse, so that nothing is undone by halves.
do $guard$
begin
    perform chronicle.assert_no_events();
end
$guard$;

drop function chronicle.register_action(text, text);
drop function chronicle.register_resource_type(text, text);
drop function chronicle.set_setting(text, jsonb);
drop function chronicle.log_management_event(
    chronicle.action_type, text, text, text, jsonb, jsonb
);
drop function chronicle.record_internal_event(
    chronicle.event_origin, chronicle.action_type, text, text, text, text, jsonb, jsonb, jsonb,
    integer, uuid, text
);
drop function chronicle.log_audit_events(jsonb);
drop function chronicle.record_event_set(jsonb);
drop function chronicle.read_event_set(jsonb);
drop function chronicle.log_audit_event(
    anycompatible, anycompatible, chronicle.actor_type, inet, text, chronicle.action_type,
    text, jsonb, text, anycompatible, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, integer,
    chronicle.severity_level, chronicle.event_status, text, text, text, text, text, boolean,
    text, text, text, uuid, uuid, timestamptz, uuid
);
drop function chronicle.changes(jsonb, jsonb);
drop function chronicle.changed_keys(jsonb, jsonb);
drop function chronicle.mask_keys(jsonb, text);
drop function chronicle.is_too_long(jsonb[]);
drop function chronicle.refuse_event(
    chronicle.actor_type, chronicle.action_type, timestamptz, integer, text[], jsonb, bigint,
    integer
);
drop function chronicle.check_registered(text, text, boolean, boolean);
drop function chronicle.similar_names(text, text[]);
drop function chronicle.claim_event_id(uuid, jsonb);
drop function chronicle.is_event_recorded(uuid);
drop view chronicle.index_profiles;
drop function chronicle.ensure_partitions(integer);
drop function chronicle.partition_name(text, timestamptz);
drop function chronicle.add_partition(name, text);
drop function chronicle.assert_no_events();
drop trigger event_keys_reject_update on chronicle.event_keys;
drop trigger event_keys_reject_change on chronicle.event_keys;
drop table chronicle.event_keys;
drop trigger events_check_erasure on chronicle.events;
drop policy erasures_reader_reads on chronicle.erasures;
drop policy erasures_sealer_reads on chronicle.erasures;
drop trigger erasures_reject_change on chronicle.erasures;
drop table chronicle.erasures;
drop trigger epochs_reject_change on chronicle.epochs;
drop table chronicle.epochs;
drop trigger events_reject_update on chronicle.events;
drop trigger events_reject_change on chronicle.events;
drop trigger events_reject_row_change on chronicle.events;
drop table chronicle.events;
drop sequence chronicle.events_seq;
drop function chronicle.settled_after(bigint);
drop function chronicle.current_epoch();
drop function chronicle.uuid_v7_from(uuid);
drop function chronicle.uuid_v7();
drop function chronicle.check_erasure();
drop function chronicle.reject_change();
