"""The client's errors: what the log refuses has a class, and keeps what PostgreSQL said of it."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest

import pgchronicle
from ask import run, values
from pgchronicle import Chronicle, ChronicleError, errors
from pgchronicle.errors import ERRORS
from support import Connection, acting_as

PAGE: Any = {"actor_type": "user", "action_type": "read", "resource_type": "page"}
EVENT = UUID(int=7)


def _log(**event: Any) -> Callable[[Chronicle], object]:
    return lambda log: log.log_audit_event(**(PAGE | event))


def _log_twice(log: Chronicle) -> None:
    log.log_audit_event(**PAGE, event_id=EVENT)
    log.log_audit_event(**PAGE, event_id=EVENT, reason="another")


def _log_unregistered(log: Chronicle) -> None:
    log.set_setting("enforce_resource_types", True)
    log.log_audit_event(**PAGE)


def _context(log: Chronicle) -> None:
    with log.context(reason="x" * 70_000):
        pass


REFUSALS: list[tuple[str, type[ChronicleError], Callable[[Chronicle], object]]] = [
    ("ZC001", errors.EventIdTakenError, _log_twice),
    ("ZC002", errors.NotRegisteredError, _log_unregistered),
    ("ZC005", errors.NotTrackedError, lambda log: log.disable_tracking("pg_catalog.pg_class")),
    ("22004", errors.MissingFieldError, _log(resource_type=None)),
    ("22023", errors.WrongFieldError, _log(duration_ms=-1)),
    ("22003", errors.WrongFieldError, _log(duration_ms=2**31)),
    ("22P02", errors.WrongFieldError, _log(actor_type="robot")),
    ("22P02", errors.WrongFieldError, _log(ip_address="nowhere")),
    ("22P02", errors.WrongFieldError, _log(event_id="7")),
    ("22P05", errors.WrongFieldError, _log(action_meta={"a": "\0"})),
    ("42939", errors.WrongFieldError, _log(resource_type="chronicle.mine")),
    ("54000", errors.TooLargeError, _context),
    ("42809", errors.NotTrackableError, lambda log: log.enable_tracking("chronicle.settings")),
    ("P0002", errors.NotFoundError, lambda log: log.remove_administrator("nobody")),
]


@pytest.mark.parametrize(("sqlstate", "expected", "ask"), REFUSALS)
def test_refusal_has_its_class(
    db: Connection,
    sqlstate: str,
    expected: type[ChronicleError],
    ask: Callable[[Chronicle], object],
) -> None:
    with pytest.raises(ChronicleError) as refused, db.transaction():
        ask(Chronicle(db))
    assert type(refused.value) is expected
    assert refused.value.sqlstate == sqlstate
    assert isinstance(refused.value.__cause__, psycopg.Error)
    assert refused.value.__cause__.sqlstate == sqlstate


def test_refusal_keeps_message_detail_and_hint(db: Connection) -> None:
    with pytest.raises(errors.MissingFieldError) as refused, db.transaction():
        Chronicle(db).log_audit_event()
    error = refused.value
    assert error.message == "an event needs _actor_type"
    assert error.detail == "_actor_type, _action_type and _resource_type are required."
    assert error.hint == "Pass it, or say who acts with chronicle.set_context."
    assert str(error) == f"{error.message}\nDETAIL: {error.detail}\nHINT: {error.hint}"


def test_role_without_the_right_is_told_so(db: Connection) -> None:
    with acting_as(db, "stranger"), pytest.raises(errors.NotAllowedError), db.transaction():
        Chronicle(db).log_audit_event(**PAGE)
    with acting_as(db, "app"), pytest.raises(errors.NotAllowedError), db.transaction():
        Chronicle(db).events()


def test_change_of_the_log_is_refused_with_a_code_that_is_known(db: Connection) -> None:
    run(db, "set local role chronicle_owner")
    with pytest.raises(psycopg.Error) as refused, db.transaction():
        run(db, "update chronicle.events set reason = 'none'")
    assert ERRORS[refused.value.sqlstate or ""] is errors.AppendOnlyError


def test_text_with_a_nul_character_is_a_wrong_field(db: Connection) -> None:
    with pytest.raises(errors.WrongFieldError) as refused:
        Chronicle(db).log_audit_event(**PAGE, reason="a\0b")
    assert refused.value.sqlstate is None


def test_other_errors_are_psycopgs(db: Connection) -> None:
    run(db, "create table t ()")
    log = Chronicle(db)
    with pytest.raises(psycopg.errors.UndefinedTable), db.transaction():
        log.enable_tracking("nowhere")
    with pytest.raises(psycopg.errors.UndefinedColumn), db.transaction():
        log.enable_tracking("t", organization_column="nothing")


def test_error_of_the_callers_own_statement_is_psycopgs(db: Connection) -> None:
    log = Chronicle(db)
    with (
        pytest.raises(psycopg.errors.InvalidTextRepresentation),
        db.transaction(),
        log.context(actor_id=7),
    ):
        run(db, "select 'x'::integer")


def test_every_code_of_ours_has_a_class(db: Connection) -> None:
    bodies = values(db, "select prosrc from pg_proc where pronamespace = 'chronicle'::regnamespace")
    raised = {code for body in bodies for code in re.findall(r"ZC\d{3}", body)}
    assert raised
    assert raised <= set(ERRORS)


def test_every_class_is_public_and_says_what_it_means() -> None:
    classes: list[type[Exception]] = [ChronicleError, *ChronicleError.__subclasses__()]
    assert set(ERRORS.values()) <= set(classes)
    for each in classes:
        assert getattr(pgchronicle, each.__name__) is each
        assert each.__name__ in pgchronicle.__all__
        assert (each.__doc__ or "").splitlines()[0].endswith(".")
        assert not issubclass(each, psycopg.Error)
