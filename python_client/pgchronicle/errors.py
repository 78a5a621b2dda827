"""What the log refuses, as exceptions, and which SQLSTATE each stands for."""

from collections.abc import Generator
from contextlib import contextmanager

import psycopg


class ChronicleError(Exception):
    """The log refused what it was asked.

    The transaction is as PostgreSQL leaves it after an error: to be rolled back, or back to a
    savepoint. ``__cause__`` is the error as psycopg raised it.

    Attributes:
        message: what is wrong, in few words.
        detail: what was seen, as a sentence.
        hint: what to do about it.
        sqlstate: PostgreSQL's code; None when the client refused before asking the server.
    """

    def __init__(
        self,
        message: str,
        *,
        detail: str | None = None,
        hint: str | None = None,
        sqlstate: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.hint = hint
        self.sqlstate = sqlstate

    def __str__(self) -> str:
        parts = [self.message]
        if self.detail:
            parts.append(f"DETAIL: {self.detail}")
        if self.hint:
            parts.append(f"HINT: {self.hint}")
        return "\n".join(parts)


class EventIdTakenError(ChronicleError):
    """The event id belongs to another event, so this is no retry of it."""


class NotRegisteredError(ChronicleError):
    """The resource type or the action is not registered, while that is enforced."""


class AppendOnlyError(ChronicleError):
    """What has been recorded is neither changed nor removed."""


class EventsWouldBeLostError(ChronicleError):
    """Undoing this migration would destroy recorded events."""


class NotTrackedError(ChronicleError):
    """The changes of that table are not captured."""


class ActorRequiredError(ChronicleError):
    """The table takes no change without an actor, and the context names none."""


class HistoryIncompleteError(ChronicleError):
    """What was asked for was not recorded, so no answer would be true."""


class RevertConflictError(ChronicleError):
    """The rows are no longer as the change left them, so it cannot be undone."""


class MissingFieldError(ChronicleError):
    """A field that is required was left out, and the context does not supply it."""


class WrongFieldError(ChronicleError):
    """A field has a value that it cannot have: a wrong label, address, time, number or JSON."""


class TooLargeError(ChronicleError):
    """The event or the context is larger than the installation allows."""


class NotTrackableError(ChronicleError):
    """What was named is no table whose changes can be captured."""


class NotFoundError(ChronicleError):
    """What was named, to be removed, undone or trusted, is not there."""


class NotAllowedError(ChronicleError):
    """The database role lacks the right to do this."""


class ContextRefusedError(ChronicleError):
    """The server did not believe the signed context.

    Attributes:
        reason: what ``chronicle.set_signed_context`` answered.
    """

    def __init__(self, reason: str, key_id: str) -> None:
        super().__init__(
            f"the signed context is refused: {reason}",
            detail=f'It was signed with the key "{key_id}".',
            hint=_REFUSALS.get(reason),
        )
        self.reason = reason


class VerificationError(ChronicleError):
    """What was to be proven is not: a proof, a signature or a file does not hold."""


class InconsistentLogError(ChronicleError):
    """The log is no continuation of the one whose checkpoint was signed before."""


_REFUSALS = {
    "unknown_key": "context_keys() shows which keys the server knows, add_context_key() adds one.",
    "bad_signature": "The secret is not the one that the server has for this key.",
    "expired": "The clock here is behind that of the server: set it, or sign for longer.",
    "malformed": "The clock here is more than a minute ahead of that of the server; or a field has "
    "a value that it can not have: a wrong actor_type, ip_address or ai_operation_id, or an id of "
    "more than 1000 bytes.",
    "wrong_transaction": "Something between here and the server gives each statement a transaction "
    "of its own, as a pooler in statement mode does.",
}

ERRORS: dict[str, type[ChronicleError]] = {
    "ZC001": EventIdTakenError,
    "ZC002": NotRegisteredError,
    "ZC003": AppendOnlyError,
    "ZC004": EventsWouldBeLostError,
    "ZC005": NotTrackedError,
    "ZC006": ActorRequiredError,
    "ZC007": HistoryIncompleteError,
    "ZC008": RevertConflictError,
    "22004": MissingFieldError,
    "22003": WrongFieldError,  # a number out of range
    "22007": WrongFieldError,  # what is no time
    "22008": WrongFieldError,  # a time out of range
    "22023": WrongFieldError,  # what the log itself refuses
    "22P02": WrongFieldError,  # an unknown label, a bad address, a bad uuid, bad JSON
    "22P05": WrongFieldError,  # \u0000 in JSON
    "42939": WrongFieldError,  # a name that is the log's own
    "54000": TooLargeError,
    "42809": NotTrackableError,
    "42501": NotAllowedError,
    "42704": NotFoundError,  # a role that there is not
    "P0002": NotFoundError,
    "02000": NotFoundError,  # a transaction of which nothing was recorded
}
"""The exception for each SQLSTATE that a caller may want to branch on; all else passes through."""


@contextmanager
def explained() -> Generator[None]:
    """Turns psycopg's error into ours where there is one for its SQLSTATE.

    A text with a NUL character never reaches the server: psycopg refuses it, without a SQLSTATE.
    """
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate is None and isinstance(error, psycopg.DataError):
            raise WrongFieldError(str(error)) from error
        meaning = ERRORS.get(error.sqlstate or "")
        if meaning is None:
            raise
        raise meaning(
            error.diag.message_primary or str(error),
            detail=error.diag.message_detail,
            hint=error.diag.message_hint,
            sqlstate=error.sqlstate,
        ) from error
