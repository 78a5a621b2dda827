"""An audit log inside PostgreSQL: the client.

with psycopg.connect() as connection:
    log = Chronicle(connection)
    with log.context(actor_type="user", actor_id=7, organization_id=1):
        connection.execute("update orders set status = 'paid' where order_id = 4711")
        log.log_audit_event(action_type="execute", resource_type="order", resource_id=4711)
"""

from importlib.metadata import version

from pgchronicle.async_client import AsyncChronicle
from pgchronicle.client import Chronicle
from pgchronicle.errors import (
    ActorRequiredError,
    AppendOnlyError,
    ChronicleError,
    EventIdTakenError,
    EventsWouldBeLostError,
    HistoryIncompleteError,
    MissingFieldError,
    NotAllowedError,
    NotFoundError,
    NotRegisteredError,
    NotTrackableError,
    NotTrackedError,
    RevertConflictError,
    TooLargeError,
    WrongFieldError,
)
from pgchronicle.models import (
    ContextFields,
    Event,
    EventFields,
    EventFilters,
    EventPage,
    ImportProgress,
    RecordChange,
    RefreshedTable,
    RowChange,
    RowChangeFilters,
    RowChangePage,
    Setting,
    SnapshotProgress,
    TrackedTable,
)
from pgchronicle.signing import ContextSigner

__all__ = [
    "ActorRequiredError",
    "AppendOnlyError",
    "AsyncChronicle",
    "Chronicle",
    "ChronicleError",
    "ContextFields",
    "ContextSigner",
    "Event",
    "EventFields",
    "EventFilters",
    "EventIdTakenError",
    "EventPage",
    "EventsWouldBeLostError",
    "HistoryIncompleteError",
    "ImportProgress",
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
    "Setting",
    "SnapshotProgress",
    "TooLargeError",
    "TrackedTable",
    "WrongFieldError",
    "__version__",
]

__version__ = version("pgchronicle")
