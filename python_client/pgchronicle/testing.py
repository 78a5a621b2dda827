"""For the tests of your application: that it records what it should.

``EventRecorder`` takes events in the place of the database, and needs none::

    recorder = EventRecorder()
    cancel(order, log=Chronicle(connection, sink=recorder))
    recorder.assert_recorded(action_type="update", resource_type="order", resource_id=order.id)

``recording`` gives what a block has really written, captured changes too::

    with recording(connection) as recorded:
        connection.execute("update orders set status = 'paid' where id = 7")
    recorded.assert_recorded(
        action="orders.update", resource_id=7, details_after={"status": "paid"}
    )
"""

from pgchronicle._async_recording import async_recording
from pgchronicle._recorded import EventRecorder, Recording
from pgchronicle._recording import recording

__all__ = ["EventRecorder", "Recording", "async_recording", "recording"]
