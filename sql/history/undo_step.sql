create type chronicle.undo_step as (
    relation regclass,
    operation text,
    key jsonb,
    image jsonb
);

comment on type chronicle.undo_step is
'Private. What takes back the changes of one row: delete, update or insert; the row''s key as it is
now, and what its columns are to hold.';
