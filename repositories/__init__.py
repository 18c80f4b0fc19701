"""All database access: documents, the journal (all writes), events, reports, indexes.

Whatever reads or writes the database raises `Unavailable` if the database cannot be reached or does not answer in time.
Docstrings name the other errors.
"""

import os

# Motor reads this once, when it is first imported. Each call to the database holds one thread of the pool while it
# waits, and the change stream holds one for good.
os.environ.setdefault("MOTOR_MAX_WORKERS", "24")
