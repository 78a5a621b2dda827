from collections.abc import Mapping
from typing import NamedTuple

class DatabaseURI(NamedTuple):
    scheme: str
    username: str | None
    password: str | None
    hostname: str | None
    port: int | None
    database: str | None
    args: Mapping[str, str]
