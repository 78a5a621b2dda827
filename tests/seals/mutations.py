"""Files that differ a little from a good one, by chance, and what reads them too kindly."""

import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from pgchronicle.errors import VerificationError
from pgchronicle.seals import _spelling
from pgchronicle.seals._spelling import Object

# Of the header, or a salt: the others are hashed as text.
_UUID = rb'(?<=[dt]":")[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'

Mutation = Callable[[random.Random, bytes], bytes]


def mutants(seed: int, data: bytes, count: int) -> Iterator[tuple[str, bytes]]:
    """So many files that differ from this one, each with the name of what was done to it."""
    chance = random.Random(seed)
    names = sorted(MUTATIONS)
    made = 0
    # A mutation may find nothing to change.
    for attempt in range(count * 20):
        name = names[attempt % len(names)]
        mutant = MUTATIONS[name](chance, data)
        if mutant != data:
            yield name, mutant
            made += 1
        if made == count:
            return
    raise AssertionError("hardly anything can be changed")


def flip_a_bit(chance: random.Random, data: bytes) -> bytes:
    place = chance.randrange(len(data))
    return _replaced(data, place, place + 1, bytes([data[place] ^ 1 << chance.randrange(8)]))


def flip_a_bit_of_the_header(chance: random.Random, data: bytes) -> bytes:
    place = chance.randrange(data.index(b"\n"))
    return _replaced(data, place, place + 1, bytes([data[place] ^ 1 << chance.randrange(8)]))


def drop_bytes(chance: random.Random, data: bytes) -> bytes:
    place = chance.randrange(len(data))
    return _replaced(data, place, place + chance.randint(1, 5), b"")


def add_bytes(chance: random.Random, data: bytes) -> bytes:
    place = chance.randrange(len(data) + 1)
    return _replaced(data, place, place, chance.randbytes(chance.randint(1, 5)))


def change_a_digit(chance: random.Random, data: bytes) -> bytes:
    return _substituted(chance, data, rb"[0-9]", lambda _: str(chance.randrange(10)).encode())


def truncate(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data))]


def truncate_at_a_line(chance: random.Random, data: bytes) -> bytes:
    lines = _lines(data)
    return b"".join(lines[: chance.randrange(len(lines))])


def drop_the_last_newline(_: random.Random, data: bytes) -> bytes:
    return data[:-1]


def remove_a_line(chance: random.Random, data: bytes) -> bytes:
    lines = _lines(data)
    del lines[chance.randrange(len(lines))]
    return b"".join(lines)


def remove_lines(chance: random.Random, data: bytes) -> bytes:
    lines = _lines(data)
    place = chance.randrange(len(lines))
    del lines[place : place + chance.randint(2, 5)]
    return b"".join(lines)


def double_a_line(chance: random.Random, data: bytes) -> bytes:
    lines = _lines(data)
    lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))
    return b"".join(lines)


def swap_lines(chance: random.Random, data: bytes) -> bytes:
    lines = _lines(data)
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def swap_neighbours(chance: random.Random, data: bytes) -> bytes:
    lines = _lines(data)
    place = chance.randrange(len(lines))
    lines[place : place + 2] = reversed(lines[place : place + 2])
    return b"".join(lines)


def rename_a_key(chance: random.Random, data: bytes) -> bytes:
    return _substituted(chance, data, rb'(?<=[{,]")[a-z_]+(?=":)', lambda key: key + b"_")


def take_another_key(chance: random.Random, data: bytes) -> bytes:
    keys = (b"checkpoint", b"note", b"digest", b"salt", b"event", b"events", b"batch")
    return _substituted(chance, data, rb'(?<=[{,]")[a-z_]+(?=":)', lambda _: chance.choice(keys))


def add_a_key(chance: random.Random, data: bytes) -> bytes:
    return _with_members(chance, data, lambda members: {**members, "zzz": None})


def drop_a_key(chance: random.Random, data: bytes) -> bytes:
    def without_one(members: dict[str, Any]) -> dict[str, Any]:
        dropped = chance.choice(list(members))
        return {key: value for key, value in members.items() if key != dropped}

    return _with_members(chance, data, without_one)


def double_a_key(chance: random.Random, data: bytes) -> bytes:
    """The first of two members is the one that most readers do not see."""
    return _substituted(chance, data, rb"^\{", lambda brace: brace + b'"batch":"forged",')


def sort_the_keys_otherwise(chance: random.Random, data: bytes) -> bytes:
    return _with_members(chance, data, lambda members: dict(reversed(members.items())))


def write_hex_in_upper_case(chance: random.Random, data: bytes) -> bytes:
    return _substituted(chance, data, rb"[0-9a-f]{64}", lambda digits: digits.upper())


def write_a_uuid_in_upper_case(chance: random.Random, data: bytes) -> bytes:
    return _substituted(chance, data, _UUID, lambda uuid: uuid.upper())


def write_a_uuid_without_hyphens(chance: random.Random, data: bytes) -> bytes:
    return _substituted(
        chance,
        data,
        _UUID,
        lambda uuid: uuid.replace(b"-", b""),
    )


def add_a_blank(chance: random.Random, data: bytes) -> bytes:
    return _substituted(chance, data, rb"[\[\]{}:,]", lambda sign: sign + b" ")


