"""CSV as RFC 4180 has it, for spreadsheets, data frames and PostgreSQL itself."""

import csv as standard
import io
from dataclasses import fields

import pytest
from hypothesis import given

from ask import rows, run
from formats.samples import KINDS, event_of, events, plainly, sample
from pgchronicle import Event
from pgchronicle.formats import FORMATS, csv
from support import Connection


def parse(text: str) -> list[list[str | None]]:
    """Records by the grammar of RFC 4180, section 2; null is what stands without quotes and is
    empty, which the RFC does not tell apart.

    Raises:
        ValueError: the text is no CSV.
    """
    records: list[list[str | None]] = []
    record: list[str | None] = []
    place = 0
    while place < len(text):
        value: str | None = None
        if text[place] == '"':
            end = place + 1
            parts: list[str] = []
            while True:
                quote = text.index('"', end)
                parts.append(text[end:quote])
                if text[quote + 1 : quote + 2] != '"':
                    break
                parts.append('"')
                end = quote + 2
            value, place = "".join(parts), quote + 1
        else:
            end = min(at for sign in (",", "\r\n") if (at := text.find(sign, place)) >= 0)
            if set(text[place:end]) & set('"\r\n'):
                raise ValueError(f"a sign without quotes: {text[place:end]!r}")
            value, place = text[place:end] or None, end
        record.append(value)
        if text.startswith("\r\n", place):
            records.append(record)
            record, place = [], place + 2
            continue
        if text[place] != ",":
            raise ValueError(f"neither the next value nor the end: {text[place : place + 9]!r}")
        place += 1
    if record:
        raise ValueError("the last record has no end")
    return records


def _file(*events: Event) -> str:
    form = FORMATS["csv"]
    lines = (form.line(form.to_text(event, "")) for event in events)
    return b"".join([form.beginning(), *lines]).decode()


def test_header_names_the_columns_and_null_is_nothing() -> None:
    event = sample(actor_role="", details_after={"a": [1, None]}, is_ai_action=True)
    assert _file(event) == (
        f"{','.join(field.name for field in fields(Event))}\r\n"
        '"019a9e1c-5f1d-7c3a-9a52-3c1f4be0a7d1","99","4711","1","1",,'
        '"2026-01-02T03:04:05.678901Z","2026-01-02T03:04:06.000000Z",,"user","ada","",,"true",'
        '"app","asserted","logged","read","invoice.read",,,,"invoice",,,,,"{""a"":[1,null]}",,,'
        '"00000000-0000-4000-8000-000000000000",,,"info","success",,,,,,,,,,,\r\n'
    )


def test_what_a_spreadsheet_would_calculate_is_not_changed() -> None:
    event = sample(user_agent="=1+1", reason="@sum", actor_id="-2", actor_role="+3")
    (_, record) = parse(_file(event))
    assert event_of(_columns(record)) == event


@pytest.mark.parametrize("kind", KINDS)
def test_event_of_any_kind_reads_back(kind: str) -> None:
    _check(KINDS[kind])


@given(event=events)
def test_any_event_reads_back(event: Event) -> None:
    _check(event)


def _check(event: Event) -> None:
    text = _file(event, event)
    header, *records = parse(text)
    assert [event_of(_columns(record)) for record in records] == [event, event]
    # The reader of the standard library knows no null, and limits the length of a value.
    limit = standard.field_size_limit(20_000_000)
    try:
        found = list(standard.reader(io.StringIO(text, newline=""), strict=True))
    finally:
        standard.field_size_limit(limit)
    assert found == [header, *([value or "" for value in record] for record in records)]


def _columns(record: list[str | None]) -> dict[str, object]:
    return plainly(dict(zip(csv.HEADER.split(","), record, strict=True)))


def test_copy_of_postgresql_reads_it(db: Connection) -> None:
    run(db, "create temporary table back (like chronicle.events)")
    # The format has JSON for it, as for all that has members.
    run(db, "alter table back alter changed_columns type jsonb using to_jsonb(changed_columns)")
    written = [event for kind, event in KINDS.items() if kind != "huge"]
    copy = f"copy back ({csv.HEADER}) from stdin (format csv, header, encoding 'UTF8')"
    with db.cursor() as cursor, cursor.copy(copy.encode()) as stream:
        stream.write(_file(*written))
    read = rows(
        db,
        "select actor_id, organization_id, resource_id, reason, details_after::text, is_ai_action, "
        "occurred_at, ip_address::text from back",
    )
    assert len(read) == len(written)
    for event, found in zip(written, read, strict=True):
        address = None if event.ip_address is None else str(event.ip_address)
        assert found[:4] == (
            *(event.actor_id, event.organization_id, event.resource_id, event.reason),
        )
        assert found[5:7] == (event.is_ai_action, event.occurred_at)
        assert (found[7] or "").removesuffix("/32").removesuffix("/128") == (address or "")
    assert read[written.index(KINDS["insert"])][4] == (
        '{"id": 7, "total": 12345678901234567890.1234567890}'
    )
