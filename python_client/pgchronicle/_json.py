"""Python values as JSON and back, losing nothing on the way to and from jsonb."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, TypeAlias
from uuid import UUID

_Quote: TypeAlias = Callable[[str], str]

_ADDRESSES = (IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network)

# Python refuses to turn a longer number into an int; jsonb holds numbers of any length.
_LONGEST_INT = 4000

# Python goes about 1,000 levels deep, jsonb several thousand: whoever writes such a value must not
# hide the events beside it.
_DEEPEST = 100
_NO_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[^\[\]{}"]+')
_BRACKET = re.compile(r'[\[\]{}]|"(?:[^"\\]|\\.)*"')


def dumps(value: object, *, ensure_ascii: bool = True) -> str:
    """The JSON text of a value.

    A decimal is a number with all its digits, which ``json.dumps`` has no way to write, and what
    JSON has no number for (NaN, infinity) is the string that PostgreSQL makes of it. Times, uuids
    and addresses are strings, bytes are the hexadecimal text of bytea.

    Raises:
        TypeError: there is no one way to write the value.
    """
    parts: list[str] = []
    _write(value, parts, encode_basestring_ascii if ensure_ascii else encode_basestring)
    return "".join(parts)


def loads(text: str | bytes) -> Any:
    """The value of a JSON text; numbers with a point are decimals.

    What lies more than 100 levels deep is not taken apart: it is its own JSON text.
    """
    if isinstance(text, bytes):
        text = text.decode()
    if _is_deep(text):
        text = _flattened(text)
    return json.loads(text, parse_float=Decimal, parse_int=_integer)


def _is_deep(text: str) -> bool:
    if text.count("{") + text.count("[") <= _DEEPEST:
        return False
    # What is left when the innermost pairs are taken away is one level less deep.
    brackets = _NO_BRACKET.sub("", text)
    for _ in range(_DEEPEST):
        if not brackets:
            return False
        brackets = brackets.replace("{}", "").replace("[]", "")
    return bool(brackets)


def _flattened(text: str) -> str:
    """The same JSON with strings for what lies too deep."""
    parts: list[str] = []
    depth = done = begin = 0
    for match in _BRACKET.finditer(text):
        match match[0]:
            case "{" | "[":
                depth += 1
                if depth == _DEEPEST + 1:
                    begin = match.start()
            case "}" | "]":
                if depth == _DEEPEST + 1:
                    parts += text[done:begin], json.dumps(text[begin : match.end()])
                    done = match.end()
                depth -= 1
            case _:  # a string, whose brackets are none
                pass
    return "".join((*parts, text[done:]))


def _write(value: object, parts: list[str], quote: _Quote) -> None:
    match value:
        case None:
            parts.append("null")
        # Before int and str, which an enum may also be.
        case Enum():
            _write(value.value, parts, quote)
        case str():
            parts.append(quote(value))
        case bool():
            parts.append("true" if value else "false")
        case int():
            parts.append(int.__repr__(value))
        case float():
            parts.append(_number(Decimal(float.__repr__(value))))
        case Decimal():
            parts.append(_number(value))
        case Mapping():
            _write_object(value, parts, quote)  # pyright: ignore[reportUnknownArgumentType]
        case list() | tuple():
            _write_array(value, parts, quote)  # pyright: ignore[reportUnknownArgumentType]
        case _:
            parts.append(quote(_string(value)))


def _write_object(value: Mapping[object, object], parts: list[str], quote: _Quote) -> None:
    separator = "{"
    for key, member in value.items():
        parts.append(f"{separator}{quote(str(key))}:")
        _write(member, parts, quote)
        separator = ","
    parts.append("{}" if separator == "{" else "}")


def _write_array(value: Sequence[object], parts: list[str], quote: _Quote) -> None:
    separator = "["
    for element in value:
        parts.append(separator)
        _write(element, parts, quote)
        separator = ","
    parts.append("[]" if separator == "[" else "]")


def _number(value: Decimal) -> str:
    if value.is_nan():
        return '"NaN"'
    if value.is_infinite():
        return '"Infinity"' if value > 0 else '"-Infinity"'
    return str(value)


def _string(value: object) -> str:
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case UUID():
            return str(value)
        case bytes() | bytearray():
            return f"\\x{value.hex()}"
        case _ if isinstance(value, _ADDRESSES):
            return str(value)
        case _:
            raise TypeError(
                f"a value of type {type(value).__name__} cannot be recorded as JSON: "
                "turn it into text, a number, a list or a mapping"
            )


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) < _LONGEST_INT else Decimal(digits)
