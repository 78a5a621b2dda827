"""The client's signed context: the server knows who acts, and the block says so to the end."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from ask import rows, run
from pgchronicle import Chronicle, ContextSigner, ambient
from pgchronicle.errors import ContextRefusedError, MissingFieldError
from pgchronicle.models import ContextFields
from support import Connection, Database, acting_as

KEY = ContextSigner("k-1", bytes(range(32)))
PAGE: Any = {"action_type": "read", "resource_type": "page"}
ABSENT = {"actor_type": "system", "actor_id": "app", "context_state": "absent"}


def verified(**said: Any) -> dict[str, Any]:
    return said | {"context_state": "verified"}


ADA = verified(actor_type="user", actor_id="ada")


@pytest.fixture
def log(db: Connection) -> Iterator[Chronicle]:
    """A client for app that signs; nothing is ever committed."""
    Chronicle(db).add_context_key(KEY.key_id, KEY.secret)
    with acting_as(db, "app"):
        yield Chronicle(db, signer=KEY)


def test_signed_context_is_verified_and_over_with_the_block(log: Chronicle) -> None:
    with log.context(actor_type="user", actor_id="ada", client_info={"build": 7}):
        assert log.current_context() == ADA | {"client_info": {"build": 7}}
    assert log.current_context() == ABSENT


def test_inner_context_is_signed_too_and_the_outer_one_is_still_verified(log: Chronicle) -> None:
    with log.context(actor_type="user", actor_id="ada"):
        with log.context(reason="ticket 7"):
            assert log.current_context() == ADA | {"reason": "ticket 7"}
        assert log.current_context() == ADA
        with suppress(KeyError), log.context(actor_type="ai", actor_id="bot"):
            raise KeyError
        assert log.current_context() == ADA


def test_outer_context_is_verified_after_a_savepoint_is_rolled_back_or_released(
    log: Chronicle, db: Connection
) -> None:
    with log.context(actor_type="user", actor_id="ada"):
        with (
            suppress(psycopg.errors.UndefinedTable),
            db.transaction(),
            log.context(actor_type="user", actor_id="bob"),
        ):
            run(db, "select from nowhere")
        assert log.current_context() == ADA
        with db.transaction(), log.context(actor_type="user", actor_id="bob"):
            pass
        assert log.current_context() == ADA


def test_what_is_asserted_within_the_block_is_not_verified_and_ends_first(
    log: Chronicle, db: Connection
) -> None:
    with log.context(actor_type="user", actor_id="ada"):
        with Chronicle(db).context(actor_type="user", actor_id="ada"):
            assert log.current_context() == ADA | {"context_state": "asserted"}
        assert log.current_context() == ADA


def test_what_surrounds_a_call_is_signed(db: Connection, log: Chronicle) -> None:
    with ambient.scope(actor_type="user", actor_id="ada", request_id="r"):
        log.log_audit_event(**PAGE, resource_id="single")
        log.log_audit_events([PAGE | {"resource_id": "set"}])
        log.log_audit_event(**PAGE, resource_id="other", actor_type="ai", actor_id="bot")
        with log.context():
            ambient.annotate(actor_id="bob", actor_type="user")
            log.log_audit_event(**PAGE, resource_id="annotated")
    with ambient.scope(request_id="r"):
        log.log_audit_event(**PAGE, resource_id="nobody", actor_type="system")
    assert log.current_context() == ABSENT
    query = (
        "select resource_id, actor_id, request_id, context_state from chronicle.events "
        "where resource_type = 'page' order by seq"
    )
    run(db, "set local session authorization auditor")
    assert rows(db, query) == [
        ("single", "ada", "r", "verified"),
        ("set", "ada", "r", "verified"),
        ("other", "bot", "r", "asserted"),
        ("annotated", "bob", "r", "verified"),
        ("nobody", None, "r", "absent"),
    ]


def test_each_transaction_has_its_own_signature(database: Database) -> None:
    auditor = database.connect(autocommit=True)
    Chronicle(auditor).add_context_key(KEY.key_id, KEY.secret)
    with ConnectionPool(database.dsn("app"), min_size=1, max_size=1) as pool:
        logs = [
            Chronicle(pool, signer=KEY),
            Chronicle(database.connect("app", autocommit=True), signer=KEY),
        ]
        for log in logs:
            for actor in ("ada", "bob"):
                with log.context(actor_type="user", actor_id=actor):
                    log.log_audit_event(**PAGE)
    query = (
        "select actor_id, context_state from chronicle.events where resource_type = 'page' "
        "order by seq"
    )
    assert rows(auditor, query) == [("ada", "verified"), ("bob", "verified")] * 2


class _Elsewhere(ContextSigner):
    """Signs for another transaction."""

    def token(self, challenge: str, context: ContextFields) -> str:
        return super().token(f"{challenge}0", context)


@pytest.mark.parametrize(
    ("signer", "ahead_s", "reason", "hint"),
    [
        (ContextSigner("k-2", KEY.secret), 0, "unknown_key", "add_context_key"),
        (ContextSigner("k-1", bytes(32)), 0, "bad_signature", "The secret is not the one"),
        (KEY, -120, "expired", "The clock here is behind"),
        (KEY, 120, "malformed", "The clock here is more than a minute ahead"),
        (_Elsewhere("k-1", KEY.secret), 0, "wrong_transaction", "a transaction of its own"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_context_that_the_server_does_not_believe_is_an_error_and_changes_nothing(
    log: Chronicle,
    db: Connection,
    monkeypatch: pytest.MonkeyPatch,
    signer: ContextSigner,
    ahead_s: int,
    reason: str,
    hint: str,
) -> None:
    other = Chronicle(db, signer=signer)
    with log.context(actor_type="user", actor_id="ada"):
        now = time.time() + ahead_s
        monkeypatch.setattr("pgchronicle.signing.time.time", lambda: now)
        with pytest.raises(ContextRefusedError) as refused, other.context(reason="why"):
            raise AssertionError("it was accepted")
        assert log.current_context() == ADA
    error = refused.value
    assert (error.reason, error.sqlstate) == (reason, None)
    assert error.message == f"the signed context is refused: {reason}"
    assert error.detail == f'It was signed with the key "{signer.key_id}".'
    assert hint in (error.hint or "")


def test_context_that_names_nobody_is_not_signed(log: Chronicle) -> None:
    with log.context(actor_type="user", actor_id="ada"):
        with pytest.raises(MissingFieldError), log.context(actor_id="", actor_type="user"):
            raise AssertionError("it was accepted")
        assert log.current_context() == ADA


def test_context_without_an_actor_is_asserted(log: Chronicle) -> None:
    """As of an anonymous visitor, who is served all the same."""
    with log.context(request_id="r"):
        assert log.current_context() == {"request_id": "r", "context_state": "asserted"}
        with log.context(actor_id="ada"):
            assert log.current_context() == ADA | {"request_id": "r"}
    with log.context(actor_type="user", actor_id="ada"):
        with log.context(actor_type="anonymous"):
            said = log.current_context()
            assert said == {"actor_type": "anonymous", "context_state": "asserted"}
        assert log.current_context() == ADA


def test_token_may_be_made_elsewhere(log: Chronicle, db: Connection) -> None:
    """As by a service that alone has the secret."""
    plain = Chronicle(db)
    who: ContextFields = {"actor_type": "user", "actor_id": "ada"}
    assert plain.set_signed_context(KEY.token(plain.context_challenge(), who)) == "verified"
    assert log.current_context() == ADA
    assert plain.set_signed_context("nonsense") == "malformed"
