"""``docs/exports.md`` says where each column goes, and that is where it goes."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from itertools import chain
from typing import Any, cast

import pytest

from formats.samples import FULL, KINDS, sample
from formats.test_cef import parse
from pgchronicle import Event
from pgchronicle.formats import cef, ecs, ocsf
from support import ROOT

# What becomes a number or one of a few words; the tests of the formats know them.
CODED = {
    *("action_type", "actor_type", "severity", "status", "origin", "context_state"),
    *("occurred_at", "recorded_at", "duration_ms", "changed_columns", "ip_address", "table_id"),
}
TEXTS = {
    field.name: f"the {field.name}"
    for field in fields(Event)
    if isinstance(getattr(FULL, field.name), str) and field.name not in CODED
}


def documented(form: str) -> dict[str, str]:
    """The columns in the table of a format, and where they go."""
    text = (ROOT / "docs" / "exports.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {form}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", section, re.MULTILINE))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a JSON text with their paths, in which the places of arrays do not count."""
    if type(value) is dict:
        for name, member in cast("dict[str, Any]", value).items():
            yield from leaves(member, f"{path}.{name}" if path else name)
    elif type(value) is list:
        yield from chain.from_iterable(leaves(member, path) for member in _elements(value))
    else:
        yield path, value


def _elements(array: Any) -> list[Any]:
    return list(array)


def places(form: str, event: Event) -> set[tuple[str, Any]]:
    if form == "cef":
        return set(parse(cef.to_text(event))[1].items())
    text = ecs.to_text(event) if form == "ecs" else ocsf.to_text(event)
    return set(leaves(json.loads(text)))


@pytest.mark.parametrize("form", ["ocsf", "ecs", "cef"])
def test_texts_are_where_the_table_says(form: str) -> None:
    # These two go where another one goes as well.
    said = {n: text for n, text in TEXTS.items() if n not in ("impersonator_id", "error_message")}
    found = places(form, sample(**said)) | places(form, sample(**said, origin="captured"))
    wrong = {
        name: place
        for name, place in documented(form).items()
        if name in said and (place, said[name]) not in found
    }
    assert wrong == {}


@pytest.mark.parametrize("form", ["ocsf", "ecs", "cef"])
def test_others_are_where_the_table_says(form: str) -> None:
    named = documented(form)
    others = {name: text for name, text in TEXTS.items() if name not in named}
    prefix = {"ocsf": "unmapped.", "ecs": "pgchronicle."}.get(form)
    expected = {
        (f"{prefix}{name}" if prefix else f"pgchronicle{name.title().replace('_', '')}", text)
        for name, text in others.items()
        # CEF has both in one place, and the header.
        if not (form == "cef" and name in ("error_message", "action"))
    }
    assert expected
    assert expected <= places(form, sample(**TEXTS))


@pytest.mark.parametrize("form", ["ocsf", "ecs", "cef"])
def test_every_place_of_the_table_is_there(form: str) -> None:
    found = {path for event in KINDS.values() for path, _ in places(form, event)}
    assert set(documented(form).values()) - found == set()
