insert into chronicle.epochs (
    epoch, began_at, reason, system_identifier, sealed_seq, is_on_copy
)
values (
    1, clock_timestamp(), 'installed',
    (select s.system_identifier from pg_control_system() as s), 0, false
);
