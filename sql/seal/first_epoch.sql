insert into chronicle.epochs (
    epoch, began_at, reason, system_identifier, sealed_seq, is_on_copy
)
select 1, clock_timestamp(), 'installed', s.system_identifier, 0, false
from pg_control_system() as s;

insert into chronicle.seal_state default values;
