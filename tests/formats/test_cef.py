"""CEF: read back by a parser that forgives nothing, and held to the dictionary of keys."""

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from cefevent.extensions import extension_dictionary
from hypothesis import given

from formats.samples import FULL, KINDS, events, sample
from pgchronicle import Event, __version__
from pgchronicle._json import loads
from pgchronicle.formats import cef

# Implementing ArcSight Common Event Format, version 27, "Header Field Definitions": the longest.
HEADER = {
    "deviceVendor": 63,
    "deviceProduct": 63,
    "deviceVersion": 31,
    "deviceEventClassId": 1023,
    "name": 512,
}
# The same, "ArcSight Extension Dictionary": the longest value of a key that the package forgot.
OUTCOME = 63

# Whoever reads lines by str.splitlines or by Unicode's rules finds one.
LINE_ENDS = set("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")


def parse(line: str) -> tuple[list[str], dict[str, str]]:
    """Header and extension by the rules of "Character Encoding".

    Raises:
        ValueError: a sign stands there that the rules do not allow.
    """
    if set(line) & LINE_ENDS:
        raise ValueError("it is more than one line")
    fields = re.split(r"((?:[^\\|]|\\[\\|])*)\|", line, maxsplit=7)
    extension = fields[-1]
    if len(fields) != 15 or any(fields[0:-1:2]):
        raise ValueError(f"no header of seven fields: {line[:200]!r}")
    header = [re.sub(r"\\(.)", r"\1", field) for field in fields[1::2]]
    return header, _extension(extension)


