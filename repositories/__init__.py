"""All database access: documents, the journal (all writes), events, reports, indexes."""

import os

# Motor reads this once, when it is first imported. Each call to the database holds one thread of the pool while it
# waits, and the change stream holds one for good.
os.environ.setdefault("MOTOR_MAX_WORKERS", "24")