def add_blanks_around_a_line(chance: random.Random, data: bytes) -> bytes:
    blank = chance.choice([b" ", b"\t", b"\r", b"\n", b"\x0b", b"\xef\xbb\xbf", b"\xe2\x80\xa8"])
    return _substituted(chance, data, rb"(?:^|\n|$)", lambda end: chance.choice([end, b""]) + blank)


def end_a_line_as_windows_does(chance: random.Random, data: bytes) -> bytes:
    return _substituted(chance, data, rb"\n", lambda _: b"\r\n")


def escape_a_letter(chance: random.Random, data: bytes) -> bytes:
    return _substituted(
        chance, data, rb"(?<=[a-z])[a-z]", lambda letter: b"\\u00" + letter.hex().encode()
    )


def escape_an_escape_otherwise(chance: random.Random, data: bytes) -> bytes:
    return _substituted(chance, data, rb"\\n", lambda _: b"\\u000a")


def write_a_number_otherwise(chance: random.Random, data: bytes) -> bytes:
    ways = (b".0", b"e0", b".", b"E+0")
    return _substituted(chance, data, rb'(?<=[sx]":)[0-9]+', lambda n: n + chance.choice(ways))


def write_a_number_as_text(chance: random.Random, data: bytes) -> bytes:
    return _substituted(chance, data, rb'(?<=[sx]":)[0-9]+', lambda n: b'"' + n + b'"')


def make_null_empty(chance: random.Random, data: bytes) -> bytes:
    return _substituted(chance, data, rb"null", lambda _: b'""')


def make_a_text_null(chance: random.Random, data: bytes) -> bytes:
    return _substituted(chance, data, rb'"[^"\\]*"(?=[,\]])', lambda _: b"null")


def swap_two_texts(chance: random.Random, data: bytes) -> bytes:
    return _substituted(
        chance, data, rb'"[^"\\]*","[^"\\]*"', lambda two: b",".join(two.split(b",")[::-1])
    )


def take_a_hash_from_elsewhere(chance: random.Random, data: bytes) -> bytes:
    found: list[bytes] = re.findall(rb"[0-9a-f]{64}", data)
    if not found:
        return data
    return _substituted(chance, data, rb"[0-9a-f]{64}", lambda _: chance.choice(found))


MUTATIONS: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        flip_a_bit,
        flip_a_bit_of_the_header,
        drop_bytes,
        add_bytes,
        change_a_digit,
        truncate,
        truncate_at_a_line,
        drop_the_last_newline,
        remove_a_line,
        remove_lines,
        double_a_line,
        swap_lines,
        swap_neighbours,
        rename_a_key,
        take_another_key,
        add_a_key,
        drop_a_key,
        double_a_key,
        sort_the_keys_otherwise,
        write_hex_in_upper_case,
        write_a_uuid_in_upper_case,
        write_a_uuid_without_hyphens,
        add_a_blank,
        add_blanks_around_a_line,
        end_a_line_as_windows_does,
        escape_a_letter,
        escape_an_escape_otherwise,
        write_a_number_otherwise,
        write_a_number_as_text,
        make_null_empty,
        make_a_text_null,
        swap_two_texts,
        take_a_hash_from_elsewhere,
    )
}

SPELLINGS = frozenset(
    {
        "add_a_blank",
        "add_a_key",
        "double_a_key",
        "end_a_line_as_windows_does",
        "escape_a_letter",
        "escape_an_escape_otherwise",
        "sort_the_keys_otherwise",
        "write_a_uuid_in_upper_case",
        "write_a_uuid_without_hyphens",
        "write_hex_in_upper_case",
    }
)
"""What a verifier that reads JSON as most do lets pass: it means the same to it."""


def read_kindly(monkeypatch: Any) -> None:
    """Lets the verifier read JSON as most programs do."""

    def loads(line: bytes) -> Object:
        try:
            found: Object = json.loads(line)
        except ValueError as error:
            raise VerificationError("no JSON") from error
        return found

    def check_members(value: object, *names: str) -> Object:
        assert isinstance(value, dict)
        if not value.keys() >= set(names):  # pyright: ignore[reportUnknownMemberType]
            raise VerificationError("a member is missing")
        return value  # pyright: ignore[reportUnknownVariableType]

    monkeypatch.setattr(_spelling, "loads", loads)
    monkeypatch.setattr(_spelling, "check_members", check_members)
    monkeypatch.setattr(_spelling, "hash_", bytes.fromhex)
    monkeypatch.setattr(_spelling, "uuid", UUID)


def _lines(data: bytes) -> list[bytes]:
    return re.findall(rb"[^\n]*\n", data)


def _replaced(data: bytes, begin: int, end: int, new: bytes) -> bytes:
    return data[:begin] + new + data[end:]


def _substituted(
    chance: random.Random, data: bytes, pattern: bytes, new: Callable[[bytes], bytes]
) -> bytes:
    """One of the places where the pattern is found, made into something else."""
    found = list(re.finditer(pattern, data, re.MULTILINE))
    if not found:
        return data
    match = chance.choice(found)
    return _replaced(data, match.start(), match.end(), new(match[0]))


def _with_members(
    chance: random.Random, data: bytes, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> bytes:
    """One of the objects that are lines, with other members, and well spelled but for their
    order."""
    lines = _lines(data)
    place = chance.randrange(len(lines))
    changed = change(json.loads(lines[place]))
    lines[place] = json.dumps(changed, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    return b"".join(lines)
