"""An audit log inside PostgreSQL: the client.

with psycopg.connect() as connection:
    log = Chronicle(connection)
    with log.context(actor_type="user", actor_id=7, organization_id=1):
        connection.execute("update orders set status = 'paid' where order_id = 4711")
        log.log_audit_event(action_type="execute", resource_type="order", resource_id=4711)
"""

from importlib.metadata import version

from pgchronicle.client import Chronicle
from pgchronicle.errors import (
    AppendOnlyError,
    ChronicleError,
    EventIdTakenError,
    EventsWouldBeLostError,
    MissingFieldError,
    NotAllowedError,
    NotFoundError,
    NotRegisteredError,
    NotTrackableError,
    NotTrackedError,
    TooLargeError,
    WrongFieldError,
)
from pgchronicle.models import (
    ContextFields,
    Event,
    EventFields,
    EventFilters,
    EventPage,
    RowChange,
    RowChangeFilters,
    RowChangePage,
    Setting,
    TrackedTable,
)

__all__ = [
    "AppendOnlyError",
    "Chronicle",
    "ChronicleError",
    "ContextFields",
    "Event",
    "EventFields",
    "EventFilters",
    "EventIdTakenError",
    "EventPage",
    "EventsWouldBeLostError",
    "MissingFieldError",
    "NotAllowedError",
    "NotFoundError",
    "NotRegisteredError",
    "NotTrackableError",
    "NotTrackedError",
    "RowChange",
    "RowChangeFilters",
    "RowChangePage",
    "Setting",
    "TooLargeError",
    "TrackedTable",
    "WrongFieldError",
    "__version__",
]

__version__ = version("pgchronicle")
