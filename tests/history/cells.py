"""Values as the model holds them: the text that PostgreSQL gives for them, or null. And as the log
has to hold them: JSON in which every number is still its text, because 1.0 is not 1.00."""

import json
from collections.abc import Mapping

Cell = str | None

Image = None | bool | str | tuple[str, str] | list["Image"] | dict[str, "Image"]
"""JSON; a number is a pair of the word number and its text."""

VOCABULARY: Mapping[str, tuple[str, ...]] = {
    "integer": ("0", "1", "-7", "42", "2147483647"),
    "bigint": ("9007199254740993", "0", "-1"),
    "text": ("", "a", "b", "O'Brien", "null", "[masked]", "{}", "ä\n\\ \t"),
    "numeric": ("0", "1.0", "1.00", "-3.50", "NaN", "12345678901234567890.123456789"),
    "boolean": ("true", "false"),
    "double precision": ("0", "-0", "0.1", "NaN", "-Infinity"),
    "timestamp with time zone": ("2024-02-29 23:59:59.123456+00", "infinity"),
    "bytea": ("\\x", "\\x00ff"),
    "integer[]": ("{}", "{1,NULL,3}", "{{1,2},{3,4}}", "[0:1]={5,6}"),
    "jsonb": ("null", '"x"', '"null"', '{"a": 1}', '{"a": null, "b": [1.50, true]}', "[]", "1.50"),
    "json": (
        *("null", '"x"', '"null"', '{"a": 1}', '{"a":1}', "[1.50, null]", "1.0"),
        *('{"a": 1, "a": 2}', '{"b": 1, "a": 2}', '{"a": "\\u0000"}', "1e2"),
    ),
}
"""Values of each type, as it prints them."""

# Of the type json, what jsonb would print otherwise or can not hold.
_INEXACT = frozenset({'{"a":1}', '{"a": 1, "a": 2}', '{"b": 1, "a": 2}', '{"a": "\\u0000"}', "1e2"})


def parse(text: str) -> Image:
    """JSON with its numbers as they are written."""
    parsed: Image = json.loads(text, parse_int=number, parse_float=number, parse_constant=number)
    return parsed


def number(text: str) -> tuple[str, str]:
    """A JSON number as it is written."""
    return ("number", text)


def image(kind: str, cell: Cell) -> Image:
    """What the log has to hold for a value."""
    if cell is None:
        return None
    match kind:
        case "integer" | "bigint":
            return number(cell)
        case "numeric":
            return cell if cell == "NaN" else number(cell)
        case "double precision":
            return number(cell) if cell in ("0", "0.1") else cell
        case "boolean":
            return cell == "true"
        case "timestamp with time zone":
            return cell.replace(" ", "T").replace("+00", "+00:00")
        case "integer[]":
            if cell.startswith("["):
                return cell
            return parse(cell.replace("{", "[").replace("}", "]").replace("NULL", "null"))
        case "json" | "jsonb":
            # As text: a JSON null, so that it is not a missing value, and a JSON string, so that it
            # is not the text of something else.
            is_text = cell in _INEXACT or cell == "null" or cell.startswith('"')
            return cell if is_text else parse(cell)
        case _:
            return cell


def printed(kind: str, cell: Cell) -> Cell:
    """A value as its type prints it, which for one of them is not its text."""
    return cell[0] if kind == "boolean" and cell is not None else cell


def literal(kind: str, cell: Cell, *, is_cast: bool = False) -> str:
    """A value as SQL; cast where nothing else says its type."""
    if cell is None:
        text = "null"
    elif kind == "integer":
        text = cell
    else:
        quoted = cell.replace("'", "''")
        text = f"'{quoted}'"
    return f"{text}::{kind}" if is_cast else text


def copy_text(cell: Cell) -> str:
    """A value as COPY reads it."""
    if cell is None:
        return "\\N"
    for plain, escaped in (("\\", "\\\\"), ("\n", "\\n"), ("\t", "\\t")):
        cell = cell.replace(plain, escaped)
    return cell
