"""An audit log inside PostgreSQL: the client.

with psycopg.connect() as connection:
    log = Chronicle(connection)
    with log.context(actor_type="user", actor_id=7, organization_id=1):
        connection.execute("update orders set status = 'paid' where order_id = 4711")
        log.log_audit_event(action_type="execute", resource_type="order", resource_id=4711)
"""

from importlib.metadata import version

from pgchronicle.async_client import AsyncChronicle
from pgchronicle.async_stream import AsyncEventStream
from pgchronicle.client import Chronicle
from pgchronicle.errors import (
    ActorRequiredError,
    AppendOnlyError,
    ChronicleError,
    ContextRefusedError,
    EventIdTakenError,
    EventsWouldBeLostError,
    HistoryIncompleteError,
    InconsistentLogError,
    MissingFieldError,
    NotAllowedError,
    NotFoundError,
    NotRegisteredError,
    NotTrackableError,
    NotTrackedError,
    RevertConflictError,
    TooLargeError,
    VerificationError,
    WrongFieldError,
)
from pgchronicle.models import (
    ContextFields,
    ContextKey,
    Event,
    EventFields,
    EventFilters,
    EventPage,
    Finding,
    ImportProgress,
    RecordChange,
    RefreshedTable,
    RowChange,
    RowChangeFilters,
    RowChangePage,
    SealStatus,
    Setting,
    SnapshotProgress,
    TrackedTable,
)
from pgchronicle.signing import ContextSigner
from pgchronicle.sinks import AsyncSink, Sink
from pgchronicle.stream import EventStream

__all__ = [
    "ActorRequiredError",
    "AppendOnlyError",
    "AsyncChronicle",
    "AsyncEventStream",
    "AsyncSink",
    "Chronicle",
    "ChronicleError",
    "ContextFields",
    "ContextKey",
    "ContextRefusedError",
    "ContextSigner",
    "Event",
    "EventFields",
    "EventFilters",
    "EventIdTakenError",
    "EventPage",
    "EventStream",
    "EventsWouldBeLostError",
    "Finding",
    "HistoryIncompleteError",
    "ImportProgress",
    "InconsistentLogError",
    "MissingFieldError",
    "NotAllowedError",
    "NotFoundError",
    "NotRegisteredError",
    "NotTrackableError",
    "NotTrackedError",
    "RecordChange",
    "RefreshedTable",
    "RevertConflictError",
    "RowChange",
    "RowChangeFilters",
    "RowChangePage",
    "SealStatus",
    "Setting",
    "Sink",
    "SnapshotProgress",
    "TooLargeError",
    "TrackedTable",
    "VerificationError",
    "WrongFieldError",
    "__version__",
]

__version__ = version("pgchronicle")
