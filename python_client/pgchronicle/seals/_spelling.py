"""JSON that has one spelling: RFC 8785, which is to say sorted members, no blanks, and UTF-8.

Whatever is spelled in another way is refused. So nothing can be hidden in how a proof is written,
and what two readers make of it is the same.
"""

import json
from typing import Any, TypeAlias, cast
from uuid import UUID

from pgchronicle.errors import VerificationError

Object: TypeAlias = dict[str, Any]

_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))

_LONGEST_SHOWN = 60


def dumps(value: Object) -> bytes:
    """An object as one line. It holds text, lists, objects and integers below 2 to the 53."""
    return _ENCODER.encode(value).encode() + b"\n"


def loads(line: bytes) -> Object:
    """The object that a line is.

    Raises:
        VerificationError: it is no object, or not spelled as ``dumps`` spells it.
    """
    try:
        text = line.decode()
        value = json.loads(text)
        is_canonical = _ENCODER.encode(value) + "\n" == text
    except (ValueError, RecursionError) as error:
        raise VerificationError("this is no JSON", detail=_shown(line)) from error
    if not is_canonical:
        raise VerificationError(
            "this JSON is not in its one spelling",
            detail=_shown(line),
            hint="It is RFC 8785 on one line, with a newline at the end: see docs/format.md. "
            "Take the file as it was written, not through an editor or a formatter.",
        )
    if not isinstance(value, dict):
        raise VerificationError("this JSON is no object", detail=_shown(line))
    return cast(Object, value)


def members(value: object) -> Object:
    """The members of an object.

    Raises:
        VerificationError: it is none.
    """
    if not isinstance(value, dict):
        raise VerificationError(f"here should be an object, not {shown(value)}")
    return cast(Object, value)


def check_members(value: object, *names: str) -> Object:
    """The object, if it has these members and no other.

    Raises:
        VerificationError: it has not.
    """
    found = members(value)
    if found.keys() != set(names):
        raise VerificationError(
            f"here should be {_listed(names)}", detail=f"There is {shown(sorted(found))}."
        )
    return found


def check_format(members: Object, name: str, what: str) -> None:
    """
    Raises:
        VerificationError: an object says that it is of another format, or of none.
    """
    found = members.get("format")
    if found == name:
        return
    family = name.rpartition("/")[0]
    if isinstance(found, str) and found.startswith(f"{family}/"):
        raise VerificationError(
            f"this {what} is of another version",
            detail=f"Its format is {shown(found)}, and this release reads {name!r}.",
            hint="Verify it with a newer pgchronicle.",
        )
    raise VerificationError(
        f"this is no {what}", detail=f"Its format is {shown(found)}, not {name!r}."
    )


def text(value: object) -> str:
    """
    Raises:
        VerificationError: it is no text.
    """
    if not isinstance(value, str):
        raise VerificationError(f"here should be a text, not {shown(value)}")
    return value


def texts(value: object, length: int) -> list[str | None]:
    """A list of so many texts and nulls.

    Raises:
        VerificationError: it is none.
    """
    if (
        not isinstance(value, list)
        or len(cast(list[object], value)) != length
        or not all(each is None or isinstance(each, str) for each in cast(list[object], value))
    ):
        raise VerificationError(f"here should be a list of {length} texts and nulls")
    return cast(list[str | None], value)


def count(value: object) -> int:
    """A number of things, or the place of one.

    Raises:
        VerificationError: it is none.
    """
    if type(value) is not int or value < 0:
        raise VerificationError(f"here should be a number that is not negative, not {shown(value)}")
    return value


def hash_(value: object) -> bytes:
    """32 bytes, in lower-case hexadecimal digits.

    Raises:
        VerificationError: it is none.
    """
    found = text(value)
    if len(found) != 64 or not set(found) <= set("0123456789abcdef"):
        raise VerificationError(
            f"here should be 64 hexadecimal digits in lower case, not {shown(value)}"
        )
    return bytes.fromhex(found)


def hashes(value: object) -> list[bytes]:
    """A list of hashes.

    Raises:
        VerificationError: it is none.
    """
    if not isinstance(value, list):
        raise VerificationError(f"here should be a list of hashes, not {shown(value)}")
    return [hash_(each) for each in cast(list[object], value)]


def uuid(value: object) -> UUID:
    """A uuid in lower case with hyphens.

    Raises:
        VerificationError: it is none.
    """
    found = text(value)
    try:
        parsed = UUID(found)
    except ValueError:
        parsed = None
    if parsed is None or str(parsed) != found:
        raise VerificationError(f"here should be a uuid in lower case, not {shown(value)}")
    return parsed


def _listed(names: tuple[str, ...]) -> str:
    *others, last = [f'"{name}"' for name in names]
    return f"{', '.join(others)} and {last}" if others else last


def _shown(line: bytes) -> str:
    return f"It begins with {line[:_LONGEST_SHOWN]!r}." if line else "It is empty."


def shown(value: object) -> str:
    """A value from a file, so that it can neither fill nor command a terminal."""
    said = repr(value)
    return said if len(said) <= _LONGEST_SHOWN else f"{said[:_LONGEST_SHOWN]}..."