def _extension(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    pair = re.compile(r"([A-Za-z0-9]+)=((?:[^\\=]|\\[\\=nr])*)(?: (?=[A-Za-z0-9]+=)|$)")
    place = 0
    while place < len(text):
        match = pair.match(text, place)
        if match is None:
            raise ValueError(f"no key and value: {text[place : place + 200]!r}")
        key, value = match.groups()
        if key in found or not value or value != value.strip(" "):
            raise ValueError(f"a key twice, no value, or spaces around it: {match[0]!r}")
        found[key] = re.sub(r"\\(.)", lambda e: {"n": "\n", "r": "\r"}.get(e[1], e[1]), value)
        place = match.end()
    return found


def _check(event: Event) -> None:
    header, extension = parse(cef.to_text(event))
    version, *fields, severity = header
    assert version == "CEF:0"
    assert int(severity) in range(11)
    for field, longest in zip(fields, HEADER.values(), strict=True):
        assert 1 <= len(field) <= longest
    for key, value in extension.items():
        if not key.startswith("pgchronicle"):
            _check_key(key, value)
    for key in extension:
        if key.endswith("Label"):
            assert key.removesuffix("Label") in extension
    labels = [value for key, value in extension.items() if key.endswith("Label")]
    assert len(set(labels)) == len(labels)


def _check_key(key: str, value: str) -> None:
    if key == "outcome":
        assert len(value) <= OUTCOME
        return
    rule = extension_dictionary[key]
    for kind in rule["data_type"]:
        match kind:
            case "String":
                assert len(value) <= rule["length"], key
            case "Long" | "TimeStamp":
                assert -(2**63) <= int(value) < 2**63
            case "IPv4 Address":
                IPv4Address(value)
            case "IPv6 Address":
                IPv6Address(value)
            case _:
                pytest.fail(f"{key} is {kind}")


@pytest.mark.parametrize("kind", KINDS)
def test_event_of_any_kind_is_one_line_by_the_rules(kind: str) -> None:
    _check(KINDS[kind])


@given(event=events)
def test_any_event_is_one_line_by_the_rules(event: Event) -> None:
    _check(event)


def test_everything_has_its_key() -> None:
    assert cef.to_text(FULL, "postgresql://db/shop") == (
        f"CEF:0|pgchronicle|pgchronicle|{__version__}|price.change|update product|5|"
        "end=1767323045678 rt=1767323046000 externalId=019a9e1c-5f1d-7c3a-9a52-3c1f4be0a7d1 "
        "deviceExternalId=postgresql://db/shop cat=logged act=update outcome=failure "
        "reason=E7: too cheap msg=Changed the price suid=ada spriv=buyer "
        "requestClientApplication=curl/8 src=192.0.2.7 "
        "cs1=acme cs1Label=organization cs2=product cs2Label=resource type "
        "cs3=P-7 cs3Label=resource cs4=price, note cs4Label=changed "
        "cs5=season cs5Label=reason cs6=verified cs6Label=context "
        "cn1=99 cn1Label=seq cn2=4711 cn2Label=transaction cn3=12 cn3Label=milliseconds "
        "flexString1=employee flexString1Label=actor type "
        "flexString2=app flexString2Label=database user "
        "pgchronicleEpoch=1 pgchronicleSchemaVersion=1 pgchronicleSettledAfter=4713 "
        "pgchronicleImpersonatorId=bob pgchronicleIsAiAction=true "
        'pgchronicleActionMeta={"screen":"prices"} '
        'pgchronicleRelatedResources=[{"resource_type":"list"}] '
        'pgchronicleDetailsBefore={"price":12345678901234567890.1234567890} '
        'pgchronicleDetailsAfter={"price":2,"note":null} '
        'pgchroniclePayloadError=too large pgchronicleAiMetadata={"model":"m"} '
        "pgchronicleAiOperationId=00000000-0000-0000-0000-000000000002 "
        "pgchronicleSessionId=s pgchronicleRequestId=r "
        "pgchronicleTraceId=0af7651916cd43dd8448eb211c80319c pgchronicleOperationId=o "
        "pgchronicleParentEventId=00000000-0000-0000-0000-000000000001 "
        'pgchronicleClientInfo={"span_id":"b7ad6b7169203331"}'
    )


def test_what_is_special_is_escaped_and_reads_back() -> None:
    event = sample(
        action="a|b=c\\d\ne",
        actor_id="a|b=c\\d\r\ne\rf cs1=forged",
        details_after={"k=": "\\ | \n é"},
    )
    line = cef.to_text(event)
    assert "|a\\|b=c\\\\d e|" in line
    assert " suid=a|b\\=c\\\\d\\ne\\nf cs1\\=forged " in line
    _, extension = parse(line)
    assert extension["suid"] == "a|b=c\\d\ne\nf cs1=forged"
    assert loads(extension["pgchronicleDetailsAfter"]) == event.details_after


def test_no_value_can_pretend_to_be_another_event() -> None:
    for end in LINE_ENDS:
        line = cef.to_text(sample(user_agent=f"x{end}CEF:0|a|b|1|c|d|1|", action=f"a{end}b"))
        assert line.splitlines() == [line]
        assert " requestClientApplication=x\\nCEF:0|a|b|1|c|d|1| " in line
        assert "|a b|" in line


def test_control_characters_become_spaces() -> None:
    _, extension = parse(cef.to_text(KINDS["awkward"]))
    assert extension["suid"] == 'a|b=c\\d\\n"e",\n\n f [31m\n\ng \N{GRINNING FACE} é'


def test_too_long_a_text_is_cut_and_shows_it() -> None:
    _, extension = parse(cef.to_text(KINDS["huge"]))
    assert extension["msg"] == "y" * 1022 + "…"


def test_too_long_a_state_is_left_out_and_named() -> None:
    long: Mapping[str, Any] = {"body": "x" * 4000}
    _, extension = parse(cef.to_text(sample(details_before=long, details_after=long, reason="r")))
    assert extension["pgchronicleOmitted"] == "details_before, details_after"
    assert "pgchronicleDetailsAfter" not in extension
    _, extension = parse(cef.to_text(sample(details_after={"body": "x" * 3989})))
    assert len(extension["pgchronicleDetailsAfter"]) == 4000
    assert "pgchronicleOmitted" not in extension


def test_address_of_version_6_has_a_key_of_its_own() -> None:
    _, extension = parse(cef.to_text(KINDS["ipv6"]))
    assert "src" not in extension
    assert (extension["c6a2"], extension["c6a2Label"]) == ("2001:db8::7", "Source IPv6 Address")


@pytest.mark.parametrize(
    ("severity", "number"), [("info", "1"), ("warning", "5"), ("error", "8"), ("critical", "10")]
)
def test_severities_keep_their_order(severity: Any, number: str) -> None:
    header, _ = parse(cef.to_text(sample(severity=severity)))
    assert header[-1] == number


def test_nobody_is_named_where_nobody_is_known() -> None:
    _, extension = parse(cef.to_text(KINDS["anonymous"]))
    assert "suid" not in extension
    assert extension["flexString1"] == "anonymous"
