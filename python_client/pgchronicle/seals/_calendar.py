"""Days as seals write them: any year that PostgreSQL knows, which a ``datetime.date`` is not."""

import re
from datetime import date
from functools import lru_cache

_DAY = re.compile(r"(-?)([0-9]{4}|[1-9][0-9]{4,6})-([0-9]{2})-([0-9]{2})")
_EPOCH = date(1970, 1, 1).toordinal()

# The calendar repeats itself after so many years.
_YEARS = 400
_DAYS = 146_097

_MICROSECONDS = 86_400_000_000


@lru_cache(maxsize=1000)
def day_number(text: str) -> int:
    """Of a day as ISO 8601 writes it, how many days it is after 1970-01-01.

    Years are astronomical: 0000 is 1 BC, and -0043 is 44 BC. Years above 9999 have more digits.

    Raises:
        ValueError: the calendar has no such day, or it is spelled in another way.
    """
    match = _DAY.fullmatch(text)
    if match is None or text.startswith("-0000"):
        raise ValueError(f"{text!r} is no day")
    year = int(match[1] + match[2])
    cycles, place = divmod(year - 1, _YEARS)
    day = date(place + 1, int(match[3]), int(match[4]))
    return day.toordinal() + cycles * _DAYS - _EPOCH


def month_days(text: str) -> tuple[int, int]:
    """Of a month, as ``YYYY-MM``, its first day and the first day after it, as ``day_number``.

    Raises:
        ValueError: the calendar has no such month, or it is spelled in another way.
    """
    if not _is_day(f"{text}-01"):
        raise ValueError(f"{text!r} is no month: it should be as 2026-11")
    first = day_number(f"{text}-01")
    # The first of the next month is 28 to 31 days on.
    length = next(n for n in range(28, 32) if not _is_day(f"{text}-{n + 1:02}"))
    return first, first + length


def day_of(microseconds: int) -> int:
    """The day, as ``day_number``, of a time in microseconds since 1970-01-01 UTC."""
    return microseconds // _MICROSECONDS


def _is_day(text: str) -> bool:
    try:
        day_number(text)
    except ValueError:
        return False
    return True
