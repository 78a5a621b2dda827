"""Signed context tokens as any language makes them: by RFC 7515 and RFC 7519 with the standard
library alone, and nothing of ours. Also tokens as nobody should make them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ask import row, run, value
from support import Connection

LONGEST_S = 300
"""How long after ``iat`` a token may expire, in seconds."""

EARLIEST_S = 60
"""How far ahead of the server's clock ``iat`` may be, in seconds."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key as both sides know it."""

    key_id: str
    secret: bytes

    def header(self, **members: Any) -> dict[str, Any]:
        """What the first segment says; the members beside it or instead of it."""
        return {"alg": "HS256", "typ": "JWT", "kid": self.key_id} | members

    def token(self, claims: Mapping[str, Any]) -> str:
        """The token for these claims."""
        return self.sign(self.header(), claims)

    def sign(self, header: object, claims: object) -> str:
        """A token of a header and claims that need not be right."""
        return self.sealed(f"{segment(header)}.{segment(claims)}")

    def sealed(self, signing_input: str) -> str:
        """A token of two segments that need not be any: the third is their HMAC."""
        digest = hmac.digest(self.secret, signing_input.encode(), hashlib.sha256)
        return f"{signing_input}.{base64url(digest)}"


def base64url(data: bytes) -> str:
    """The alphabet of RFC 4648 section 5, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def segment(content: object) -> str:
    """A segment of JSON; bytes and text are taken as they are, for JSON that is none."""
    if isinstance(content, str):
        content = content.encode()
    if not isinstance(content, bytes):
        content = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    return base64url(content)


def claims(connection: Connection, **fields: Any) -> dict[str, Any]:
    """Claims for the transaction that the connection is in, by the server's clock, good for a
    minute; the fields beside or instead of them, and those that are None left out."""
    challenge, now = row(
        connection,
        "select chronicle.context_challenge(), floor(extract(epoch from clock_timestamp()))::int8",
    )
    made = {"nonce": challenge, "iat": now, "exp": now + 60} | fields
    return {name: one for name, one in made.items() if one is not None}


def ada(connection: Connection, **fields: Any) -> dict[str, Any]:
    """Claims that name the user ada."""
    return claims(connection, **{"actor_id": "ada", "actor_type": "user"} | fields)


def present(connection: Connection, token: str | None) -> str:
    """Hands a token to the server and returns what it says of it."""
    said: str = value(connection, "select chronicle.set_signed_context(%s)", (token,))
    return said


def add_key(connection: Connection, key_id: str = "first", secret: bytes | None = None) -> Key:
    """Makes a key, as somebody with chronicle_admin."""
    given = value(connection, "select chronicle.add_context_key(%s, %s)", (key_id, secret))
    return Key(key_id, bytes(given))


def verify(connection: Connection, key: Key, **fields: Any) -> None:
    """Begins a verified context, of ada unless the fields say otherwise."""
    assert present(connection, key.token(ada(connection, **fields))) == "verified"


def current(connection: Connection) -> Any:
    """The context, as events of this moment would carry it."""
    return value(connection, "select chronicle.current_context()")


def state(connection: Connection) -> Any:
    """How far the context can be believed."""
    return current(connection)["context_state"]


def kept(connection: Connection) -> Any:
    """What the session keeps of its context, as any session can read it."""
    return value(connection, "select current_setting('chronicle.context', true)")


def keep(connection: Connection, text: str, *, is_local: bool = True) -> None:
    """Sets by hand what the session keeps of its context."""
    run(connection, "select set_config('chronicle.context', %s, %s)", (text, is_local))
