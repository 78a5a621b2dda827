"""Contexts that prove who acts: tokens that ``chronicle.set_signed_context`` verifies.

A token is a JWT (RFC 7515, RFC 7519) with HS256: any library for these makes the same. It is good
for one transaction of one session, whose challenge it carries as "nonce".
"""

import base64
import hashlib
import hmac
import re
import time
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta

from pgchronicle import _json, ambient
from pgchronicle.errors import MissingFieldError, TooLargeError
from pgchronicle.models import ContextFields

_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_SHORTEST_SECRET = 32
_LONGEST_LIFETIME = timedelta(minutes=5)
_LONGEST_TOKEN = 65_536


@dataclass(frozen=True, slots=True)
class ContextSigner:
    """Makes tokens with a key that ``chronicle.add_context_key`` has made known to the server.

    Whoever has the secret can claim to be anyone: it belongs where passwords are kept.

    Args:
        key_id: of the key, as in ``chronicle.context_keys``.
        secret: of the key; at least 32 bytes.
        lifetime: how long a token can be presented, 1 second to 5 minutes. What was verified stays
            so until its transaction ends. The clocks here and at the server must agree as closely.

    Raises:
        TypeError: the secret is text: decode it first.
        ValueError: the key's name, its secret or the lifetime can not be right.
    """

    key_id: str
    secret: bytes = field(repr=False)
    _: KW_ONLY
    lifetime: timedelta = timedelta(seconds=60)

    def __post_init__(self) -> None:
        if not _KEY_ID.fullmatch(self.key_id):
            raise ValueError(
                f"{self.key_id!r} is no name of a key: "
                "1 to 100 letters, digits, dots, dashes, underscores"
            )
        # Not everybody has types checked.
        if not isinstance(self.secret, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"the secret is bytes, not {type(self.secret).__name__}: "
                "decode it, as with bytes.fromhex or base64.b64decode"
            )
        if len(self.secret) < _SHORTEST_SECRET:
            raise ValueError(f"the secret has {len(self.secret)} bytes, less than 32")
        if not timedelta(seconds=1) <= self.lifetime <= _LONGEST_LIFETIME:
            raise ValueError(f"the lifetime is {self.lifetime}, not 1 second to 5 minutes")

    def token(self, challenge: str, context: ContextFields) -> str:
        """A token for the transaction that ``chronicle.context_challenge()`` names so.

        Args:
            challenge: what that function returned.
            context: who acts; ``actor_id`` and ``actor_type`` are required.

        Raises:
            MissingFieldError: nobody is named.
            TooLargeError: the token has more than 65536 bytes.
            TypeError: the context has no such field, or a value has no form in JSON.
        """
        said = ambient.merged({}, context)
        for name in ("actor_id", "actor_type"):
            if not str(said.get(name, "")):
                raise MissingFieldError(
                    f"a signed context needs {name}",
                    hint="Name who acts, by actor_id and actor_type, here or in a scope around.",
                )
        issued = int(time.time())
        claims = {
            **said,
            # As in SQL, where all but client_info are text.
            **{name: str(value) for name, value in said.items() if name != "client_info"},
            "nonce": challenge,
            "iat": issued,
            "exp": issued + int(self.lifetime.total_seconds()),
        }
        header = {"alg": "HS256", "kid": self.key_id, "typ": "JWT"}
        signed = f"{_segment(header)}.{_segment(claims)}"
        code = hmac.digest(self.secret, signed.encode(), hashlib.sha256)
        token = f"{signed}.{_base64url(code)}"
        if len(token) > _LONGEST_TOKEN:
            raise TooLargeError(
                f"the signed context has {len(token)} bytes, more than {_LONGEST_TOKEN}",
                hint="Every event of the transaction carries the context: log large things once, "
                "with log_audit_event.",
            )
        return token


def _segment(content: object) -> str:
    return _base64url(_json.dumps(content).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
