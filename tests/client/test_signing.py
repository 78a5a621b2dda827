"""Tokens of signed contexts, held to what another library makes and reads of them."""

import time
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import jwt as pyjwt
import pytest

from ask import value
from pgchronicle import ContextSigner, _statements
from pgchronicle.errors import MissingFieldError, TooLargeError
from support import Connection, acting_as

jwt: Any = pyjwt  # some of its types come from packages that are not installed

SECRET = bytes(range(32))
SIGNER = ContextSigner("k-1", SECRET)
WHO: Any = {"actor_id": 7, "actor_type": "user"}

WHOLE: Any = {
    "actor_id": 7,
    "actor_type": "user",
    "actor_role": "clerk",
    "impersonator_id": UUID(int=1),
    "organization_id": UUID(int=2),
    "session_id": "s",
    "request_id": UUID(int=3),
    "trace_id": "t",
    "operation_id": "o",
    "ip_address": ip_address("2001:db8::7"),
    "user_agent": "curl/8 é 😀",
    "client_info": {"build": 7, "ratio": Decimal("1.50"), "none": None},
    "reason": 'so "it" is',
    "ai_operation_id": UUID(int=4),
}


class _Kind(StrEnum):
    USER = "user"


def signed(**context: Any) -> str:
    return SIGNER.token("1.ff", WHO | context)


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, SECRET, algorithms=["HS256"])
    return found


def test_another_library_reads_what_was_signed() -> None:
    before = int(time.time())
    found = claims(SIGNER.token("1.ff", WHOLE))
    issued = found.pop("iat")
    assert before <= issued <= time.time()
    assert found.pop("exp") == issued + 60
    assert found == {
        "actor_id": "7",
        "actor_type": "user",
        "actor_role": "clerk",
        "impersonator_id": str(UUID(int=1)),
        "organization_id": str(UUID(int=2)),
        "session_id": "s",
        "request_id": str(UUID(int=3)),
        "trace_id": "t",
        "operation_id": "o",
        "ip_address": "2001:db8::7",
        "user_agent": "curl/8 é 😀",
        "client_info": {"build": 7, "ratio": 1.5, "none": None},
        "reason": 'so "it" is',
        "ai_operation_id": str(UUID(int=4)),
        "nonce": "1.ff",
    }
    assert set(found) == {*_statements.CONTEXT_FIELDS, "nonce"}


def test_token_is_to_the_letter_what_another_library_makes() -> None:
    token = signed(actor_id="ada", reason="naïve")
    assert token == jwt.encode(
        claims(token), SECRET, algorithm="HS256", headers=jwt.get_unverified_header(token)
    )
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "kid": "k-1", "typ": "JWT"}
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, bytes(32), algorithms=["HS256"])


def test_what_is_none_is_left_out_and_labels_are_their_values() -> None:
    found = claims(signed(actor_type=_Kind.USER, reason=None))
    assert found.keys() == {"actor_id", "actor_type", "nonce", "iat", "exp"}
    assert found["actor_type"] == "user"


def test_lifetime_is_the_signers() -> None:
    signer = ContextSigner("k-1", SECRET, lifetime=timedelta(minutes=5))
    found = claims(signer.token("1.ff", WHO))
    assert found["exp"] - found["iat"] == 300


def test_server_believes_the_token_to_the_digit(db: Connection) -> None:
    value(db, "select chronicle.add_context_key('k-1', %s)", (SECRET,))
    with acting_as(db, "app"):
        challenge = value(db, "select chronicle.context_challenge()")
        state = value(
            db, "select chronicle.set_signed_context(%s)", (SIGNER.token(challenge, WHOLE),)
        )
        assert state == "verified"
        found = value(db, "select chronicle.current_context()")
        text = value(db, "select chronicle.current_context() ->> 'client_info'")
    said = {
        name: given if name == "client_info" else str(given)
        for name, given in WHOLE.items()
        if name != "client_info"
    }
    assert found == {
        **said,
        "client_info": {"build": 7, "ratio": 1.5, "none": None},
        "context_state": "verified",
    }
    assert '"ratio": 1.50' in text


@pytest.mark.parametrize("missing", ["actor_id", "actor_type"])
def test_token_names_who_acts(missing: str) -> None:
    for nobody in (None, ""):
        with pytest.raises(MissingFieldError, match=f"a signed context needs {missing}"):
            signed(**{missing: nobody})


def test_token_that_the_server_would_not_read_is_not_made() -> None:
    with pytest.raises(TooLargeError, match="more than 65536"):
        signed(reason="x" * 50_000)
    with pytest.raises(TypeError, match="actor_typ"):
        signed(actor_typ="user")


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        (("", SECRET), ValueError, "'' is no name of a key"),
        (("a b", SECRET), ValueError, "'a b' is no name of a key"),
        (("k", SECRET[1:]), ValueError, "the secret has 31 bytes, less than 32"),
        (("k", SECRET.hex()), TypeError, "the secret is bytes, not str: decode it"),
    ],
)
def test_key_that_can_not_be_right_is_refused(
    arguments: Any, error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        ContextSigner(*arguments)


@pytest.mark.parametrize("seconds", [-1, 0, 0.5, 301])
def test_lifetime_that_the_server_would_not_accept_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="not 1 second to 5 minutes"):
        ContextSigner("k", SECRET, lifetime=timedelta(seconds=seconds))


def test_secret_is_not_shown() -> None:
    assert repr(SIGNER) == ("ContextSigner(key_id='k-1', lifetime=datetime.timedelta(seconds=60))")
