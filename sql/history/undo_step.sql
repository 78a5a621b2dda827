create type chronicle.undo_step as (
    relation regclass,
    operation text,
    key jsonb,
    image jsonb,
    rank integer
);

comment on type chronicle.undo_step is
'Private. What takes back the changes of one row: delete, update or insert; the row''s key as it is
now, what its columns are to hold, and, for an update that changes the key, how many others must
have made way before.';
