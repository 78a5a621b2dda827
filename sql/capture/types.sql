create type chronicle.capture_mode as enum ('changes', 'full');

comment on type chronicle.capture_mode is
'What the event of an update holds: the columns that changed, or both whole rows.';

create type chronicle.truncate_mode as enum ('rows', 'event', 'refuse');

comment on type chronicle.truncate_mode is
'What a truncate of a tracked table leaves: an event for every row, one event, or nothing, since it
is refused.';
